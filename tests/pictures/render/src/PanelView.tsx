// One panel: Grafana's frame around what its type draws.
import { FieldType, rangeUtil } from '@grafana/data';
import { PanelChrome, useTheme2 } from '@grafana/ui';
import type { ComponentType } from 'react';
import type { Span } from './annotations';
import type { Loaded, Setting } from './load';
import { BarChartPanel } from './panels/BarChartPanel';
import { BarGaugePanel } from './panels/BarGaugePanel';
import { GaugePanel } from './panels/GaugePanel';
import { HeatmapPanel } from './panels/HeatmapPanel';
import { PieChartPanel } from './panels/PieChartPanel';
import { StatPanel } from './panels/StatPanel';
import { StateTimelinePanel } from './panels/StateTimelinePanel';
import { TablePanel } from './panels/TablePanel';
import { TextPanel } from './panels/TextPanel';
import { TimeSeriesPanel } from './panels/TimeSeriesPanel';

/** What every panel draws from. */
export interface PanelProps {
  loaded: Loaded;
  width: number;
  height: number;
  setting: Setting;
  annotations: Span[];
}

const PANELS: Record<string, ComponentType<PanelProps>> = {
  timeseries: TimeSeriesPanel,
  stat: StatPanel,
  gauge: GaugePanel,
  bargauge: BarGaugePanel,
  table: TablePanel,
  heatmap: HeatmapPanel,
  'state-timeline': StateTimelinePanel,
  barchart: BarChartPanel,
  piechart: PieChartPanel,
  text: TextPanel,
};

export function PanelView({ loaded, width, height, setting, annotations }: PanelProps) {
  const { panel, title, description, error } = loaded;
  const Drawing = PANELS[panel.type];
  return (
    <PanelChrome
      width={width}
      height={height}
      title={title}
      description={description || undefined}
      displayMode={panel.transparent ? 'transparent' : 'default'}
      hoverHeader={!title && !panel.timeFrom}
      titleItems={
        panel.timeFrom ? <TimeInfo text={rangeUtil.describeTextRange(`now-${panel.timeFrom}`).display} /> : undefined
      }
      statusMessage={error}
    >
      {(innerWidth, innerHeight) =>
        !Drawing || (panel.type !== 'text' && isEmpty(loaded)) ? (
          <Message text={loaded.fieldConfig.defaults.noValue ?? (Drawing ? 'No data' : error!)} />
        ) : (
          <Drawing
            loaded={loaded}
            width={innerWidth}
            height={innerHeight}
            setting={setting}
            annotations={annotations}
          />
        )
      }
    </PanelChrome>
  );
}

/** A panel that shows single values shows an empty one, too, if its author said what stands for it. */
function isEmpty({ panel, frames, fieldConfig }: Loaded): boolean {
  if (['stat', 'gauge', 'bargauge'].includes(panel.type) && fieldConfig.defaults.noValue !== undefined) return false;
  return !frames.some(({ length, fields }) => length && fields.some(({ type }) => type !== FieldType.time));
}

function TimeInfo({ text }: { text: string }) {
  const theme = useTheme2();
  return <span style={{ color: theme.colors.text.link, fontSize: theme.typography.bodySmall.fontSize }}>{text}</span>;
}

export function Message({ text }: { text: string }) {
  const theme = useTheme2();
  return (
    <div
      style={{
        display: 'grid',
        placeItems: 'center',
        height: '100%',
        color: theme.colors.text.secondary,
        fontSize: theme.typography.h5.fontSize,
      }}
    >
      {text}
    </div>
  );
}
