// Fills a dashboard's variables into its queries and texts, in the formats that Grafana knows.
import {
  formatLabels,
  getFieldDisplayName,
  getFrameDisplayName,
  type DataFrame,
  type Field,
  type ScopedVars,
} from '@grafana/data';
import type { Panel } from './dashboard';

/** What a variable stands for; `multi` when Grafana would let it stand for several. */
export interface Value {
  values: string[];
  text: string;
  multi: boolean;
  /** Given by the dashboard's author instead of all values, and not to be escaped. */
  allValue?: string;
}

export type Values = Record<string, Value>;

const REFERENCE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}/g;

const escapeRegex = (text: string) => text.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');
const inPromql = (text: string) => text.replace(/\\/g, '\\\\\\\\').replace(/[$^*{}[\]'+?.()|]/g, '\\\\$&');
const glob = (values: string[]) => (values.length === 1 ? values[0] : `{${values.join(',')}}`);

const FORMATS: Record<string, (values: string[]) => string> = {
  regex: (values) => (values.length === 1 ? escapeRegex(values[0]) : `(${values.map(escapeRegex).join('|')})`),
  pipe: (values) => values.join('|'),
  csv: (values) => values.join(','),
  raw: (values) => values.join(','),
  glob,
  distributed: (values) => values.join(','),
  json: (values) => JSON.stringify(values),
  doublequote: (values) => values.map((value) => `"${value.replaceAll('"', '\\"')}"`).join(','),
  singlequote: (values) => values.map((value) => `'${value.replaceAll("'", "\\'")}'`).join(','),
  percentencode: (values) => encodeURIComponent(glob(values)),
  queryparam: (values) => values.map(encodeURIComponent).join('&'),
};

/** How a variable without a format goes into a query. */
const promql = (value: Value): string => {
  if (!value.multi) return value.values.join(',').replace(/\\/g, '\\\\').replace(/'/g, "\\\\'");
  const escaped = value.values.map(inPromql);
  return escaped.length === 1 ? escaped[0] : `(${escaped.join('|')})`;
};

/** How a variable without a format goes into a title, a description or a text. */
const prose = (value: Value): string => value.text;

function fill(text: string, values: Values, plain: (value: Value) => string): string {
  return text.replace(REFERENCE, (whole, bare, square, squareFormat, curly, _path, curlyFormat) => {
    const value = values[bare ?? square ?? curly];
    if (!value) return whole;
    const format: string | undefined = squareFormat ?? curlyFormat;
    if (format === 'text') return value.text;
    if (value.allValue !== undefined) return value.allValue;
    return format && FORMATS[format] ? FORMATS[format](value.values) : plain(value);
  });
}

export const fillQuery = (text: string, values: Values): string => fill(text, values, promql);
export const fillText = (text: string, values: Values): string => fill(text, values, prose);

/** What `${__field.labels.x}`, `.name`, `.displayName` and `${__series.name}` stand for in a field's texts. */
function ofField(scoped: ScopedVars, name: string, path = ''): string | undefined {
  const { field, frame, data } = (scoped.__dataContext?.value ?? {}) as {
    field?: Field;
    frame?: DataFrame;
    data?: DataFrame[];
  };
  if (name === '__series' && path === 'name' && frame) return getFrameDisplayName(frame);
  if (name !== '__field' || !field) return undefined;
  if (path === 'name') return field.name;
  if (path === 'displayName') return getFieldDisplayName(field, frame, data);
  if (path === 'labels') return formatLabels(field.labels ?? {});
  return field.labels?.[path.replace(/^labels(\.|\["?)/, '').replace(/"?\]$/, '')] ?? '';
}

/** Grafana's components fill their texts with this. */
export function filler(values: Values): (text: string | undefined, scoped?: ScopedVars) => string {
  return (text = '', scoped = {}) => {
    const own = text.replace(REFERENCE, (whole, bare, square, _format, curly, path) => {
      const name: string = bare ?? square ?? curly;
      const value = ofField(scoped, name, path) ?? (path ? undefined : scoped[name]?.value);
      return value === undefined ? whole : String(value);
    });
    return fillText(own, values);
  };
}

export const single = (value: string | number): Value => ({
  values: [String(value)],
  text: String(value),
  multi: false,
});

/** The panels with those that are to be repeated for each value of a variable drawn that often. */
export function repeated(panels: Panel[], values: Values): { panel: Panel; values: Values }[] {
  return panels.flatMap((panel) => {
    const over = panel.repeat === undefined ? undefined : values[panel.repeat];
    if (!over || panel.type === 'row') return [{ panel, values }];
    const w = Math.floor(24 / Math.min(over.values.length, 4));
    return over.values.map((value, i) => ({
      panel: {
        ...panel,
        gridPos: { ...panel.gridPos, x: (i % 4) * w, w, y: panel.gridPos.y + Math.floor(i / 4) * panel.gridPos.h },
      },
      values: { ...values, [panel.repeat!]: single(value) },
    }));
  });
}
