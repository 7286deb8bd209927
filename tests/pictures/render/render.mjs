#!/usr/bin/env node
// Renders a Grafana dashboard to a PNG: gives the page in dist/ the dashboard and a way to Prometheus, photographs it.
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const USAGE = `node render.mjs --prometheus URL --dashboard FILE.json --out FILE.png
  --theme light|dark       (dark)
  --from EPOCH_S --to EPOCH_S   (the dashboard's own range, up to now)
  --var name=value         a variable of the dashboard; again for several values, $__all for all
  --width PIXELS           (1600)
  --scale FACTOR           pixels of the picture for one of the page (1)
  --scrape-interval SECONDS     as in Grafana's data source (15)
  --panel ID               only this panel, as large as it is in the dashboard
  --chromium PATH          (/usr/bin/chromium)`;

// Without these Chromium, started as root or without a network, fails or looks for its maker's hosts.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // These make two pictures of the same page the same.
  '--force-color-profile=srgb',
  '--font-render-hinting=none',
  '--disable-lcd-text',
  '--disable-partial-raster',
  '--disable-skia-runtime-opts',
];
const DIST = join(import.meta.dirname, 'dist');
const TYPES = /** @type {Record<string, string>} */ ({
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
});

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}

function options() {
  const text = /** @type {const} */ ('string');
  const { values } = parseArgs({
    options: {
      prometheus: { type: text },
      dashboard: { type: text },
      out: { type: text },
      theme: { type: text, default: 'dark' },
      from: { type: text },
      to: { type: text },
      var: { type: text, multiple: true, default: [] },
      width: { type: text, default: '1600' },
      scale: { type: text, default: '1' },
      'scrape-interval': { type: text, default: '15' },
      panel: { type: text },
      chromium: { type: text, default: '/usr/bin/chromium' },
    },
  });
  const { prometheus, dashboard, out } = values;
  if (!prometheus || !dashboard || !out || !['light', 'dark'].includes(values.theme)) return fail(USAGE);
  for (const name of /** @type {const} */ (['from', 'to', 'width', 'scale', 'scrape-interval', 'panel'])) {
    if (values[name] !== undefined && !(Number(values[name]) > 0)) fail(`--${name} ${values[name]}: not a number`);
  }
  /** @type {Record<string, string[]>} */
  const variables = {};
  for (const pair of values.var) {
    const [name, ...value] = pair.split('=');
    if (!value.length) fail(`--var ${pair}: not name=value`);
    (variables[name] ??= []).push(value.join('='));
  }
  return { ...values, prometheus, dashboard, out, variables };
}

/**
 * @param {string} base
 * @returns {(path: string, query: [string, string][]) => Promise<{ status: number, body: string }>}
 */
const asker = (base) => async (path, query) => {
  // Only queries may be POSTed, and only they are ever too long for an address.
  const post = path.startsWith('query');
  const address = `${base.replace(/\/$/, '')}/api/v1/${path}`;
  try {
    const response = await (post
      ? fetch(address, { method: 'POST', body: new URLSearchParams(query) })
      : fetch(`${address}?${new URLSearchParams(query)}`));
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: 0, body: `${address}: ${error instanceof Error ? (error.cause ?? error) : error}` };
  }
};

/** @param {import('playwright-core').Route} route */
async function serve(route) {
  const { hostname, pathname } = new URL(route.request().url());
  if (hostname !== 'localhost') return route.abort();
  const path = normalize(pathname === '/' ? '/build/index.html' : decodeURIComponent(pathname));
  try {
    const body = await readFile(join(DIST, path));
    return await route.fulfill({ body, contentType: TYPES[extname(path)] ?? 'application/octet-stream' });
  } catch {
    return route.fulfill({ status: 404, body: '' });
  }
}

const wanted = options();
const dashboard = JSON.parse(await readFile(wanted.dashboard, 'utf8').catch((error) => fail(error.message)));
await readFile(join(DIST, 'build', 'index.html')).catch(() => fail('There is no dist/: run `npm run build` first.'));
const width = Number(wanted.width);

const browser = await chromium.launch({ executablePath: wanted.chromium, args: FLAGS });
const page = await browser.newPage({
  viewport: { width, height: 900 },
  deviceScaleFactor: Number(wanted.scale),
  reducedMotion: 'reduce',
  timezoneId: 'UTC',
  locale: 'en-US',
});
let failed = false;
page.on('pageerror', (error) => {
  failed = true;
  console.error(`error: ${error.stack ?? error}`);
});
if (process.env.DEBUG) page.on('console', (message) => console.error(`console: ${message.text()}`));
await page.route('**/*', serve);
await page.exposeFunction('askPrometheus', asker(wanted.prometheus));
await page.goto('http://localhost/');
const job = {
  dashboard: dashboard.dashboard ?? dashboard,
  theme: /** @type {'light' | 'dark'} */ (wanted.theme),
  from: wanted.from === undefined ? undefined : Number(wanted.from),
  to: wanted.to === undefined ? undefined : Number(wanted.to),
  variables: wanted.variables,
  width,
  scrapeInterval: Number(wanted['scrape-interval']),
  panel: wanted.panel === undefined ? undefined : Number(wanted.panel),
};
const report = await page
  .evaluate((job) => window.renderDashboard(job), job)
  .catch((error) => fail(`error: ${process.env.DEBUG ? error.stack : error.message.split('\n')[0]}`));
await page.setViewportSize({ width: report.width, height: report.height });
await page.waitForLoadState('networkidle');
await page.evaluate(() => window.settle());
await page.screenshot({ path: wanted.out, animations: 'disabled' });
await browser.close();

for (const warning of report.warnings) console.error(`warning: ${warning}`);
for (const error of report.errors) console.error(`error: ${error}`);
process.exitCode = failed || report.errors.length ? 1 : 0;
