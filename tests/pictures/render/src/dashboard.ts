// The parts of Grafana's classic dashboard JSON that this tool reads.
import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  expr?: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  interval?: string;
  intervalFactor?: number;
  hide?: boolean;
  datasource?: { type?: string; uid?: string } | string | null;
}

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Panel {
  id?: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: GridPos;
  targets?: Target[];
  // Each type of panel has options of its own.
  options?: Record<string, any>;
  fieldConfig?: FieldConfigSource;
  transformations?: DataTransformerConfig[];
  interval?: string;
  maxDataPoints?: number;
  timeFrom?: string;
  repeat?: string;
  collapsed?: boolean;
  panels?: Panel[];
}

export interface Variable {
  name: string;
  type: string;
  label?: string;
  hide?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  query?: string | { query?: string };
  regex?: string;
  sort?: number;
  current?: { text?: string | string[]; value?: string | string[] };
}

export interface Annotation {
  name: string;
  enable: boolean;
  hide?: boolean;
  iconColor?: string;
  type?: string;
  expr?: string;
  step?: string;
  titleFormat?: string;
  target?: { expr?: string; step?: string };
}

export interface Dashboard {
  title?: string;
  uid?: string;
  panels?: Panel[];
  templating?: { list?: Variable[] };
  annotations?: { list?: Annotation[] };
  time?: { from: string; to: string };
  timezone?: string;
}

/** What render.mjs asks the page to draw. */
export interface Job {
  dashboard: Dashboard;
  theme: 'light' | 'dark';
  from?: number;
  to?: number;
  variables: Record<string, string[]>;
  width: number;
  scrapeInterval: number;
  panel?: number;
}

/** What the page answers once everything is drawn. */
export interface Report {
  width: number;
  height: number;
  warnings: string[];
  errors: string[];
}
