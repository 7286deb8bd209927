// What Grafana assumes for each type of panel where the dashboard says nothing.
import {
  FieldColorModeId,
  FieldConfigProperty,
  FieldType,
  PanelPlugin,
  getPanelOptionsWithDefaults,
  identityOverrideProcessor,
} from '@grafana/data';
import {
  defaultFieldConfig as barChartField,
  defaultOptions as barChart,
} from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import { defaultOptions as barGauge } from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import { defaultOptions as heatmap } from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import { defaultOptions as stat } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import {
  defaultFieldConfig as timelineField,
  defaultOptions as timeline,
} from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import { defaultTableFieldOptions, defaultTableOptions } from '@grafana/schema';
import type { Panel } from './dashboard';

const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] };
const reduceOptions = { values: false, calcs: ['lastNotNull'], fields: '' };
const hideFrom = { tooltip: false, viz: false, legend: false };
const axis = {
  axisPlacement: 'auto',
  axisLabel: '',
  axisWidth: undefined,
  axisSoftMin: undefined,
  axisSoftMax: undefined,
  axisCenteredZero: false,
  axisColorMode: 'text',
  axisBorderShow: false,
  axisGridShow: undefined,
  scaleDistribution: { type: 'linear' },
};

/** The axis of the time, or of the categories, takes no part in these. */
const NUMBERS_ONLY = ['axisLabel', 'scaleDistribution', 'stacking'];

interface Defaults {
  color: FieldColorModeId;
  options: Record<string, unknown>;
  /** The panel's own field options, also those without a default: any other is dropped, as in Grafana. */
  custom: Record<string, unknown>;
}

const DEFAULTS: Record<string, Defaults> = {
  timeseries: {
    color: FieldColorModeId.PaletteClassic,
    options: { legend },
    custom: {
      ...axis,
      drawStyle: 'line',
      lineInterpolation: 'linear',
      lineWidth: 1,
      lineStyle: undefined,
      lineColor: undefined,
      fillOpacity: 0,
      fillColor: undefined,
      fillBelowTo: undefined,
      gradientMode: 'none',
      barAlignment: 0,
      barWidthFactor: 0.6,
      barMaxWidth: undefined,
      spanNulls: false,
      insertNulls: false,
      showPoints: 'auto',
      pointSize: 5,
      stacking: { mode: 'none', group: 'A' },
      transform: undefined,
      thresholdsStyle: { mode: 'off' },
      hideFrom,
    },
  },
  stat: {
    color: FieldColorModeId.Thresholds,
    options: { ...stat, orientation: 'auto', reduceOptions },
    custom: {},
  },
  gauge: {
    color: FieldColorModeId.Thresholds,
    options: {
      orientation: 'auto',
      reduceOptions,
      showThresholdLabels: false,
      showThresholdMarkers: true,
      sizing: 'auto',
      minVizWidth: 75,
      minVizHeight: 75,
    },
    custom: { neutral: undefined },
  },
  bargauge: {
    color: FieldColorModeId.Thresholds,
    options: { ...barGauge, orientation: 'auto', reduceOptions },
    custom: {},
  },
  table: {
    color: FieldColorModeId.Thresholds,
    options: { ...defaultTableOptions },
    custom: {
      ...defaultTableFieldOptions,
      cellOptions: { type: 'auto' },
      filterable: undefined,
      footer: undefined,
      'footer.reducers': undefined,
      hidden: undefined,
      hideFrom,
      'hideFrom.viz': undefined,
      minWidth: undefined,
      styleField: undefined,
      tooltip: undefined,
      'tooltip.field': undefined,
      'tooltip.placement': undefined,
      width: undefined,
      wrapHeaderText: undefined,
      wrapText: undefined,
    },
  },
  heatmap: {
    color: FieldColorModeId.PaletteClassic,
    options: {
      ...heatmap,
      color: { mode: 'scheme', scale: 'exponential', ...heatmap.color },
      rowsFrame: { layout: 'auto' },
      showValue: 'never',
      yAxis: { axisPlacement: 'left' },
    },
    custom: { hideFrom, scaleDistribution: undefined },
  },
  'state-timeline': {
    color: FieldColorModeId.Thresholds,
    options: { ...timeline, legend },
    custom: {
      ...timelineField,
      spanNulls: false,
      insertNulls: false,
      axisPlacement: 'auto',
      axisWidth: undefined,
      hideFrom,
    },
  },
  barchart: {
    color: FieldColorModeId.PaletteClassic,
    options: { ...barChart, legend, xTickLabelMaxLength: 0 },
    custom: { ...axis, ...barChartField, hideFrom, thresholdsStyle: { mode: 'off' } },
  },
  piechart: {
    color: FieldColorModeId.PaletteClassic,
    options: { pieType: 'pie', displayLabels: [], legend: { ...legend, values: [] }, reduceOptions, sort: 'desc' },
    custom: { hideFrom },
  },
  text: { color: FieldColorModeId.Thresholds, options: { mode: 'markdown', content: '' }, custom: {} },
};

export const isDrawn = (type: string): boolean => type in DEFAULTS;

/** The panel's options and field options with the defaults of its type, and the registry that its overrides need. */
export function withDefaults(panel: Panel) {
  const { color, options, custom } = DEFAULTS[panel.type];
  const plugin = new PanelPlugin(null)
    .useFieldConfig({
      standardOptions: { [FieldConfigProperty.Color]: { defaultValue: { mode: color } } },
      useCustomConfig: (builder) => {
        for (const [path, defaultValue] of Object.entries(custom)) {
          builder.addCustomEditor({
            id: path,
            path,
            name: path,
            defaultValue,
            editor: () => null,
            override: () => null,
            process: identityOverrideProcessor,
            shouldApply: ({ type }) => !NUMBERS_ONLY.includes(path) || type === FieldType.number,
          });
        }
      },
    })
    .setPanelOptions((builder) => {
      for (const [path, defaultValue] of Object.entries(options)) {
        builder.addCustomEditor({ id: path, path, name: path, defaultValue, editor: () => null });
      }
    });
  const filled = getPanelOptionsWithDefaults({
    plugin,
    currentOptions: panel.options ?? {},
    currentFieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    isAfterPluginChange: false,
  });
  return {
    options: filled.options as Record<string, any>,
    fieldConfig: filled.fieldConfig,
    registry: plugin.fieldConfigRegistry,
  };
}
