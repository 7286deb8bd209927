// Text: markdown, HTML or code, cleaned by Grafana's own functions.
import { renderTextPanelMarkdown, textUtil } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';
import type { PanelProps } from '../PanelView';

export function TextPanel({ loaded, height }: PanelProps) {
  const theme = useTheme2();
  const { mode, content } = loaded.options;
  const text = loaded.replace(content);
  if (mode === 'code') {
    return <pre style={{ height, margin: 0, fontFamily: theme.typography.fontFamilyMonospace }}>{text}</pre>;
  }
  const html = mode === 'html' ? textUtil.sanitizeTextPanelContent(text) : renderTextPanelMarkdown(text);
  return (
    <div className="markdown-html" style={{ height, overflow: 'hidden' }} dangerouslySetInnerHTML={{ __html: html }} />
  );
}
