// Bar chart: a group or a stack of bars for each category, drawn with uPlot as Grafana does.
import { useMemo } from 'react';
import {
  FieldType,
  colorManipulator,
  formattedValueToString,
  getDisplayProcessor,
  getFieldColorModeForField,
  getFieldDisplayName,
  getFieldSeriesColor,
  type DataFrame,
  type Field,
} from '@grafana/data';
import { PlotLegend, UPlotChart, UPlotConfigBuilder, VizLayout, calculateFontSize, measureText } from '@grafana/ui';
import { AxisPlacement, ScaleDirection, ScaleOrientation, VizOrientation } from '@grafana/schema';
import type uPlot from 'uplot';
import type { Setting } from '../load';
import { Message, type PanelProps } from '../PanelView';

interface Chart {
  frame: DataFrame;
  categories: string[];
  series: Field[];
  colorBy?: Field;
}

function chart([frame]: DataFrame[], options: Record<string, any>, { timeZone, theme }: Setting): Chart | undefined {
  if (!frame) return undefined;
  const named = (name?: string) =>
    frame.fields.find((field) => name !== undefined && getFieldDisplayName(field, frame) === name);
  const x =
    named(options.xField) ??
    frame.fields.find(({ type }) => type === FieldType.string) ??
    frame.fields.find(({ type }) => type === FieldType.time);
  const series = frame.fields.filter(
    (field) => field.type === FieldType.number && field !== x && !field.config.custom?.hideFrom?.viz,
  );
  // Colours are counted from the first bar, not from the first column.
  series.forEach((field, seriesIndex) => (field.state = { ...field.state, seriesIndex }));
  if (!x || !series.length) return undefined;
  const display = x.display ?? getDisplayProcessor({ field: x, theme, timeZone });
  const longest: number = options.xTickLabelMaxLength || Infinity;
  const categories = x.values.map((value: unknown) => {
    const text = formattedValueToString(display(value));
    return text.length > longest ? `${text.slice(0, longest)}...` : text;
  });
  return { frame, categories, series, colorBy: named(options.colorByField) };
}

export function BarChartPanel({ loaded, width, height, setting }: PanelProps) {
  const { options, frames } = loaded;
  const found = useMemo(() => chart(frames, options, setting), [frames, options, setting]);
  const horizontal =
    options.orientation === VizOrientation.Horizontal ||
    (options.orientation !== VizOrientation.Vertical && width < height);
  const plotted = useMemo(
    () => found && plot(found, options, horizontal, setting),
    [found, options, horizontal, setting],
  );
  if (!found || !plotted) return <Message text="No string or time field" />;
  const { legend } = options;
  return (
    <VizLayout
      width={width}
      height={height}
      legend={legend.showLegend ? <PlotLegend data={[found.frame]} config={plotted.config} {...legend} /> : null}
    >
      {(w, h) => <UPlotChart config={plotted.config} data={plotted.data} width={w} height={h} />}
    </VizLayout>
  );
}

/** From where to where a bar reaches, of what share of the stack it belongs to. */
interface Bar {
  from: number;
  to: number;
  value: number;
  category: number;
  series: number;
}

function bars({ series, categories }: Chart, stacking: string): Bar[] {
  return categories.flatMap((_, category) => {
    const values = series.map((field) => (field.values[category] ?? 0) as number);
    const whole = stacking === 'percent' ? values.reduce((sum, value) => sum + value, 0) || 1 : 1;
    let sum = 0;
    return values.map((value, i) => {
      const from = stacking === 'none' ? 0 : sum / whole;
      sum += value;
      return { from, to: stacking === 'none' ? value : sum / whole, value, category, series: i };
    });
  });
}

function plot(data: Chart, options: Record<string, any>, horizontal: boolean, { theme }: Setting) {
  const { frame, categories, series } = data;
  const { stacking, xTickLabelRotation } = options;
  const drawn = bars(data, stacking);
  const { config: first, display } = series[0];
  const custom = first.custom ?? {};
  const config = new UPlotConfigBuilder();
  config.addScale({
    scaleKey: 'x',
    orientation: horizontal ? ScaleOrientation.Vertical : ScaleOrientation.Horizontal,
    direction: horizontal ? ScaleDirection.Down : ScaleDirection.Right,
    range: () => [-0.5, categories.length - 0.5],
  });
  config.addScale({
    scaleKey: 'y',
    orientation: horizontal ? ScaleOrientation.Horizontal : ScaleOrientation.Vertical,
    direction: horizontal ? ScaleDirection.Right : ScaleDirection.Up,
    min: first.min,
    max: stacking === 'percent' ? 1 : first.max,
    softMin: Math.min(custom.axisSoftMin ?? 0, 0),
    softMax: custom.axisSoftMax,
    distribution: custom.scaleDistribution?.type,
    log: custom.scaleDistribution?.log,
  });
  const room = Math.max(...categories.map((name) => measureText(name, 12).width));
  const slope = Math.abs(Math.sin((xTickLabelRotation * Math.PI) / 180));
  config.addAxis({
    scaleKey: 'x',
    placement: horizontal ? AxisPlacement.Left : AxisPlacement.Bottom,
    splits: () => categories.map((_, i) => i),
    values: () => categories,
    tickLabelRotation: horizontal ? 0 : -xTickLabelRotation,
    size: horizontal ? room + 20 : xTickLabelRotation ? room * slope + 24 : null,
    grid: { show: false },
    ticks: { show: false },
    theme,
  });
  // Room for the text of a bar that is as long as the scale.
  if (options.showValue !== 'never' && stacking === 'none')
    config.setPadding(horizontal ? [0, 40, 0, 0] : [24, 0, 0, 0]);
  const percent = getDisplayProcessor({ field: { ...series[0], config: { ...first, unit: 'percentunit' } }, theme });
  const format = stacking === 'percent' ? percent : display!;
  config.addAxis({
    scaleKey: 'y',
    show: custom.axisPlacement !== AxisPlacement.Hidden,
    placement: horizontal
      ? AxisPlacement.Bottom
      : custom.axisPlacement === AxisPlacement.Right
        ? AxisPlacement.Right
        : AxisPlacement.Left,
    label: custom.axisLabel,
    formatValue: (value, decimals) => formattedValueToString(format(value, decimals)),
    grid: { show: custom.axisGridShow },
    theme,
  });
  for (const field of series) {
    config.addSeries({
      scaleKey: 'y',
      theme,
      pathBuilder: () => null,
      pointsBuilder: () => undefined,
      dataFrameFieldIndex: { frameIndex: 0, fieldIndex: frame.fields.indexOf(field) },
    });
  }
  config.addHook('draw', (u) => draw(u, data, drawn, options, horizontal, theme));
  const tops = series.map((_, i) => drawn.filter((bar) => bar.series === i).map(({ to }) => to));
  return { config, data: [categories.map((_, i) => i), ...tops] as uPlot.AlignedData };
}

function draw(
  u: uPlot,
  { series, colorBy }: Chart,
  drawn: Bar[],
  options: Record<string, any>,
  horizontal: boolean,
  theme: Setting['theme'],
): void {
  const { ctx } = u;
  const { stacking, groupWidth, barWidth, barRadius, showValue, text = {} } = options;
  const slot = Math.abs(u.valToPos(1, 'x', true) - u.valToPos(0, 'x', true));
  const grouped = stacking === 'none' && series.length > 1;
  const lane = grouped ? (slot * groupWidth) / series.length : slot;
  const thick = Math.max(1, lane * barWidth);
  const labels = drawn.map(({ value, series: i }) => formattedValueToString(series[i].display!(value)));
  const stacked = stacking !== 'none';
  // One size for all, in which every text fits its bar.
  const size: number =
    text.valueSize ??
    Math.min(
      ...drawn.map(({ from, to }, n) => {
        const length = stacked ? Math.abs(u.valToPos(to, 'y') - u.valToPos(from, 'y')) : Infinity;
        const across = (thick / devicePixelRatio) * 0.65;
        return horizontal
          ? calculateFontSize(labels[n], Math.min(length, 200), across, 1, 30)
          : calculateFontSize(labels[n], across, Math.min(length, 30), 1, 30);
      }),
    );
  ctx.save();
  drawn.forEach(({ from, to, value, category, series: i }, n) => {
    const { config } = series[i];
    const { fillOpacity = 80, lineWidth = 1 } = config.custom ?? {};
    const color =
      colorBy?.display!(colorBy.values[category]).color ??
      (getFieldColorModeForField(series[i]).isByValue || config.mappings?.length
        ? series[i].display!(value).color
        : undefined) ??
      getFieldSeriesColor(series[i], theme).color;
    const middle = u.valToPos(category, 'x', true) + (grouped ? (i - (series.length - 1) / 2) * lane : 0);
    const [a, b] = [u.valToPos(from, 'y', true), u.valToPos(to, 'y', true)];
    const [start, length] = [Math.min(a, b), Math.abs(b - a)];
    ctx.beginPath();
    const radius = thick * barRadius;
    if (horizontal) ctx.roundRect(start, middle - thick / 2, length, thick, [0, radius, radius, 0]);
    else ctx.roundRect(middle - thick / 2, start, thick, length, [radius, radius, 0, 0]);
    ctx.fillStyle = colorManipulator.alpha(color, fillOpacity / 100);
    ctx.fill();
    ctx.strokeStyle = color;
    ctx.lineWidth = lineWidth * devicePixelRatio;
    if (lineWidth) ctx.stroke();
    if (showValue === 'never' || (showValue === 'auto' && size < 8)) return;
    ctx.font = `${Math.max(8, size) * devicePixelRatio}px ${theme.typography.fontFamily}`;
    ctx.fillStyle = theme.colors.text.primary;
    const gap = 4 * devicePixelRatio;
    if (horizontal) {
      ctx.textAlign = stacked ? 'center' : 'left';
      ctx.textBaseline = 'middle';
      ctx.fillText(labels[n], stacked ? start + length / 2 : b + gap, middle);
    } else {
      ctx.textAlign = 'center';
      ctx.textBaseline = stacked ? 'middle' : 'bottom';
      ctx.fillText(labels[n], middle, stacked ? start + length / 2 : Math.max(b - gap, (size + 2) * devicePixelRatio));
    }
  });
  ctx.restore();
}
