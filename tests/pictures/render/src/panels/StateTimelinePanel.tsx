// State timeline: a row for each series, a box for each of its states, drawn with uPlot as Grafana does.
import { useMemo } from 'react';
import { colorManipulator, type GrafanaTheme2 } from '@grafana/data';
import { UPlotChart, UPlotConfigBuilder, VizLayout, measureText } from '@grafana/ui';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import type uPlot from 'uplot';
import type { PanelProps } from '../PanelView';
import { legend } from './legend';
import { timelineLegend, timelineRows, type State, type TimelineRow } from './states';

export function StateTimelinePanel({ loaded, width, height, setting }: PanelProps) {
  const { options, range, frames } = loaded;
  const { theme, timeZone } = setting;
  const { rows, config, data } = useMemo(() => {
    const [from, to] = [range.from.valueOf(), range.to.valueOf()];
    const rows = timelineRows(frames, options.mergeValues !== false, to, theme).slice(0, options.perPage);
    const data = [[from, to], ...rows.map(() => [null, null])] as uPlot.AlignedData;
    return { rows, config: plot(rows, options, theme, timeZone, [from, to]), data };
  }, [frames, options, range, theme, timeZone]);
  return (
    <VizLayout width={width} height={height} legend={legend(options.legend, timelineLegend(rows, theme))}>
      {(w, h) => <UPlotChart config={config} data={data} width={w} height={h} />}
    </VizLayout>
  );
}

function plot(
  rows: TimelineRow[],
  options: Record<string, any>,
  theme: GrafanaTheme2,
  timeZone: string,
  xRange: [number, number],
) {
  const config = new UPlotConfigBuilder(timeZone);
  const custom = rows[0]?.field.config.custom ?? {};
  const hidden = custom.axisPlacement === AxisPlacement.Hidden;
  const names = Math.max(0, ...rows.map(({ name }) => measureText(name, 12).width));
  config.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => xRange,
  });
  config.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Down,
    range: () => [0, rows.length],
  });
  config.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme });
  config.addAxis({
    scaleKey: 'y',
    placement: AxisPlacement.Left,
    splits: () => rows.map((_, i) => i + 0.5),
    values: () => rows.map(({ name }) => (hidden ? null : name)),
    grid: { show: false },
    ticks: { show: false },
    gap: hidden ? 0 : 16,
    size: hidden ? 0 : custom.axisWidth || names + 24,
    theme,
  });
  for (const _ of rows)
    config.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, pointsBuilder: () => undefined });
  config.addHook('draw', (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    rows.forEach(({ field, states }, i) => {
      const rowHeight = bbox.height / rows.length;
      const boxHeight = Math.round(rowHeight * options.rowHeight);
      const top = Math.round(bbox.top + rowHeight * i + (rowHeight - boxHeight) / 2);
      for (const state of states) drawState(u, state, top, boxHeight, field.config.custom ?? {}, options, theme);
    });
    ctx.restore();
  });
  return config;
}

function drawState(
  { ctx, bbox, valToPos }: uPlot,
  { from, to, text, color }: State,
  top: number,
  height: number,
  custom: { fillOpacity?: number; lineWidth?: number },
  { showValue, alignValue }: Record<string, any>,
  theme: GrafanaTheme2,
): void {
  const left = Math.max(bbox.left, Math.round(valToPos(from, 'x', true)));
  const right = Math.min(bbox.left + bbox.width, Math.round(valToPos(to, 'x', true)));
  const opacity = (custom.fillOpacity ?? 70) / 100;
  ctx.fillStyle = colorManipulator.alpha(color, opacity);
  ctx.fillRect(left, top, right - left, height);
  const line = (custom.lineWidth ?? 0) * devicePixelRatio;
  if (line) {
    ctx.strokeStyle = color;
    ctx.lineWidth = line;
    ctx.strokeRect(left + line / 2, top + line / 2, right - left - line, height - line);
  }
  if (showValue === 'never') return;
  const padding = 2 * devicePixelRatio;
  ctx.font = `${12 * devicePixelRatio}px ${theme.typography.fontFamily}`;
  const room = right - left - 2 * padding;
  if (showValue === 'auto' && ctx.measureText(text).width > room) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, right - left, height);
  ctx.clip();
  ctx.fillStyle = opacity > 0.3 ? theme.colors.getContrastText(color, 3) : theme.colors.text.primary;
  ctx.textBaseline = 'middle';
  ctx.textAlign = alignValue;
  const x = alignValue === 'left' ? left + padding : alignValue === 'right' ? right - padding : (left + right) / 2;
  ctx.fillText(text, x, top + height / 2);
  ctx.restore();
}
