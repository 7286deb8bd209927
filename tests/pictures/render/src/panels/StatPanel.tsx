// Stat: Grafana's BigValue, once for each value.
import { getDisplayValueAlignmentFactors, type DisplayValueAlignmentFactors, type FieldDisplay } from '@grafana/data';
import { BigValue, VizRepeater } from '@grafana/ui';
import type { PanelProps } from '../PanelView';
import { displayValues } from './values';

export function StatPanel({ loaded, width, height, setting }: PanelProps) {
  const { options } = loaded;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={() => displayValues(loaded, setting)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, alignmentFactors, count }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          count={count}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          percentChangeColorMode={options.percentChangeColorMode}
          disableWideLayout={!options.wideLayout}
          alignmentFactors={alignmentFactors}
          text={options.text}
          width={width}
          height={height}
          theme={setting.theme}
        />
      )}
      width={width}
      height={height}
      source={loaded.frames}
      itemSpacing={3}
      renderCounter={0}
      autoGrid
      orientation={options.orientation}
    />
  );
}
