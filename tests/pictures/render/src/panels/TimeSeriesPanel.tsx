// Time series: Grafana's TimeSeries, with the dashboard's annotations over it.
import { useLayoutEffect, useMemo } from 'react';
import { FieldType, applyNullInsertThreshold, nullToValue, type DataFrame } from '@grafana/data';
import { TimeSeries, type UPlotConfigBuilder } from '@grafana/ui';
import type uPlot from 'uplot';
import type { Span } from '../annotations';
import { Message, type PanelProps } from '../PanelView';

const hasLine = ({ fields }: DataFrame) =>
  fields.some(({ type }) => type === FieldType.time) &&
  fields.some(({ type }) => type === FieldType.number || type === FieldType.enum);

export function TimeSeriesPanel({ loaded, width, height, setting, annotations }: PanelProps) {
  const { range } = loaded;
  const frames = useMemo(() => {
    const bounds = { refFieldPseudoMin: range.from.valueOf(), refFieldPseudoMax: range.to.valueOf() };
    return loaded.frames.filter(hasLine).map((frame) => nullToValue(applyNullInsertThreshold({ frame, ...bounds })));
  }, [loaded.frames, range]);
  if (!frames.length) return <Message text="Data is missing a number field" />;
  const { legend, timezone } = loaded.options;
  return (
    <TimeSeries
      frames={frames}
      structureRev={1}
      timeRange={range}
      timeZone={timezone?.length ? timezone : [setting.timeZone]}
      width={width}
      height={height}
      legend={legend}
      options={loaded.options}
    >
      {(config) => <Annotations config={config} spans={annotations} />}
    </TimeSeries>
  );
}

/** A dashed line where something begins, and where it ends; between them the ground is coloured. */
function Annotations({ config, spans }: { config: UPlotConfigBuilder; spans: Span[] }) {
  useLayoutEffect(() => {
    config.addHook('draw', (u: uPlot) => {
      const { ctx } = u;
      const { left, top, width, height } = u.bbox;
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, top, width, height + 8 * devicePixelRatio);
      ctx.clip();
      for (const { start, end, color } of spans) {
        const [from, to] = [u.valToPos(start, 'x', true), u.valToPos(end, 'x', true)];
        ctx.fillStyle = ctx.strokeStyle = color;
        ctx.globalAlpha = 0.1;
        ctx.fillRect(from, top, to - from, height);
        ctx.globalAlpha = 1;
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
        for (const x of from === to ? [from] : [from, to]) {
          ctx.beginPath();
          ctx.moveTo(x, top);
          ctx.lineTo(x, top + height);
          ctx.stroke();
        }
        ctx.setLineDash([]);
        if (from === to) {
          const size = 5 * devicePixelRatio;
          ctx.beginPath();
          ctx.moveTo(from, top + height);
          ctx.lineTo(from - size, top + height + size);
          ctx.lineTo(from + size, top + height + size);
          ctx.fill();
        } else {
          ctx.fillRect(from, top + height, to - from, 5 * devicePixelRatio);
        }
      }
      ctx.restore();
    });
  }, [config, spans]);
  return null;
}
