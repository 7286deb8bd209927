// Asks for the dashboard's annotations: the moments, and the spans of time, at which a query gives something.
import { rangeUtil } from '@grafana/data';
import type { Annotation } from './dashboard';
import { atLeast, builtIn, type Setting } from './load';
import { queryRange } from './prometheus';
import { fillQuery, type Values } from './variables';

/** Times are in milliseconds; `end` equals `start` for a moment. */
export interface Span {
  start: number;
  end: number;
  color: string;
}

export async function loadAnnotations(annotations: Annotation[], values: Values, setting: Setting): Promise<Span[]> {
  const { range, theme, scrapeInterval, errors } = setting;
  const spans: Span[] = [];
  for (const { name, enable, iconColor = 'red', target, ...annotation } of annotations) {
    const expr = target?.expr ?? annotation.expr;
    if (!enable || !expr) continue;
    const color = theme.visualization.getColorByName(iconColor);
    const wanted = rangeUtil.intervalToMs(annotation.step || target?.step || '60s');
    const step = Math.max(wanted, Math.ceil(atLeast(range) / 1000) * 1000);
    const query = fillQuery(expr, { ...values, ...builtIn(range, step, scrapeInterval) });
    try {
      const from = Math.floor(range.from.valueOf() / step) * step;
      const { series } = await queryRange(query, from / 1000, range.to.valueOf() / 1000, step / 1000);
      for (const { values: samples } of series) {
        let last: Span | undefined;
        for (const [time, value] of samples) {
          if (!Number(value)) continue;
          if (last && time * 1000 - last.end <= step) last.end = time * 1000;
          else spans.push((last = { start: time * 1000, end: time * 1000, color }));
        }
      }
    } catch (error) {
      errors.push(`annotation ${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return spans;
}
