// Table: Grafana's TableNG.
import type { DataFrame, Field } from '@grafana/data';
import { TableNG } from '@grafana/ui/unstable';
import { Message, type PanelProps } from '../PanelView';

/** Older dashboards hide a column, and ask for a footer, in another place. */
function upgraded(
  frame: DataFrame,
  footer: { show?: boolean; reducer?: string[]; fields?: string[] | string } = {},
): DataFrame {
  const fields = frame.fields.map((field): Field => {
    const custom = { ...field.config.custom };
    if (custom.hidden) custom.hideFrom = { ...custom.hideFrom, viz: true };
    const summed = !footer.fields?.length || footer.fields.includes(field.name);
    if (footer.show && footer.reducer && summed) custom.footer ??= { reducers: footer.reducer };
    return { ...field, config: { ...field.config, custom } };
  });
  return { ...frame, fields };
}

export function TablePanel({ loaded, width, height, setting }: PanelProps) {
  const { frames, options, fieldConfig, range, panel } = loaded;
  const frame = frames[Math.min(options.frameIndex, frames.length - 1)];
  if (!frame.length) return <Message text="No data" />;
  return (
    <TableNG
      data={upgraded(frame, options.footer)}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      showTypeIcons={options.showTypeIcons}
      initialSortBy={options.sortBy}
      cellHeight={options.cellHeight}
      maxRowHeight={options.maxRowHeight}
      frozenColumns={options.frozenColumns?.left}
      enablePagination={options.enablePagination ?? options.footer?.enablePagination}
      enableVirtualization={false}
      fieldConfig={fieldConfig}
      timeRange={range}
      transparent={panel.transparent}
      disableSanitizeHtml={false}
      key={setting.timeZone}
    />
  );
}
