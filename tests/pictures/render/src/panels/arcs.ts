// Draws the arcs of a gauge: Grafana's Gauge leaves them to a plugin of jQuery Flot that its application brings along.
import $ from 'jquery';

interface GaugeOptions {
  gauge: { min: number; max: number; neutralValue?: number; background: { color: string }; width: number };
  threshold: {
    show: boolean;
    width: number;
    values: { value: number; color: string }[];
    label: { show: boolean; margin: number; font: { size: number } };
  };
  value: { color: string; formatter: () => string; font: { size: number; family: string } };
}

// In half turns, clockwise from the right.
const START = 0.9;
const END = 2.1;

function plot(
  element: HTMLElement,
  [{ data }]: [{ data: [[number, number]] }],
  options: { series: { gauges: GaugeOptions } },
): void {
  const { gauge, threshold, value } = options.series.gauges;
  const [width, height] = [element.clientWidth, element.clientHeight];
  const canvas = document.createElement('canvas');
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  canvas.style.cssText = `width: ${width}px; height: ${height}px`;
  element.replaceChildren(canvas);
  const ctx = canvas.getContext('2d')!;
  ctx.scale(devicePixelRatio, devicePixelRatio);

  const ring = threshold.show ? threshold.width : 0;
  const labels = threshold.label.show ? threshold.label.margin + threshold.label.font.size : 0;
  // The arc reaches below its centre by the sine of what it is longer than a half circle.
  const below = Math.sin((END - 2) * Math.PI);
  const radius = Math.min(width / 2, (height - 4) / (1 + below)) - labels - 2;
  const x = width / 2;
  const y = (height + (radius + labels) * (1 - below)) / 2;
  const inner = radius - (ring ? ring + 1 : 0);

  const angle = (number: number) => {
    const share = (number - gauge.min) / (gauge.max - gauge.min || 1);
    return Math.PI * (START + (END - START) * Math.min(1, Math.max(0, share)));
  };
  const arc = (from: number, to: number, outer: number, thickness: number, color: string) => {
    ctx.beginPath();
    ctx.arc(x, y, outer - thickness / 2, from, to);
    ctx.lineWidth = thickness;
    ctx.strokeStyle = color;
    ctx.stroke();
  };

  arc(START * Math.PI, END * Math.PI, inner, gauge.width, gauge.background.color);
  const [a, b] = [angle(gauge.neutralValue ?? gauge.min), angle(data[0][1])];
  if (Number.isFinite(data[0][1])) arc(Math.min(a, b), Math.max(a, b), inner, gauge.width, value.color);
  if (threshold.show) {
    // The first entry starts the scale, each other one ends a stretch of its colour.
    threshold.values.slice(1).forEach(({ value: end, color }, i) => {
      arc(angle(threshold.values[i].value), angle(end), radius, ring, color);
    });
  }
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  if (threshold.label.show) {
    ctx.font = `${threshold.label.font.size}px ${value.font.family}`;
    threshold.values.forEach(({ value: number, color }, i) => {
      const at = angle(number);
      const away = radius + threshold.label.margin + threshold.label.font.size / 2;
      ctx.fillStyle = i === 0 ? (threshold.values[1]?.color ?? color) : color;
      ctx.textAlign = Math.cos(at) < -0.1 ? 'right' : Math.cos(at) > 0.1 ? 'left' : 'center';
      ctx.fillText(String(number), x + (away - 4) * Math.cos(at), y + away * Math.sin(at));
    });
    ctx.textAlign = 'center';
  }
  ctx.font = `${value.font.size}px ${value.font.family}`;
  ctx.fillStyle = value.color;
  ctx.fillText(value.formatter(), x, y);
}

Object.assign($, { plot });
