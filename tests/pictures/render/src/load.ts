// Fetches what a panel shows: asks its queries, then transforms the answers and applies the field options.
import { lastValueFrom } from 'rxjs';
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  dateTime,
  rangeUtil,
  standardTransformersRegistry,
  transformDataFrame,
  type DataFrame,
  type FieldConfigOptionsRegistry,
  type FieldConfigSource,
  type GrafanaTheme2,
  type TimeRange,
} from '@grafana/data';
import type { Panel, Target } from './dashboard';
import { isDrawn, withDefaults } from './defaults';
import { toHeatmap, toTable, toTimeSeries } from './frames';
import { queryInstant, queryRange } from './prometheus';
import { fillQuery, fillText, filler, single, type Value, type Values } from './variables';

/** What all panels share. */
export interface Setting {
  range: TimeRange;
  timeZone: string;
  theme: GrafanaTheme2;
  scrapeInterval: number;
  warnings: string[];
  errors: string[];
}

export interface Loaded {
  panel: Panel;
  title: string;
  description: string;
  options: Record<string, any>;
  fieldConfig: FieldConfigSource;
  frames: DataFrame[];
  range: TimeRange;
  replace: ReturnType<typeof filler>;
  error?: string;
}

/** The variables that Grafana itself provides. */
export function builtIn(range: TimeRange, intervalMs: number, scrapeInterval: number): Values {
  const seconds = Math.round((range.to.valueOf() - range.from.valueOf()) / 1000);
  const duration = (ms: number): Value => single(ms % 1000 ? `${ms}ms` : rangeUtil.secondsToHms(ms / 1000));
  return {
    __interval: duration(intervalMs),
    __interval_ms: single(intervalMs),
    __rate_interval: single(`${Math.max(intervalMs / 1000 + scrapeInterval, 4 * scrapeInterval)}s`),
    __range: single(`${seconds}s`),
    __range_s: single(seconds),
    __range_ms: single(seconds * 1000),
    __from: single(range.from.valueOf()),
    __to: single(range.to.valueOf()),
  };
}

const seconds = (text: string): number => rangeUtil.intervalToMs(text.replace(/^>/, '')) / 1000;

/** The shortest step that Prometheus accepts, milliseconds. */
export const atLeast = (range: TimeRange): number => (range.to.valueOf() - range.from.valueOf()) / 11000;

/** Asks one query; its step and `$__rate_interval` come from the width of the panel, as in Grafana. */
async function ask(target: Target, panel: Panel, values: Values, range: TimeRange, points: number, setting: Setting) {
  const own = target.interval ? fillQuery(target.interval, values) : undefined;
  const scrape = own ? seconds(own) : setting.scrapeInterval;
  const minimum = own ?? panel.interval ?? `${setting.scrapeInterval}s`;
  const { intervalMs } = rangeUtil.calculateInterval(range, points, minimum);
  const stepMs = Math.max(intervalMs * (target.intervalFactor ?? 1), atLeast(range));
  const expr = fillQuery(target.expr ?? '', { ...values, ...builtIn(range, stepMs, scrape) });
  const step = stepMs / 1000;
  const end = range.to.valueOf() / 1000;
  const instant = Boolean(target.instant);
  const answers = [];
  if (!instant || target.range) {
    const aligned = (time: number) => Math.floor(time / step) * step;
    answers.push({ stepMs, ...(await queryRange(expr, aligned(range.from.valueOf() / 1000), aligned(end), step)) });
  }
  if (instant) answers.push({ stepMs: undefined, ...(await queryInstant(expr, end)) });
  return { expr, answers };
}

async function frames(panel: Panel, values: Values, range: TimeRange, width: number, setting: Setting, title: string) {
  const shown = (panel.targets ?? []).filter(({ hide }) => !hide);
  const targets = shown.filter(({ expr }) => expr);
  if (shown.length > targets.length && panel.type !== 'text')
    setting.warnings.push(`${title}: only Prometheus queries are asked`);
  const tables = targets.filter(({ format }) => format === 'table').length;
  const found: DataFrame[] = [];
  let failure: string | undefined;
  for (const target of targets) {
    const filled = { ...target, legendFormat: target.legendFormat && fillText(target.legendFormat, values) };
    try {
      const { expr, answers } = await ask(filled, panel, values, range, panel.maxDataPoints ?? width, setting);
      for (const { series, stepMs, warnings } of answers) {
        setting.warnings.push(...warnings.map((warning) => `${title}: ${target.refId}: ${warning}`));
        if (target.format === 'table') found.push(...toTable(filled, series, tables < 2));
        else if (target.format === 'heatmap' && stepMs) found.push(...toHeatmap(filled, series, stepMs));
        else found.push(...toTimeSeries(filled, expr, series, stepMs));
      }
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      setting.errors.push(`${title}: ${target.refId}: ${failure}`);
    }
  }
  if (targets.length && !failure && !found.some(({ length }) => length)) setting.warnings.push(`${title}: No data`);
  return { found, failure };
}

/** Field options that the panel sets, though its type has none of the name. */
function unknown({ fieldConfig }: Panel, registry: FieldConfigOptionsRegistry): Set<string> {
  const own = Object.keys(fieldConfig?.defaults?.custom ?? {}).map((name) => `custom.${name}`);
  const overridden = (fieldConfig?.overrides ?? []).flatMap(({ properties }) => properties.map(({ id }) => id));
  return new Set([...own, ...overridden].filter((id) => !registry.getIfExists(id)));
}

/** Everything that is needed to draw the panel, which is `width` pixels wide. */
export async function load(panel: Panel, values: Values, width: number, setting: Setting): Promise<Loaded> {
  const { range: whole, warnings, theme, timeZone } = setting;
  const range = panel.timeFrom
    ? rangeUtil.convertRawToRange({ from: dateTime(whole.to).subtract(seconds(panel.timeFrom), 's'), to: whole.to })
    : whole;
  const known: Values = { ...values, ...builtIn(range, 1000 * setting.scrapeInterval, setting.scrapeInterval) };
  const title = fillText(panel.title ?? '', known);
  const loaded = { panel, title, description: fillText(panel.description ?? '', known), range, replace: filler(known) };
  if (!isDrawn(panel.type)) {
    warnings.push(`${title}: panels of type ${panel.type} are not drawn`);
    return {
      ...loaded,
      options: {},
      fieldConfig: { defaults: {}, overrides: [] },
      frames: [],
      error: `${panel.type} is not drawn`,
    };
  }
  const { options, fieldConfig, registry } = withDefaults(panel);
  for (const id of unknown(panel, registry)) warnings.push(`${title}: ${panel.type} has no field option ${id}`);
  if (panel.type === 'heatmap' && options.calculate) warnings.push(`${title}: heatmaps of single values are not drawn`);
  const { found, failure } = await frames(panel, values, range, width, setting, title);
  const transformations = (panel.transformations ?? []).filter(({ id }) => {
    if (standardTransformersRegistry.getIfExists(id)) return true;
    warnings.push(`${title}: transformation ${id} is not in @grafana/data`);
    return false;
  });
  const transformed = await lastValueFrom(transformDataFrame(transformations, found, { interpolate: loaded.replace }));
  const withOverrides = applyFieldOverrides({
    data: transformed,
    fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables: loaded.replace,
    theme,
    timeZone,
  });
  cacheFieldDisplayNames(withOverrides);
  return { ...loaded, options, fieldConfig, frames: withOverrides, error: failure };
}
