// What a state timeline shows: for each series its states with their times, names and colours, and the legend of them.
import {
  FieldColorModeId,
  FieldType,
  ThresholdsMode,
  formattedValueToString,
  getActiveThreshold,
  getFieldConfigWithMinMax,
  getFieldDisplayName,
  getValueFormat,
  type DataFrame,
  type Field,
  type GrafanaTheme2,
} from '@grafana/data';
import type { VizLegendItem } from '@grafana/ui';

export interface State {
  from: number;
  to: number;
  text: string;
  color: string;
}

export interface TimelineRow {
  name: string;
  field: Field;
  states: State[];
}

/** The names and colours of a field's thresholds, in their order. */
function thresholdItems({ config }: Field, theme: GrafanaTheme2): { label: string; color: string }[] {
  const { steps = [], mode } = config.thresholds ?? {};
  const format = getValueFormat(mode === ThresholdsMode.Percentage ? 'percent' : (config.unit ?? ''));
  const text = (value: number) => formattedValueToString(format(value, config.decimals));
  return steps.map(({ value, color }, i) => ({
    label: value === -Infinity && i < steps.length - 1 ? `< ${text(steps[i + 1].value)}` : `${text(value)}+`,
    color: theme.visualization.getColorByName(color),
  }));
}

/** How a value is named and coloured. Where colours come from thresholds, merged states do, too, as in Grafana. */
function namer(
  field: Field,
  merge: boolean,
  theme: GrafanaTheme2,
): (value: unknown) => { text: string; color: string } {
  const { thresholds, color } = field.config;
  if (
    merge &&
    field.type === FieldType.number &&
    color?.mode === FieldColorModeId.Thresholds &&
    thresholds?.steps.length
  ) {
    const items = thresholdItems(field, theme);
    const { min = 0, max = 100 } = thresholds.mode === ThresholdsMode.Percentage ? getFieldConfigWithMinMax(field) : {};
    return (value) => {
      const number =
        thresholds.mode === ThresholdsMode.Percentage ? ((Number(value) - min!) / (max! - min!)) * 100 : Number(value);
      const { label, color } = items[thresholds.steps.indexOf(getActiveThreshold(number, thresholds.steps))];
      return { text: label, color };
    };
  }
  return (value) => {
    const display = field.display!(value);
    return { text: formattedValueToString(display), color: display.color ?? theme.colors.text.disabled };
  };
}

function states(time: Field, field: Field, merge: boolean, end: number, theme: GrafanaTheme2): State[] {
  const name = namer(field, merge, theme);
  const { interval } = time.config;
  const found: (State & { value: unknown })[] = [];
  field.values.forEach((value: unknown, i: number) => {
    if (value === null || value === undefined) return;
    const from: number = time.values[i];
    const next: number = time.values[i + 1] ?? (interval ? from + interval : end);
    const to = Math.min(end, interval ? Math.min(next, from + interval) : next);
    const state = { from, to, value, ...name(value) };
    const last = found.at(-1);
    const same = last && last.text === state.text && last.color === state.color;
    if (merge && same && last.to >= from) last.to = to;
    else found.push(state);
  });
  return found;
}

export function timelineRows(frames: DataFrame[], merge: boolean, end: number, theme: GrafanaTheme2): TimelineRow[] {
  return frames.flatMap((frame) => {
    const time = frame.fields.find(({ type }) => type === FieldType.time);
    if (!time) return [];
    return frame.fields
      .filter(
        (field) =>
          field.type !== FieldType.time && field.type !== FieldType.other && !field.config.custom?.hideFrom?.viz,
      )
      .map((field) => ({
        name: getFieldDisplayName(field, frame, frames),
        field,
        states: states(time, field, merge, end, theme),
      }));
  });
}

/** Thresholds if colours come from them, nothing if colours are continuous, else the states that occur. */
export function timelineLegend(rows: TimelineRow[], theme: GrafanaTheme2): VizLegendItem[] {
  const first = rows[0]?.field;
  const mode = first?.config.color?.mode;
  if (!first || mode?.startsWith('continuous')) return [];
  if (mode === FieldColorModeId.Thresholds && (first.config.thresholds?.steps.length ?? 0) > 1) {
    return thresholdItems(first, theme).map((item) => ({ ...item, yAxis: 1 }));
  }
  const seen = new Map(rows.flatMap(({ states }) => states.map(({ text, color }) => [text, color] as const)));
  return [...seen].map(([label, color]) => ({ label, color, yAxis: 1 }));
}
