// Stat: Grafana's BigValue, once for each value.
import { type DisplayValueAlignmentFactors, type FieldDisplay } from '@grafana/data';
import { BigValue, VizRepeater } from '@grafana/ui';
import type { PanelProps } from '../PanelView';
import { repeated } from './values';

export function StatPanel(panel: PanelProps) {
  const { setting } = panel;
  const { options } = panel.loaded;
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      {...repeated(panel)}
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
      itemSpacing={3}
      autoGrid
    />
  );
}
