// Where the panels go: Grafana's grid of 24 columns, rows of 30 pixels and gaps of 8.
import type { GridPos, Panel } from './dashboard';
import { repeated, type Values } from './variables';

const COLUMNS = 24;
const ROW = 30;
const GAP = 8;
/** Around the dashboard. */
export const MARGIN = 16;

export interface Place {
  panel: Panel;
  values: Values;
}

export interface Pixels {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where a panel lies on a page of this width, relative to the corner of the grid. */
export function pixels({ x, y, w, h }: GridPos, pageWidth: number): Pixels {
  const column = (pageWidth - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS;
  return {
    left: Math.round(x * (column + GAP)),
    top: y * (ROW + GAP),
    width: Math.round(w * column + (w - 1) * GAP),
    height: h * ROW + (h - 1) * GAP,
  };
}

const overlap = (a: GridPos, b: GridPos) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** Moves panels down where others came in between, then up as far as there is room: Grafana does it, too. */
function compact(places: Place[]): Place[] {
  const settled: GridPos[] = [];
  const free = (pos: GridPos) => !settled.some((other) => overlap(other, pos));
  const order = (a: Place, b: Place) => a.panel.gridPos.y - b.panel.gridPos.y || a.panel.gridPos.x - b.panel.gridPos.x;
  return [...places].sort(order).map(({ panel, values }) => {
    const pos = panel.type === 'row' ? { ...panel.gridPos, x: 0, w: COLUMNS, h: 1 } : { ...panel.gridPos };
    while (!free(pos)) pos.y += 1;
    while (pos.y > 0 && free({ ...pos, y: pos.y - 1 })) pos.y -= 1;
    settled.push(pos);
    return { panel: { ...panel, gridPos: pos }, values };
  });
}

/** The panels to draw; `only` is the id of the one panel that is wanted. */
export function layOut(panels: Panel[], values: Values, only?: number): Place[] {
  if (only === undefined) return compact(repeated(panels, values));
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  const panel = all.find(({ id }) => id === only);
  if (!panel) throw new Error(`the dashboard has no panel ${only}`);
  return [{ panel: { ...panel, gridPos: { ...panel.gridPos, x: 0, y: 0 } }, values }];
}
