"""What the dashboards are built of: a grid that lays panels out, and one function for each kind of panel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = words.DataSourceRef(type_val="prometheus", uid="${datasource}")
COLUMNS = 24
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"

Panel: TypeAlias = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel | heatmap.Panel | statetimeline.Panel
Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour; the first is None."""


class Query(NamedTuple):
    """One question to Prometheus."""

    expr: str
    legend: str = "__auto"
    instant: bool = False


class Text(NamedTuple):
    """What every panel has."""

    title: str
    description: str
    """What it shows, and what good looks like."""
    unit: str


@dataclass
class Grid:
    """Places panels from left to right; explicit, for the SDK's own layout overflows the columns."""

    placed: list[Panel | dashboard.Row] = field(default_factory=list)
    _x: int = 0
    _y: int = 0
    _height: int = 0

    def row(self, title: str) -> None:
        """Begin a row with a heading."""
        self._break()
        row = dashboard.Row(title).id(len(self.placed) + 1).grid_pos(model.GridPos(h=1, w=COLUMNS, x=0, y=self._y))
        self.placed.append(row)
        self._y += 1

    def add(self, panel: Panel, width: int, height: int = 8) -> None:
        """Place a panel beside the last one, or below if there is no room."""
        if self._x + width > COLUMNS:
            self._break()
        panel.id(len(self.placed) + 1).grid_pos(model.GridPos(h=height, w=width, x=self._x, y=self._y))
        self.placed.append(panel)
        self._x += width
        self._height = max(self._height, height)

    def _break(self) -> None:
        self._y += self._height
        self._x = self._height = 0


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours by value."""
    made = [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _target(query: Query, number: int, form: PromQueryFormat) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + number))
    target = target.format(form).datasource(SOURCE)
    return target.instant() if query.instant else target.range()


def _filled(
    panel: Any, text: Text, queries: Sequence[Query], form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> Any:
    panel.title(text.title).description(text.description).unit(text.unit).datasource(SOURCE)
    for number, query in enumerate(queries):
        panel.with_target(_target(query, number, form))
    return panel


def number(
    text: Text,
    expr: str,
    steps: Steps = ((None, BLUE),),
    *,
    decimals: int | None = None,
    empty: str = "-",
    legend: str = "__auto",
) -> stat.Panel:
    """One number, now or over the whole range."""
    panel: stat.Panel = _filled(stat.Panel(), text, [Query(expr, legend, instant=True)])
    panel.thresholds(thresholds(steps)).color_mode(words.BigValueColorMode.VALUE).no_value(empty)
    nothing = model.DashboardSpecialValueMapOptions(
        match=model.SpecialValueMatch.NULL_AND_NAN, result=model.ValueMappingResult(text=empty, color=GREY, index=0)
    )
    panel.mappings([model.SpecialValueMap(options=nothing)])  # else it has the colour of the lowest threshold
    panel.graph_mode(words.BigValueGraphMode.NONE).color_scheme(_by_threshold())
    panel.reduce_options(_last())
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def leading(text: Text, expr: str, label: str) -> stat.Panel:
    """The word with the highest number."""
    panel = number(text, f"topk(1, {expr} > 0)", decimals=0, empty="none", legend=f"{{{{{label}}}}}")
    return panel.text_mode(words.BigValueTextMode.VALUE_AND_NAME)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).calcs([])
    return legend.display_mode(words.LegendDisplayMode.LIST).placement(words.LegendPlacement.BOTTOM)


def _by_threshold() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


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
    """How something went, at least `every` so often; with `steps` the limits of the alerts as dashed lines."""
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
    return panel


def bars(text: Text, queries: Sequence[Query], colors: Mapping[str, str] | None = None) -> timeseries.Panel:
    """What happened in each five minutes or more, one word on the other: so that few events are seen, too."""
    panel = _over_time(text, queries, colors or {}).interval("5m")
    panel.draw_style(words.GraphDrawStyle.BARS).line_width(0).fill_opacity(85).bar_width_factor(0.9)
    return _stacked(panel)


def areas(text: Text, queries: Sequence[Query], colors: Mapping[str, str] | None = None) -> timeseries.Panel:
    """How much there was at each moment, one word on the other."""
    panel = _over_time(text, queries, colors or {})
    panel.draw_style(words.GraphDrawStyle.LINE).line_width(0).fill_opacity(75)
    panel.line_interpolation(words.LineInterpolation.STEP_AFTER)
    return _stacked(panel)


def _stacked(panel: timeseries.Panel) -> timeseries.Panel:
    return panel.min(0).axis_soft_max(1).stacking(common.StackingConfig().mode(words.StackingMode.NORMAL).group("A"))


def _over_time(text: Text, queries: Sequence[Query], colors: Mapping[str, str]) -> timeseries.Panel:
    panel: timeseries.Panel = _filled(timeseries.Panel(), text, queries)
    panel.legend(_legend())
    panel.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI).sort(words.SortOrder.DESCENDING))
    panel.show_points(words.VisibilityMode.NEVER)
    for name, color in colors.items():
        panel.override_by_name(name, [_fixed(color)])
    return panel


def _fixed(color: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def ranking(text: Text, queries: Sequence[Query], steps: Steps = ((None, BLUE),)) -> bargauge.Panel:
    """A bar for each word, the longest first."""
    panel: bargauge.Panel = _filled(bargauge.Panel(), text, queries)
    panel.orientation(words.VizOrientation.HORIZONTAL).display_mode(words.BarGaugeDisplayMode.BASIC).min(0)
    panel.thresholds(thresholds(steps)).color_scheme(_by_threshold())
    panel.value_mode(words.BarGaugeValueMode.COLOR).show_unfilled(True)
    panel.reduce_options(_last())
    return panel


class Column(NamedTuple):
    """A column of a table: which query or label, its heading, unit and colours."""

    name: str
    heading: str
    unit: str = "none"
    steps: Steps = ()
    decimals: int | None = None
    link: str = ""
    width: int | None = None


def grid(
    text: Text, queries: Sequence[Query], columns: Sequence[Column], key: str, *, sort: str = "", empty: str = ""
) -> table.Panel:
    """A table with a row for each word of the label `key`, joined from several queries."""
    panel: table.Panel = _filled(
        table.Panel(), text, [query._replace(instant=True) for query in queries], PromQueryFormat.TABLE
    )
    known = [column.name for column in columns]
    panel.with_transformation(
        model.DataTransformerConfig(id_val="joinByField", options={"byField": key, "mode": "outer"})
    )
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="filterFieldsByName", options={"include": {"pattern": f"^({'|'.join(map(_escaped, known))})$"}}
        )
    )
    panel.with_transformation(
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "indexByName": {name: place for place, name in enumerate(known)},
                "renameByName": {column.name: column.heading for column in columns},
                "excludeByName": {},
            },
        )
    )
    for column in columns:
        panel.override_by_name(column.heading, _column(column))
    if empty:
        panel.no_value(empty)
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    return panel


def _escaped(name: str) -> str:
    return name.replace("#", r"\#")


def _column(column: Column) -> list[model.DynamicConfigValue]:
    made = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        made.append(model.DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.width is not None:
        made.append(model.DynamicConfigValue(id_val="custom.width", value=column.width))
    if column.steps:
        steps = [{"value": value, "color": color} for value, color in column.steps]
        made += [
            model.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}),
            model.DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
            model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
        ]
    if column.link:
        link = {"title": "Open", "url": column.link, "targetBlank": False}
        made.append(model.DynamicConfigValue(id_val="links", value=[link]))
    return made


def crossed(
    text: Text,
    exprs: Mapping[str, str],
    row: str,
    heading: str,
    *,
    steps: Mapping[str, Steps] | Steps = (),
    units: Mapping[str, str] | None = None,
    order: str = "",
    width: int = 150,
) -> table.Panel:
    """A table with a row for each word of the label `row` and a column for each of `exprs`, in their order.

    Rows are in the `order` of a number, or those with the highest first column come first.
    """
    letters = [chr(ord("A") + place) for place in range(len(exprs))]
    in_units = dict.fromkeys(exprs, text.unit) | dict(units or {})
    columns = [
        Column(
            f"Value #{letter}",
            name,
            in_units[name],
            steps.get(name, ()) if isinstance(steps, Mapping) else steps,
            1 if in_units[name] == "percentunit" else 0,
        )
        for letter, name in zip(letters, exprs, strict=True)
    ]
    queries = [Query(expr) for expr in exprs.values()]
    panel = grid(text, queries, [Column(row, heading, "string", width=width), *columns], row)
    if order:
        letter = chr(ord("A") + len(exprs))
        panel.with_target(_target(Query(order, instant=True), len(exprs), PromQueryFormat.TABLE))
        transformations = panel.build().transformations or []
        first, *rest = transformations
        by = {"fields": {}, "sort": [{"field": f"Value #{letter}", "desc": False}]}
        panel.transformations([first, model.DataTransformerConfig(id_val="sortBy", options=by), *rest])
    else:
        panel.sort_by([common.TableSortByFieldState().display_name(next(iter(exprs))).desc(True)])
    return panel


def spread(text: Text, expr: str) -> heatmap.Panel:
    """A heatmap of a histogram."""
    panel: heatmap.Panel = _filled(heatmap.Panel(), text, [Query(expr, "{{le}}")], PromQueryFormat.HEATMAP)
    panel.calculate(False).hide_legend().cell_gap(1).interval("5m")
    panel.y_axis(heatmap.YAxisConfig().unit(text.unit).axis_placement(words.AxisPlacement.LEFT))
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(heat.HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .steps(64)
        .exponent(0.5)
        .fill("dark-orange")
        .reverse(False)
    )
    panel.filter_values(heatmap.FilterValueRange().le(1e-9))
    return panel


def states(text: Text, queries: Sequence[Query], mapped: Mapping[str, tuple[str, str]]) -> statetimeline.Panel:
    """Which state there was when: numbers to words and colours."""
    panel: statetimeline.Panel = _filled(statetimeline.Panel(), text, queries)
    options = {
        value: model.ValueMappingResult(text=word, color=color, index=place)
        for place, (value, (word, color)) in enumerate(mapped.items())
    }
    panel.mappings([model.ValueMap(options=options)]).show_value(words.VisibilityMode.NEVER)
    panel.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(GREY))
    panel.merge_values(True).row_height(0.8)
    panel.legend(_legend())
    return panel
