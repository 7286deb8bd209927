// Bar gauge: Grafana's BarGauge, once for each value.
import {
  VizOrientation,
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
} from '@grafana/data';
import { BarGauge, VizRepeater } from '@grafana/ui';
import { BarGaugeDisplayMode, BarGaugeSizing } from '@grafana/schema';
import type { PanelProps } from '../PanelView';
import { named, repeated } from './values';

export function BarGaugePanel(panel: PanelProps) {
  const { setting } = panel;
  const { options } = panel.loaded;
  const spacing = options.displayMode === BarGaugeDisplayMode.Lcd ? 2 : 10;
  const manual = options.sizing === BarGaugeSizing.Manual;
  const vertical = options.orientation === VizOrientation.Vertical;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      {...repeated(panel)}
      renderValue={({ value, width, height, alignmentFactors, orientation, count }) => (
        <BarGauge
          value={named(value, count)}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          orientation={orientation}
          displayMode={options.displayMode}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled}
          itemSpacing={spacing}
          alignmentFactors={alignmentFactors}
          isOverflow={false}
          text={options.text}
          width={width}
          height={height}
          theme={setting.theme}
        />
      )}
      minVizWidth={manual && vertical ? options.minVizWidth : 8}
      minVizHeight={manual && !vertical ? options.minVizHeight : 16}
      maxVizHeight={manual && !vertical ? options.maxVizHeight : 300}
      itemSpacing={spacing}
    />
  );
}
