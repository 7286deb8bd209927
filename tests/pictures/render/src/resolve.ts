// Finds the values of a dashboard's variables: those given, else its own, else those that Prometheus has.
import type { Variable } from './dashboard';
import { labelValues, queryInstant } from './prometheus';
import { metricName } from './frames';
import { fillQuery, single, type Value, type Values } from './variables';

const ALL = '$__all';

const list = (value: string | string[] | undefined): string[] =>
  (Array.isArray(value) ? value : [value ?? '']).filter((one) => one !== '');

async function ask(query: string, from: number, to: number): Promise<string[]> {
  const values = /^label_values\((?:(.+),\s*)?([\w.]+)\s*\)\s*$/s.exec(query);
  if (values) return labelValues(values[2], values[1]?.trim(), from, to);
  if (/^label_names\(\s*\)\s*$/.test(query)) return labelValues(undefined, undefined, from, to);
  const metrics = /^metrics\((.+)\)\s*$/s.exec(query);
  if (metrics) {
    const name = new RegExp(metrics[1].trim());
    return (await labelValues('__name__', undefined, from, to)).filter((metric) => name.test(metric));
  }
  const result = /^query_result\((.+)\)\s*$/s.exec(query);
  const { series } = await queryInstant(result ? result[1] : query, to);
  return series.map(({ metric, values: [[time, value]] }) =>
    result ? `${metricName(metric)} ${value} ${time * 1000}` : metricName(metric),
  );
}

function keep(options: string[], regex: string | undefined): string[] {
  if (!regex) return options;
  const [, body, flags] = /^\/(.*)\/(\w*)$/s.exec(regex) ?? [null, `^${regex}$`, ''];
  const pattern = new RegExp(body, flags.replace('g', ''));
  const found = options.flatMap((option) => {
    const match = pattern.exec(option);
    return match ? [match.groups?.value ?? match[1] ?? match[0]] : [];
  });
  return [...new Set(found)];
}

function sorted(options: string[], sort = 0): string[] {
  if (!sort) return options;
  const number = (text: string) => Number.parseFloat(/-?\d+(\.\d+)?/.exec(text)?.[0] ?? '');
  const compare =
    sort === 3 || sort === 4
      ? (a: string, b: string) => number(a) - number(b)
      : (a: string, b: string) =>
          a.localeCompare(b, 'en', { numeric: sort > 6, sensitivity: sort > 4 ? 'base' : 'variant' });
  const up = [...options].sort(compare);
  return sort % 2 ? up : up.reverse();
}

const split = (query: string) =>
  query.split(/(?<!\\),/).map((part) => {
    const [text, value] = part.replaceAll('\\,', ',').split(/\s+:\s+/);
    return (value ?? text).trim();
  });

async function optionsOf(variable: Variable, values: Values, from: number, to: number): Promise<string[]> {
  const query = typeof variable.query === 'string' ? variable.query : (variable.query?.query ?? '');
  switch (variable.type) {
    case 'query':
      return sorted(keep(await ask(fillQuery(query, values), from, to), variable.regex), variable.sort);
    case 'custom':
    case 'interval':
      return split(query);
    default:
      return query ? [query] : [];
  }
}

/** The variables in their order, as one may use those before it. Times are in seconds. */
export async function resolve(
  variables: Variable[],
  given: Record<string, string[]>,
  from: number,
  to: number,
  troubles: { warnings: string[]; errors: string[] },
): Promise<Values> {
  const values: Values = {};
  for (const name of Object.keys(given)) {
    if (!variables.some((variable) => variable.name === name)) {
      troubles.warnings.push(`the dashboard has no variable ${name}`);
      values[name] = { values: given[name], text: given[name].join(' + '), multi: given[name].length > 1 };
    }
  }
  for (const variable of variables) {
    if (variable.type === 'datasource') {
      values[variable.name] = single('Prometheus');
      continue;
    }
    let options: string[] = [];
    try {
      options = await optionsOf(variable, values, from, to);
    } catch (error) {
      troubles.errors.push(`variable ${variable.name}: ${error instanceof Error ? error.message : error}`);
    }
    let chosen = given[variable.name] ?? list(variable.current?.value);
    if (!given[variable.name] && variable.type === 'query') {
      chosen = chosen.filter((one) => one === ALL || options.includes(one));
    }
    if (!chosen.length) chosen = variable.includeAll ? [ALL] : options.slice(0, 1);
    values[variable.name] = valueOf(variable, chosen, options);
    // An option may have a name of its own.
    const current = variable.current;
    if (!given[variable.name] && current?.text && String(list(current.value)) === String(chosen)) {
      values[variable.name].text = [current.text].flat().join(' + ');
    }
  }
  return values;
}

function valueOf(variable: Variable, chosen: string[], options: string[]): Value {
  const multi = Boolean(variable.multi || variable.includeAll);
  if (chosen[0] !== ALL) return { values: chosen, text: chosen.join(' + '), multi };
  return { values: options, text: 'All', multi, allValue: variable.allValue || undefined };
}
