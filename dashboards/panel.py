"""What every panel has: a title, a description, a unit, queries, colours by value."""

from collections.abc import Mapping, Sequence
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
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, BLUE, BLACK = "green", "yellow", "orange", "red", "blue", "text"
GREY = "#8e8e8e"
"""For what isn't known."""

Panel: TypeAlias = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel | heatmap.Panel | statetimeline.Panel
Mappings: TypeAlias = list[model.ValueMap | model.RangeMap | model.RegexMap | model.SpecialValueMap]
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


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours by value."""
    made = [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def target(query: Query, number: int, form: PromQueryFormat) -> prometheus.Dataquery:
    """A question with a letter of its own."""
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + number))
    made = made.format(form).datasource(SOURCE)
    return made.instant() if query.instant else made.range()


def filled(
    panel: Any, text: Text, queries: Sequence[Query], form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> Any:
    """A panel with its words and its queries."""
    panel.title(text.title).description(text.description).unit(text.unit).datasource(SOURCE)
    for number, query in enumerate(queries):
        panel.with_target(target(query, number, form))
    return panel


def mappings(words: Mapping[str, tuple[str, str]], empty: str = "") -> Mappings:
    """Words and their colours for numbers, and for no number."""
    made: Mappings = []
    if words:
        options = {
            value: model.ValueMappingResult(text=word, color=color, index=place)
            for place, (value, (word, color)) in enumerate(words.items())
        }
        made.append(model.ValueMap(options=options))
    if empty:
        nothing = model.DashboardSpecialValueMapOptions(
            match=model.SpecialValueMatch.NULL_AND_NAN,
            result=model.ValueMappingResult(text=empty, color=BLACK, index=len(words)),
        )
        made.append(model.SpecialValueMap(options=nothing))  # else it has the colour of the lowest threshold
    return made


def last() -> common.ReduceDataOptions:
    """Of each series its last value."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def legend() -> common.VizLegendOptions:
    """Below, in a line."""
    made = common.VizLegendOptions().show_legend(True).calcs([])
    return made.display_mode(models.LegendDisplayMode.LIST).placement(models.LegendPlacement.BOTTOM)


def by_threshold() -> dashboard.FieldColor:
    """The colour that the thresholds give a value."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
