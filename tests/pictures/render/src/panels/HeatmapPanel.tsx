// Heatmap of a histogram's buckets over time, and the scale of its colours, drawn with uPlot as Grafana does.
import { useMemo } from 'react';
import {
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  getValueFormat,
  type DataFrame,
  type GrafanaTheme2,
} from '@grafana/data';
import { UPlotChart, UPlotConfigBuilder, VizLayout, measureText } from '@grafana/ui';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import type uPlot from 'uplot';
import { Message, type PanelProps } from '../PanelView';
import { palette } from './palette';

interface Cells {
  times: number[];
  interval: number;
  /** From the lowest bucket up. */
  names: string[];
  counts: (number | null)[][];
}

/** The buckets as rows, whether they are columns of one frame or frames of their own. */
function cells(frames: DataFrame[]): Cells | undefined {
  const time = frames[0]?.fields.find(({ type }) => type === FieldType.time);
  if (!time) return undefined;
  const rows = frames.flatMap((frame) => {
    const times = frame.fields.find(({ type }) => type === FieldType.time)?.values ?? [];
    const numbers = frame.fields.filter(({ type }) => type === FieldType.number);
    return numbers.map((field) => {
      const at = new Map(times.map((t: number, i: number) => [t, field.values[i] as number | null]));
      return { name: field.labels?.le ?? getFieldDisplayName(field, frame, frames), at };
    });
  });
  const times = [...new Set(rows.flatMap(({ at }) => [...at.keys()]))].sort((a, b) => a - b);
  const counts = rows.map(({ at }) => times.map((t) => at.get(t) ?? null));
  const steps = times.slice(1).map((t, i) => t - times[i]);
  return { times, interval: time.config.interval ?? Math.min(...steps), names: rows.map(({ name }) => name), counts };
}

export function HeatmapPanel({ loaded, width, height, setting }: PanelProps) {
  const { options, range, frames } = loaded;
  const { theme, timeZone } = setting;
  const drawing = useMemo(() => {
    const found = cells(frames);
    if (!found || options.calculate) return undefined;
    const colors = palette(options.color, theme);
    const visible = (count: number | null): count is number =>
      count !== null &&
      Number.isFinite(count) &&
      count > (options.filterValues?.le ?? -Infinity) &&
      count < (options.filterValues?.ge ?? Infinity);
    const counts = found.counts.flat().filter(visible);
    const min = options.color.min ?? Math.min(...counts);
    const max = options.color.max ?? Math.max(...counts);
    const color = (count: number) => {
      const share = max > min ? (count - min) / (max - min) : 1;
      return colors[Math.round(Math.min(1, Math.max(0, share)) * (colors.length - 1))];
    };
    const config = plot(
      found,
      options,
      theme,
      timeZone,
      () => [range.from.valueOf(), range.to.valueOf()],
      (count) => (visible(count) ? color(count) : undefined),
    );
    const data: uPlot.AlignedData = [found.times, found.times.map(() => null)];
    return { config, data, colors, min, max };
  }, [frames, options, theme, timeZone, range]);
  if (!drawing) return <Message text={options.calculate ? 'Heatmaps of single values are not drawn' : 'No data'} />;

  const show = options.legend?.show;
  const format = getValueFormat(options.cellValues?.unit || 'short');
  const text = (value: number) => formattedValueToString(format(value, options.cellValues?.decimals));
  const legend = show ? (
    <VizLayout.Legend placement="bottom" maxHeight="20%">
      <ColorScale colors={drawing.colors} min={text(drawing.min)} max={text(drawing.max)} theme={theme} />
    </VizLayout.Legend>
  ) : null;
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(w, h) => <UPlotChart config={drawing.config} data={drawing.data} width={w} height={h} />}
    </VizLayout>
  );
}

function plot(
  { times, interval, names, counts }: Cells,
  options: Record<string, any>,
  theme: GrafanaTheme2,
  timeZone: string,
  xRange: () => [number, number],
  color: (count: number | null) => string | undefined,
): UPlotConfigBuilder {
  const { yAxis, cellGap, rowsFrame } = options;
  const config = new UPlotConfigBuilder(timeZone);
  config.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: xRange,
  });
  config.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: yAxis.reverse ? ScaleDirection.Down : ScaleDirection.Up,
    range: () => [0, names.length],
  });
  config.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme });

  // The bounds of Prometheus's buckets are above them; other rows are named after their middle.
  const bounds = names.every((name) => Number.isFinite(Number(name)) || name === '+Inf');
  const layout = rowsFrame?.layout === 'auto' || !rowsFrame?.layout ? (bounds ? 'le' : 'unknown') : rowsFrame.layout;
  const shift = layout === 'le' ? 1 : layout === 'ge' ? 0 : 0.5;
  const format = getValueFormat(yAxis.unit || 'short');
  const label = (name: string) =>
    name !== '+Inf' && Number.isFinite(Number(name))
      ? formattedValueToString(format(Number(name), yAxis.decimals))
      : name;
  const hidden = yAxis.axisPlacement === AxisPlacement.Hidden;
  config.addAxis({
    scaleKey: 'y',
    show: !hidden,
    placement: hidden ? AxisPlacement.Left : (yAxis.axisPlacement ?? AxisPlacement.Left),
    label: yAxis.axisLabel,
    size: yAxis.axisWidth || Math.max(...names.map((name) => measureText(label(name), 12).width)) + 20,
    theme,
    splits: (u) => {
      const every = Math.ceil((names.length * 14) / Math.max(14, u.bbox.height / devicePixelRatio));
      return names.map((_, i) => i + shift).filter((_, i) => (names.length - 1 - i) % every === 0);
    },
    values: (_, splits) => splits.map((at) => label(names[Math.round(at - shift)])),
  });
  config.addSeries({ scaleKey: 'y', theme, pathBuilder: () => null, pointsBuilder: () => undefined });
  config.addHook('draw', ({ ctx, bbox, valToPos }) => {
    const gap = (cellGap ?? 1) * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    counts.forEach((row, y) => {
      const edges = [valToPos(y, 'y', true), valToPos(y + 1, 'y', true)].map(Math.round).sort((a, b) => a - b);
      row.forEach((count, i) => {
        const fill = color(count);
        if (!fill) return;
        const left = Math.round(valToPos(times[i] - interval / 2, 'x', true));
        const right = Math.round(valToPos(times[i] + interval / 2, 'x', true));
        ctx.fillStyle = fill;
        ctx.fillRect(left, edges[0], Math.max(1, right - left - gap), Math.max(1, edges[1] - edges[0] - gap));
      });
    });
    ctx.restore();
  });
  return config;
}

function ColorScale({ colors, min, max, theme }: { colors: string[]; min: string; max: string; theme: GrafanaTheme2 }) {
  return (
    <div
      style={{
        width: 280,
        padding: '6px 0 0 15px',
        fontSize: theme.typography.bodySmall.fontSize,
        color: theme.colors.text.primary,
      }}
    >
      <div style={{ height: 9, background: `linear-gradient(90deg, ${colors.join()})` }} />
      <div style={{ display: 'flex', justifyContent: 'space-between', opacity: 0.7 }}>
        <span>{min}</span>
        <span>{max}</span>
      </div>
    </div>
  );
}
