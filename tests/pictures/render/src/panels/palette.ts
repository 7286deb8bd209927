// The colours of a heatmap's cells, from few to many.
import * as chromatic from 'd3-scale-chromatic';
import { colorManipulator, type GrafanaTheme2 } from '@grafana/data';

const DIVERGING = [
  'BrBG',
  'PiYG',
  'PRGn',
  'PuOr',
  'RdBu',
  'RdGy',
  'RdYlBu',
  'RdYlGn',
  'Spectral',
  'Rainbow',
  'Sinebow',
];
const DARK_FIRST = ['Turbo', 'Cividis', 'Viridis', 'Magma', 'Inferno', 'Plasma', 'Warm', 'Cool', 'Cubehelix'];

export interface HeatmapColor {
  mode: 'scheme' | 'opacity';
  scheme: string;
  fill: string;
  scale: 'linear' | 'exponential';
  exponent: number;
  steps: number;
  reverse: boolean;
  min?: number;
  max?: number;
}

/** Few are to look like the ground of the theme, whichever way d3's scheme runs. */
function runsBackwards(scheme: string, { isDark, isLight }: GrafanaTheme2): boolean {
  if (DIVERGING.includes(scheme)) return true;
  return DARK_FIRST.includes(scheme) ? isLight : isDark;
}

export function palette(color: HeatmapColor, theme: GrafanaTheme2): string[] {
  const shares = Array.from({ length: color.steps }, (_, i) => i / Math.max(1, color.steps - 1));
  if (color.mode === 'opacity') {
    const fill = theme.visualization.getColorByName(color.fill);
    const power = color.scale === 'exponential' ? color.exponent : 1;
    return shares.map((share) => colorManipulator.alpha(fill, share ** power));
  }
  const name = color.scheme === 'Cubehelix' ? 'CubehelixDefault' : color.scheme;
  const interpolators = chromatic as unknown as Record<string, (share: number) => string>;
  const interpolate = interpolators[`interpolate${name}`] ?? chromatic.interpolateOranges;
  const colors = shares.map(interpolate);
  return color.reverse || runsBackwards(color.scheme, theme) ? colors.reverse() : colors;
}
