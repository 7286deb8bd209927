// The legend of a panel whose items are no series: what a slice or a colour stands for.
import { VizLayout, VizLegend, type VizLegendItem } from '@grafana/ui';

/** None where none is wanted, or nothing is shown. */
export function legend(options: Record<string, any>, items: VizLegendItem[]) {
  const { showLegend, placement, displayMode } = options;
  return showLegend && items.length ? (
    <VizLayout.Legend placement={placement}>
      <VizLegend placement={placement} displayMode={displayMode} items={items} readonly />
    </VizLayout.Legend>
  ) : null;
}
