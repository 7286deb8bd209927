// Turns Prometheus's answers into data frames as Grafana's Prometheus data source does.
import { DataFrameType, FieldType, type DataFrame, type Field } from '@grafana/data';
import type { Target } from './dashboard';
import type { Labels, Series } from './prometheus';

const toNumber = (text: string): number =>
  text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number.parseFloat(text);

const timeField = (values: number[], interval?: number): Field => ({
  name: 'Time',
  type: FieldType.time,
  config: interval === undefined ? {} : { interval },
  values,
});

/** A series as PromQL writes it. */
export function metricName({ __name__ = '', ...labels }: Labels): string {
  const pairs = Object.keys(labels)
    .sort()
    .map((name) => `${name}="${labels[name]}"`);
  return __name__ && !pairs.length ? __name__ : `${__name__}{${pairs.join(', ')}}`;
}

/** The text of a legend with {{label}} filled in. */
export const fillLegend = (format: string, labels: Labels): string =>
  format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => labels[label] ?? '');

function legend(target: Target, expr: string, labels: Labels): string | undefined {
  const { legendFormat } = target;
  if (legendFormat === '__auto') return Object.keys(labels).length ? undefined : expr;
  const name = legendFormat ? fillLegend(legendFormat, labels) : metricName(labels);
  return name === '{}' ? expr : name;
}

/** One frame for each series; `step` in milliseconds lets the panels see the gaps. */
export function toTimeSeries(target: Target, expr: string, series: Series[], step?: number): DataFrame[] {
  return series.map(({ metric, values }) => {
    const name = legend(target, expr, metric);
    return {
      refId: target.refId,
      name,
      meta: { type: step === undefined ? DataFrameType.NumericMulti : DataFrameType.TimeSeriesMulti },
      fields: [
        timeField(
          values.map(([time]) => time * 1000),
          step,
        ),
        {
          name: 'Value',
          type: FieldType.number,
          config: name === undefined ? {} : { displayNameFromDS: name },
          labels: metric,
          values: values.map(([, value]) => toNumber(value)),
        },
      ],
      length: values.length,
    };
  });
}

/** One frame with a column for each label; `alone` says that the panel has no other table. */
export function toTable(target: Target, series: Series[], alone: boolean): DataFrame[] {
  if (!series.length) return [];
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const rows = series.flatMap(({ metric, values }) => values.map(([time, value]) => ({ metric, time, value })));
  rows.sort((a, b) => a.time - b.time);
  return [
    {
      refId: target.refId,
      meta: { preferredVisualisationType: 'table' },
      fields: [
        timeField(rows.map(({ time }) => time * 1000)),
        ...labels.map((name): Field => ({
          name,
          type: name === 'le' ? FieldType.number : FieldType.string,
          config: { filterable: true },
          values: rows.map(({ metric }) => (name === 'le' ? toNumber(metric.le ?? '') : (metric[name] ?? ''))),
        })),
        {
          name: alone ? 'Value' : `Value #${target.refId}`,
          type: FieldType.number,
          config: {},
          values: rows.map(({ value }) => toNumber(value)),
        },
      ],
      length: rows.length,
    },
  ];
}

/** One frame with a column for each bucket, in which a bucket no longer counts those below it. */
export function toHeatmap(target: Target, series: Series[], step: number): DataFrame[] {
  const buckets = new Map<string, Map<number, number>>();
  for (const { metric, values } of series) {
    const bound = metric.le ?? '';
    const bucket = buckets.get(bound) ?? new Map<number, number>();
    for (const [time, value] of values) bucket.set(time, (bucket.get(time) ?? 0) + toNumber(value));
    buckets.set(bound, bucket);
  }
  if (!buckets.size) return [];
  const bounds = [...buckets.keys()].sort((a, b) => toNumber(a) - toNumber(b));
  const times = [...new Set([...buckets.values()].flatMap((bucket) => [...bucket.keys()]))].sort((a, b) => a - b);
  const columns = bounds.map((bound, i): Field => {
    const here = buckets.get(bound)!;
    const below = i ? buckets.get(bounds[i - 1])! : undefined;
    return {
      name: bound,
      type: FieldType.number,
      config: {},
      labels: { le: bound },
      values: times.map((time) => {
        const value = here.get(time);
        return value === undefined ? null : value - (below?.get(time) ?? 0);
      }),
    };
  });
  return [
    {
      refId: target.refId,
      meta: { type: DataFrameType.HeatmapRows },
      fields: [
        timeField(
          times.map((time) => time * 1000),
          step,
        ),
        ...columns,
      ],
      length: times.length,
    },
  ];
}
