"""The common parts of panels: title, description, unit, queries, colours by value."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    heatmap,
    logs,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from exporter.rules.values import SHOWN, read

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, BLUE, BLACK = "green", "yellow", "orange", "red", "blue", "text"
DOCS = read()[SHOWN].runbooks.rstrip("/").removesuffix("/runbooks")
"""The address of the documentation; the rules link to its runbooks."""
GREY = "#8e8e8e"
"""Colour of unknown values."""
SATS = "si: sat"
"""Unit of amounts, abbreviated: 79 k sat, 1.2 M sat. Below 1 it would say milli: round such numbers."""

NEEDS_RULES = "Needs the rules."
"""The end of the description of a panel that reads recorded series."""
_RECORDED = ":lnd_payments_"
"""A part of the name of each recorded series."""

Panel: TypeAlias = stat.Panel | timeseries.Panel | table.Panel | heatmap.Panel | statetimeline.Panel | logs.Panel
Mappings: TypeAlias = list[model.ValueMap | model.RangeMap | model.RegexMap | model.SpecialValueMap]
Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""Thresholds: the lower bound of each colour; the first bound is None."""


class Query(NamedTuple):
    """A PromQL query of a panel."""

    expr: str
    legend: str = "__auto"
    instant: bool = False


class Text(NamedTuple):
    """The texts and options that every panel has."""

    title: str
    description: str
    """What the panel shows, and which values are healthy."""
    unit: str
    page: str = ""
    """A page of the documentation that says more, as `metrics.md#labels`."""


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Return the thresholds for the lower bound of each colour."""
    made = [model.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def target(query: Query, number: int, form: PromQueryFormat) -> prometheus.Dataquery:
    """Return the query as a target with a letter of its own."""
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(chr(ord("A") + number))
    made = made.format(form).datasource(SOURCE)
    return made.instant() if query.instant else made.range()


def filled(
    panel: Any, text: Text, queries: Sequence[Query], form: PromQueryFormat = PromQueryFormat.TIME_SERIES
) -> Any:
    """Fill a panel with its texts and its queries; the description says if it reads recorded series."""
    reads_recorded = any(_RECORDED in query.expr for query in queries)
    description = f"{text.description} {NEEDS_RULES}" if reads_recorded else text.description
    panel.title(text.title).description(description).unit(text.unit).datasource(SOURCE)
    for number, query in enumerate(queries):
        panel.with_target(target(query, number, form))
    if text.page:
        link = dashboard.DashboardLink("Documentation").type(model.DashboardLinkType.LINK).url(f"{DOCS}/{text.page}")
        panel.links([link.target_blank(True)])
    return panel


def mappings(words: Mapping[str, tuple[str, str]], empty: str = "") -> Mappings:
    """Return the texts and colours that replace numbers and missing values."""
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
        made.append(model.SpecialValueMap(options=nothing))  # or it gets the colour of the lowest threshold
    return made


def last() -> common.ReduceDataOptions:
    """Reduce each series to its last value."""
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def legend() -> common.VizLegendOptions:
    """Return a legend below the graph, in one line."""
    made = common.VizLegendOptions().show_legend(True).calcs([])
    return made.display_mode(models.LegendDisplayMode.LIST).placement(models.LegendPlacement.BOTTOM)


def by_threshold() -> dashboard.FieldColor:
    """Return the colour mode that colours a value by its thresholds."""
    return dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)
