// Pie chart: the values as slices of a pie or a ring, drawn as Grafana draws them.
import { useId } from 'react';
import {
  colorManipulator,
  formattedValueToString,
  getValueFormat,
  type DisplayValue,
  type FieldDisplay,
} from '@grafana/data';
import { VizLayout, useTheme2, type VizLegendItem } from '@grafana/ui';
import type { PanelProps } from '../PanelView';
import { legend } from './legend';
import { displayValues } from './values';

const MARGIN = 16;
const percent = (share: number) =>
  formattedValueToString(getValueFormat('percent')(share * 100, share ? 0 : undefined));

interface Slice {
  display: DisplayValue;
  share: number;
  /** Clockwise from the top. */
  from: number;
  to: number;
}

function slices(values: FieldDisplay[], sort: string): Slice[] {
  const shown = values.filter(({ field, display }) => !field.custom?.hideFrom?.viz && display.numeric > 0);
  const order = sort === 'none' ? 0 : sort === 'asc' ? 1 : -1;
  const sorted = [...shown].sort((a, b) => order * (a.display.numeric - b.display.numeric));
  const sum = sorted.reduce((sum, { display }) => sum + display.numeric, 0);
  let at = 0;
  return sorted.map(({ display }) => {
    const from = at;
    at += (2 * Math.PI * display.numeric) / sum;
    return { display, share: display.numeric / sum, from, to: at };
  });
}

export function PieChartPanel({ loaded, width, height, setting }: PanelProps) {
  const { options } = loaded;
  const values = displayValues(loaded, setting);
  const parts = slices(values, options.sort);
  const { values: columns = [] } = options.legend;
  const items = parts.map(({ display, share }): VizLegendItem => ({
    label: display.title ?? '',
    color: display.color,
    yAxis: 1,
    getDisplayValues: () => [
      ...(columns.includes('value') ? [{ ...display, title: 'Value' }] : []),
      ...(columns.includes('percent') ? [{ numeric: share, text: percent(share), title: 'Percent' }] : []),
    ],
  }));
  return (
    <VizLayout width={width} height={height} legend={legend(options.legend, items)}>
      {(w, h) => (
        <Pie
          parts={parts}
          width={w}
          height={h}
          donut={options.pieType === 'donut'}
          labels={options.displayLabels ?? []}
        />
      )}
    </VizLayout>
  );
}

interface PieProps {
  parts: Slice[];
  width: number;
  height: number;
  donut: boolean;
  labels: string[];
}

function Pie({ parts, width, height, donut, labels }: PieProps) {
  const theme = useTheme2();
  const id = useId();
  const outer = Math.max(0, Math.min(width, height) / 2 - MARGIN);
  const inner = donut ? outer - Math.max(outer / 3, 20) : 0;
  const size = Math.min(36, Math.max(12, (outer / 150) * 14));
  const tint = (color: string, share: number) =>
    theme.isDark === share > 0
      ? colorManipulator.lighten(color, Math.abs(share))
      : colorManipulator.darken(color, Math.abs(share));
  return (
    <svg width={width} height={height} style={{ display: 'block', fontFamily: theme.typography.fontFamily }}>
      <g transform={`translate(${width / 2} ${height / 2})`}>
        {parts.map(({ display, share, from, to }, i) => {
          const color = display.color ?? theme.colors.text.disabled;
          const lines = [
            labels.includes('name') && display.title,
            labels.includes('value') && formattedValueToString(display),
            labels.includes('percent') && percent(share),
          ].filter((line): line is string => Boolean(line));
          const [x, y] = point((from + to) / 2, ((inner || outer / 6) + outer) / 2);
          return (
            <g key={i}>
              <radialGradient id={`${id}${i}`} gradientUnits="userSpaceOnUse" cx={0} cy={0} r={outer}>
                <stop offset={0} stopColor={tint(color, -0.15)} />
                <stop offset={1} stopColor={tint(color, 0.1)} />
              </radialGradient>
              <path
                d={wedge(from, to, inner, outer)}
                fill={`url(#${id}${i})`}
                stroke={theme.colors.background.primary}
                strokeWidth={parts.length > 1 ? 1 : 0}
              />
              {to - from > 0.3 && (
                <text fill={theme.colors.getContrastText(color)} fontSize={size} textAnchor="middle">
                  {lines.map((line, n) => (
                    <tspan key={line} x={x} y={y + size * 1.1 * (n - lines.length / 2 + 0.8)}>
                      {line}
                    </tspan>
                  ))}
                </text>
              )}
            </g>
          );
        })}
      </g>
    </svg>
  );
}

const point = (angle: number, radius: number): [number, number] => [
  radius * Math.sin(angle),
  -radius * Math.cos(angle),
];

function wedge(from: number, to: number, inner: number, outer: number): string {
  // An arc cannot end where it starts.
  const end = Math.min(to, from + 2 * Math.PI - 1e-4);
  const large = end - from > Math.PI ? 1 : 0;
  const [a, b, c, d] = [point(from, outer), point(end, outer), point(end, inner), point(from, inner)];
  return `M${a}A${outer} ${outer} 0 ${large} 1 ${b}L${c}${inner ? `A${inner} ${inner} 0 ${large} 0 ${d}` : ''}Z`;
}
