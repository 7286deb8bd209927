// Gauge: Grafana's Gauge, once for each value; the arcs themselves are drawn in arcs.ts.
import { getDisplayValueAlignmentFactors, type DisplayValueAlignmentFactors, type FieldDisplay } from '@grafana/data';
import { Gauge, VizRepeater } from '@grafana/ui';
import { BarGaugeSizing } from '@grafana/schema';
import type { PanelProps } from '../PanelView';
import './arcs';
import { displayValues, named } from './values';

export function GaugePanel({ loaded, width, height, setting }: PanelProps) {
  const { options } = loaded;
  const manual = options.sizing === BarGaugeSizing.Manual;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={() => displayValues(loaded, setting)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, orientation, count }) => (
        <Gauge
          value={named(value, count)}
          field={value.field}
          orientation={orientation}
          showThresholdLabels={options.showThresholdLabels}
          showThresholdMarkers={options.showThresholdMarkers}
          text={options.text}
          width={width}
          height={height}
          theme={setting.theme}
        />
      )}
      width={width}
      height={height}
      minVizWidth={manual ? options.minVizWidth : 75}
      minVizHeight={manual ? options.minVizHeight : 75}
      source={loaded.frames}
      renderCounter={0}
      autoGrid
      orientation={options.orientation}
    />
  );
}
