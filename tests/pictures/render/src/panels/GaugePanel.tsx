// Gauge: Grafana's Gauge, once for each value; the arcs themselves are drawn in arcs.ts.
import { type DisplayValueAlignmentFactors, type FieldDisplay } from '@grafana/data';
import { Gauge, VizRepeater } from '@grafana/ui';
import { BarGaugeSizing } from '@grafana/schema';
import type { PanelProps } from '../PanelView';
import './arcs';
import { named, repeated } from './values';

export function GaugePanel(panel: PanelProps) {
  const { setting } = panel;
  const { options } = panel.loaded;
  const manual = options.sizing === BarGaugeSizing.Manual;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      {...repeated(panel)}
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
      minVizWidth={manual ? options.minVizWidth : 75}
      minVizHeight={manual ? options.minVizHeight : 75}
      autoGrid
    />
  );
}
