// The dashboard as a whole: its variables and time range above, below them rows and panels on their places.
import { dateTimeFormat } from '@grafana/data';
import { Icon, useTheme2 } from '@grafana/ui';
import type { Span } from './annotations';
import type { Dashboard } from './dashboard';
import { MARGIN, pixels, type Place } from './grid';
import type { Loaded, Setting } from './load';
import { PanelView } from './PanelView';
import { fillText, type Values } from './variables';

interface Props {
  dashboard: Dashboard;
  values: Values;
  drawn: (Place & { loaded?: Loaded })[];
  width: number;
  /** Only one panel is drawn, without anything around it. */
  alone: boolean;
  setting: Setting;
  annotations: Span[];
}

export function DashboardView({ dashboard, values, drawn, width, alone, setting, annotations }: Props) {
  const places = drawn.map(({ panel }) => pixels(panel.gridPos, width));
  const height = Math.max(0, ...places.map(({ top, height }) => top + height));
  return (
    <div style={{ padding: MARGIN }}>
      {!alone && <Controls dashboard={dashboard} values={values} setting={setting} />}
      <div style={{ position: 'relative', height }}>
        {drawn.map(({ panel, values, loaded }, i) => (
          <div key={i} style={{ position: 'absolute', ...places[i] }}>
            {loaded ? (
              <PanelView
                loaded={loaded}
                width={places[i].width}
                height={places[i].height}
                setting={setting}
                annotations={annotations}
              />
            ) : (
              <Row
                title={fillText(panel.title ?? '', values)}
                hidden={panel.collapsed ? (panel.panels?.length ?? 0) : undefined}
              />
            )}
          </div>
        ))}
      </div>
    </div>
  );
}

/** `hidden` is the number of panels of a row that is folded. */
function Row({ title, hidden }: { title: string; hidden?: number }) {
  const theme = useTheme2();
  return (
    <div
      style={{
        display: 'flex',
        alignItems: 'center',
        height: 30,
        gap: theme.spacing(1),
        color: theme.colors.text.primary,
      }}
    >
      <Icon name={hidden === undefined ? 'angle-down' : 'angle-right'} />
      <span style={{ ...theme.typography.h5, fontWeight: theme.typography.fontWeightMedium }}>{title}</span>
      {hidden !== undefined && (
        <span style={{ fontSize: theme.typography.bodySmall.fontSize, color: theme.colors.text.secondary }}>
          ({hidden} {hidden === 1 ? 'panel' : 'panels'})
        </span>
      )}
    </div>
  );
}

function Controls({ dashboard, values, setting }: Pick<Props, 'dashboard' | 'values' | 'setting'>) {
  const theme = useTheme2();
  const { range, timeZone } = setting;
  const box = {
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(1),
    height: 32,
    padding: theme.spacing(0, 1),
    border: `1px solid ${theme.components.input.borderColor}`,
    background: theme.components.input.background,
    color: theme.components.input.text,
    borderRadius: theme.shape.radius.default,
  };
  const shown = (dashboard.templating?.list ?? []).filter(
    ({ hide, type }) => hide !== 2 && type !== 'constant' && type !== 'datasource',
  );
  return (
    <div style={{ display: 'flex', flexWrap: 'wrap', gap: theme.spacing(1), marginBottom: theme.spacing(2) }}>
      {shown.map(({ name, label, hide }) => (
        <div key={name} style={{ display: 'flex' }}>
          {hide !== 1 && <span style={{ ...box, borderRight: 0, fontSize: 12, fontWeight: 500 }}>{label || name}</span>}
          <span style={box}>
            {values[name].text} <Icon name="angle-down" />
          </span>
        </div>
      ))}
      <span style={{ ...box, marginLeft: 'auto' }}>
        <Icon name="clock-nine" />
        {dateTimeFormat(range.from, { timeZone })} to {dateTimeFormat(range.to, { timeZone })} {timeZone.toUpperCase()}
      </span>
    </div>
  );
}
