// Bar gauge: Grafana's BarGauge, once for each value.
import {
  VizOrientation,
  getDisplayValueAlignmentFactors,
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
} from '@grafana/data';
import { BarGauge, VizRepeater } from '@grafana/ui';
import { BarGaugeDisplayMode, BarGaugeSizing } from '@grafana/schema';
import type { PanelProps } from '../PanelView';
import { displayValues, named } from './values';

export function BarGaugePanel({ loaded, width, height, setting }: PanelProps) {
  const { options } = loaded;
  const spacing = options.displayMode === BarGaugeDisplayMode.Lcd ? 2 : 10;
  const manual = options.sizing === BarGaugeSizing.Manual;
  const vertical = options.orientation === VizOrientation.Vertical;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={() => displayValues(loaded, setting)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
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
      width={width}
      height={height}
      minVizWidth={manual && vertical ? options.minVizWidth : 8}
      minVizHeight={manual && !vertical ? options.minVizHeight : 16}
      maxVizHeight={manual && !vertical ? options.maxVizHeight : 300}
      source={loaded.frames}
      itemSpacing={spacing}
      renderCounter={0}
      orientation={options.orientation}
    />
  );
}
