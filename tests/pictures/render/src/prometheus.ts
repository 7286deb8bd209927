// Asks Prometheus, through render.mjs, and says in plain words what went wrong.

export type Labels = Record<string, string>;
export type Sample = [time: number, value: string];

export interface Series {
  metric: Labels;
  values: Sample[];
}

type Result =
  | { resultType: 'matrix'; result: { metric: Labels; values?: Sample[] }[] }
  | { resultType: 'vector'; result: { metric: Labels; value?: Sample }[] }
  | { resultType: 'scalar' | 'string'; result: Sample };

export interface Answer {
  series: Series[];
  warnings: string[];
}

interface Reply<T> {
  status: 'success' | 'error';
  data: T;
  error?: string;
  warnings?: string[];
}

declare global {
  interface Window {
    askPrometheus(path: string, query: [string, string][]): Promise<{ status: number; body: string }>;
  }
}

async function ask<T>(path: string, query: [string, string][]): Promise<Reply<T>> {
  const { status, body } = await window.askPrometheus(path, query);
  let reply: Reply<T>;
  try {
    reply = JSON.parse(body) as Reply<T>;
  } catch {
    throw new Error(status ? `Prometheus answered ${status}: ${body.slice(0, 200)}` : body);
  }
  if (reply.status !== 'success') throw new Error(reply.error ?? `Prometheus answered ${status}`);
  return reply;
}

function answer({ data, warnings = [] }: Reply<Result>): Answer {
  switch (data.resultType) {
    case 'matrix':
      return { series: data.result.map(({ metric, values = [] }) => ({ metric, values })), warnings };
    case 'vector':
      return { series: data.result.map(({ metric, value }) => ({ metric, values: value ? [value] : [] })), warnings };
    default:
      return { series: [{ metric: {}, values: [data.result] }], warnings };
  }
}

/** Times are in seconds. */
export async function queryInstant(expr: string, time: number): Promise<Answer> {
  return answer(
    await ask('query', [
      ['query', expr],
      ['time', String(time)],
    ]),
  );
}

export async function queryRange(expr: string, start: number, end: number, step: number): Promise<Answer> {
  return answer(
    await ask('query_range', [
      ['query', expr],
      ['start', String(start)],
      ['end', String(end)],
      ['step', String(step)],
    ]),
  );
}

/** The values of a label, of all series or of those that a selector finds; without a label, the names of labels. */
export async function labelValues(
  label: string | undefined,
  selector: string | undefined,
  start: number,
  end: number,
): Promise<string[]> {
  const query: [string, string][] = [
    ['start', String(start)],
    ['end', String(end)],
  ];
  if (selector) query.push(['match[]', selector]);
  const path = label === undefined ? 'labels' : `label/${encodeURIComponent(label)}/values`;
  return (await ask<string[]>(path, query)).data;
}
