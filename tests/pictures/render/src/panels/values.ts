// The single values that stat, gauge, bar gauge and pie chart panels show, reduced and formatted by Grafana.
import {
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type DisplayValue,
  type FieldDisplay,
} from '@grafana/data';
import type { Loaded, Setting } from '../load';
import type { PanelProps } from '../PanelView';

export function displayValues(
  { frames, fieldConfig, options, replace, range }: Loaded,
  { theme, timeZone }: Setting,
): FieldDisplay[] {
  const values = getFieldDisplayValues({
    data: frames,
    fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables: replace,
    theme,
    timeZone,
    sparkline: options.graphMode !== undefined && options.graphMode !== 'none',
    percentChange: options.showPercentChange,
  });
  for (const { sparkline } of values) if (sparkline) sparkline.timeRange = range;
  return values;
}

/** What every panel tells Grafana's VizRepeater, which draws one picture for each value. */
export function repeated({ loaded, width, height, setting }: PanelProps) {
  return {
    getValues: () => displayValues(loaded, setting),
    getAlignmentFactors: getDisplayValueAlignmentFactors,
    width,
    height,
    source: loaded.frames,
    renderCounter: 0,
    orientation: loaded.options.orientation,
  };
}

/** A value that stands alone needs no name, unless its author gave it one. */
export function named({ display, field }: FieldDisplay, count: number): DisplayValue {
  return count === 1 && !field.displayName ? { ...display, title: undefined } : display;
}
