"""Graph panels: single numbers, lines, bars, areas, heatmaps, states over time."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, heatmap, stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.panel import (
    BLACK,
    BLUE,
    SATS,
    Query,
    Steps,
    Text,
    by_threshold,
    filled,
    last,
    legend,
    mappings,
    target,
    thresholds,
)


def number(
    text: Text,
    expr: str,
    steps: Steps = ((None, BLUE),),
    *,
    decimals: int | None = None,
    empty: str = "-",
    legend: str = "__auto",
    mapped: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> stat.Panel:
    """Return a panel with one number, now or over the whole time range; some numbers are `mapped` to words."""
    panel: stat.Panel = filled(stat.Panel(), text, [Query(expr, legend, instant=True)])
    panel.thresholds(thresholds(steps)).color_mode(words.BigValueColorMode.VALUE).no_value(empty)
    panel.mappings(mappings(mapped, empty))
    panel.graph_mode(words.BigValueGraphMode.NONE).color_scheme(by_threshold())
    panel.reduce_options(last())
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def in_words(text: Text, expr: str, legend: str, mapped: Mapping[str, tuple[str, str]]) -> stat.Panel:
    """Return a panel that shows numbers as texts."""
    panel = number(text, expr, ((None, BLACK),), legend=legend)
    panel.text(common.VizTextDisplayOptions().title_size(14).value_size(20))  # or those of many are tiny
    return panel.mappings(mappings(mapped)).text_mode(words.BigValueTextMode.VALUE_AND_NAME)


class Value(NamedTuple):
    """One of the values of a panel: its query, and its own unit, colours and decimals."""

    query: Query
    unit: str
    steps: Steps = ((None, BLUE),)
    decimals: int | None = 0
    """None: as many as fit the size of the number."""
    mapped: Mapping[str, tuple[str, str]] = MappingProxyType({})
    """Texts and colours that replace numbers."""


def several(
    text: Text,
    values: Sequence[Value],
    *,
    empty: str = "-",
    colors: Mapping[str, str] = MappingProxyType({}),
) -> stat.Panel:
    """Return a panel with several numbers and their names.

    `colors` has those of names, or of patterns between slashes: they win over the colours by value.
    """
    first, *_ = values
    panel: stat.Panel = number(text, first.query.expr, first.steps, empty=empty)
    filled(panel, text, [value.query for value in values])
    panel.targets([])
    for place, value in enumerate(values):
        letter = chr(ord("A") + place)
        panel.with_target(target(value.query._replace(instant=True), place, PromQueryFormat.TIME_SERIES))
        steps = [{"value": bound, "color": color} for bound, color in value.steps]
        own = [
            model.DynamicConfigValue(id_val="unit", value=value.unit),
            model.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}),
        ]
        if value.decimals is not None:
            own.append(model.DynamicConfigValue(id_val="decimals", value=value.decimals))
        if value.mapped:
            own.append(model.DynamicConfigValue(id_val="mappings", value=mappings(value.mapped)))
        panel.override_by_query(letter, own)
    for name, color in colors.items():
        override = panel.override_by_regexp if name.startswith("/") else panel.override_by_name
        override(name, [_fixed(color)])
    return panel.text_mode(words.BigValueTextMode.VALUE_AND_NAME)


def lines(
    text: Text,
    queries: Sequence[Query],
    steps: Steps = (),
    *,
    bottom: float | None = 0,
    top: float | None = None,
    colors: Mapping[str, str] | None = None,
    empty: str = "",
    every: str = "",
) -> timeseries.Panel:
    """Return a line graph with a point at least each `every`; `steps` adds the alerts' limits as dashed lines."""
    panel = _over_time(text, queries, colors or {})
    panel.draw_style(words.GraphDrawStyle.LINE).line_width(1.5).fill_opacity(0)
    if text.unit == "short":
        panel.axis_soft_max(1)
    if every:
        panel.interval(every)
    if empty:
        panel.no_value(empty)
    if bottom is not None:
        panel.min(bottom)
    if top is not None:
        panel.max(top)
    if steps:
        panel.thresholds(thresholds(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(words.GraphThresholdsStyleMode.DASHED))
        if text.unit == "percentunit" and (limit := steps[-1][0]):
            panel.axis_soft_max(2 * limit)  # or an axis of zeros goes up to 10000 %
    return panel


def bars(
    text: Text, queries: Sequence[Query], colors: Mapping[str, str] | None = None, *, empty: str = ""
) -> timeseries.Panel:
    """Return stacked bars of five minutes or more for each label value, so that rare events are visible."""
    panel = _over_time(text, queries, colors or {}).interval("5m")
    if empty:
        panel.no_value(empty)
    panel.draw_style(words.GraphDrawStyle.BARS).line_width(0).fill_opacity(85).bar_width_factor(0.9)
    return _stacked(panel, text.unit)


def areas(
    text: Text, queries: Sequence[Query], colors: Mapping[str, str] | None = None, *, empty: str = ""
) -> timeseries.Panel:
    """Return stacked areas of each label value over time."""
    panel = _over_time(text, queries, colors or {})
    if empty:
        panel.no_value(empty)
    panel.draw_style(words.GraphDrawStyle.LINE).line_width(0).fill_opacity(75)
    panel.line_interpolation(words.LineInterpolation.STEP_AFTER)
    return _stacked(panel, text.unit)


def _stacked(panel: timeseries.Panel, unit: str) -> timeseries.Panel:
    least = 1000 if unit == SATS else 1  # an axis without values has no thousandths of a sat
    return (
        panel.min(0).axis_soft_max(least).stacking(common.StackingConfig().mode(words.StackingMode.NORMAL).group("A"))
    )


def _over_time(text: Text, queries: Sequence[Query], colors: Mapping[str, str]) -> timeseries.Panel:
    panel: timeseries.Panel = filled(timeseries.Panel(), text, queries)
    panel.legend(legend())
    panel.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI).sort(words.SortOrder.DESCENDING))
    panel.show_points(words.VisibilityMode.NEVER)
    for name, color in colors.items():
        panel.override_by_name(name, [_fixed(color)])
    return panel


def _fixed(color: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def spread(text: Text, expr: str, *, empty: str = "") -> heatmap.Panel:
    """Return a heatmap of a histogram."""
    panel: heatmap.Panel = filled(heatmap.Panel(), text, [Query(expr, "{{le}}")], PromQueryFormat.HEATMAP)
    if empty:
        panel.no_value(empty)
    panel.calculate(False).hide_legend().cell_gap(1).interval("5m")
    panel.y_axis(heatmap.YAxisConfig().unit(text.unit).axis_placement(words.AxisPlacement.LEFT))
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(heat.HeatmapColorMode.SCHEME)
        .scheme("Blues")
        .steps(64)
        .exponent(0.5)
        .fill("dark-blue")
        .reverse(False)
    )
    panel.filter_values(heatmap.FilterValueRange().le(1e-9))
    if empty:
        panel.no_value(empty)
    return panel


def states(text: Text, queries: Sequence[Query], mapped: Mapping[str, tuple[str, str]]) -> statetimeline.Panel:
    """Return a timeline of states: numbers are mapped to texts and colours."""
    panel: statetimeline.Panel = filled(statetimeline.Panel(), text, queries)
    panel.mappings(mappings(mapped)).show_value(words.VisibilityMode.NEVER)
    panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(BLACK))
    panel.merge_values(True).row_height(0.8)
    panel.legend(legend())
    return panel
