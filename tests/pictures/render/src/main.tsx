// The page: loads every panel's data, draws the dashboard, and tells render.mjs when all of it can be photographed.
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import '@fontsource/inter/600.css';
import '@fontsource/roboto-mono/400.css';
import moment from 'moment';
import { createRoot } from 'react-dom/client';
import { createTheme, dateTime, rangeUtil, ThemeContext, type TimeRange } from '@grafana/data';
import { GlobalStyles } from '@grafana/ui';
import { loadAnnotations } from './annotations';
import type { Dashboard, Job, Report } from './dashboard';
import { DashboardView } from './DashboardView';
import { MARGIN, layOut, pixels } from './grid';
import { load, type Setting } from './load';
import { fillRegistries } from './registries';
import { resolve } from './resolve';

declare global {
  interface Window {
    __grafana_public_path__: string;
    renderDashboard(job: Job): Promise<Report>;
    settle(): Promise<void>;
  }
}

function timeRange(dashboard: Dashboard, from?: number, to?: number): TimeRange {
  const own = dashboard.time ?? { from: 'now-6h', to: 'now' };
  const range = rangeUtil.convertRawToRange(own, dashboard.timezone === 'browser' ? 'utc' : dashboard.timezone);
  const end = to === undefined ? range.to : dateTime(to * 1000);
  const start =
    from === undefined ? dateTime(end.valueOf() - (range.to.valueOf() - range.from.valueOf())) : dateTime(from * 1000);
  return { from: start, to: end, raw: { from: start, to: end } };
}

/** Resolves once nothing on the page has changed for a while. */
window.settle = () =>
  new Promise((done) => {
    const quiet = () => requestAnimationFrame(() => requestAnimationFrame(() => done()));
    let timer = setTimeout(quiet, 300);
    new MutationObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(quiet, 300);
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
  });

window.renderDashboard = async ({ dashboard, theme: mode, from, to, variables, width, scrapeInterval, panel }) => {
  window.__grafana_public_path__ = '/';
  // What is given as an age is given as of the end of the time range.
  if (to !== undefined) moment.now = () => to * 1000;
  fillRegistries();
  const theme = createTheme({ colors: { mode } });
  // Text on a canvas is measured once, so its fonts have to be there before anything is drawn.
  await Promise.all(
    ['400 12px Inter', '500 12px Inter', '600 12px Inter', '400 12px "Roboto Mono"'].map((font) =>
      document.fonts.load(font),
    ),
  );

  const timezone = dashboard.timezone && dashboard.timezone !== 'browser' ? dashboard.timezone : 'utc';
  const range = timeRange(dashboard, from, to);
  const setting: Setting = { range, timeZone: timezone, theme, scrapeInterval, warnings: [], errors: [] };
  const [start, end] = [range.from.valueOf() / 1000, range.to.valueOf() / 1000];
  const values = await resolve(dashboard.templating?.list ?? [], variables, start, end, setting);
  const places = layOut(dashboard.panels ?? [], values, panel);
  for (const { panel: row } of places) {
    if (row.type === 'row' && row.repeat) setting.warnings.push(`${row.title}: rows are not repeated`);
  }
  const annotations = await loadAnnotations(dashboard.annotations?.list ?? [], values, setting);
  const drawn = [];
  for (const place of places) {
    const size = pixels(place.panel.gridPos, width);
    const loaded = place.panel.type === 'row' ? undefined : await load(place.panel, place.values, size.width, setting);
    drawn.push({ ...place, loaded });
  }

  const alone = panel === undefined ? undefined : pixels(places[0].panel.gridPos, width);
  const root = document.getElementById('reactRoot')!;
  createRoot(root).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <DashboardView
        dashboard={dashboard}
        values={values}
        drawn={drawn}
        width={width}
        alone={alone !== undefined}
        setting={setting}
        annotations={annotations}
      />
    </ThemeContext.Provider>,
  );
  await window.settle();
  const height = Math.ceil(root.firstElementChild!.getBoundingClientRect().height);
  return {
    width: alone ? Math.ceil(alone.width) + 2 * MARGIN : width,
    height,
    warnings: setting.warnings,
    errors: setting.errors,
  };
};
