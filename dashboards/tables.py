"""Table panels: a row for each node, peer or label value, joined from several queries."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.panel import BLACK, ORANGE, Query, Steps, Text, filled, mappings, target

MARKED: Steps = ((None, BLACK), (0.5, ORANGE))
"""Colours of a table cell: zeros aren't highlighted."""


class Column(NamedTuple):
    """A column of a table: its query or label, heading, unit and colours."""

    name: str
    heading: str
    unit: str = "none"
    steps: Steps = ()
    decimals: int | None = None
    link: str = ""
    width: int | None = None
    words: Mapping[str, tuple[str, str]] = MappingProxyType({})
    """Text and colour for each number or word."""
    empty: str = ""
    """Text of an empty cell."""
    copied: bool = False
    """A cell opens its whole text, to be copied."""


def grid(
    text: Text,
    queries: Sequence[Query],
    columns: Sequence[Column],
    key: str | Sequence[str],
    *,
    sort: str | Sequence[str] = "",
    empty: str = "",
) -> table.Panel:
    """Return a table with a row for each value of the label `key`, joined from several queries.

    It is sorted by the columns `sort`, the highest first.

    With several labels the queries must have exactly these labels, and the same rows.
    """
    panel: table.Panel = filled(
        table.Panel(), text, [query._replace(instant=True) for query in queries], PromQueryFormat.TABLE
    )
    known = [column.name for column in columns]
    panel.with_transformation(
        model.DataTransformerConfig(id_val="joinByField", options={"byField": key, "mode": "outer"})
        if isinstance(key, str)
        else model.DataTransformerConfig(id_val="merge", options={})
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
        by = [sort] if isinstance(sort, str) else sort
        panel.sort_by([common.TableSortByFieldState().display_name(name).desc(True) for name in by])
    return panel


def named(colors: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return the label values as texts in their colours, for `Column.words`."""
    return {word: (word, color) for word, color in colors.items()}


def _escaped(name: str) -> str:
    return name.replace("#", r"\#")


def _column(column: Column) -> list[model.DynamicConfigValue]:
    made = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        made.append(model.DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.width is not None:
        made.append(model.DynamicConfigValue(id_val="custom.width", value=column.width))
    if column.copied:
        made.append(model.DynamicConfigValue(id_val="custom.inspect", value=True))
    if column.words or column.empty:
        made.append(model.DynamicConfigValue(id_val="mappings", value=mappings(column.words, column.empty)))
    if column.steps:
        steps = [{"value": value, "color": color} for value, color in column.steps]
        made += [
            model.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}),
            model.DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
        ]
    if column.steps or column.words:
        made.append(model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
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
    colors: Mapping[str, str] = MappingProxyType({}),
    empty: Mapping[str, str] = MappingProxyType({}),
) -> table.Panel:
    """Return a table with a row for each value of the label `row` and a column for each of `exprs`, in their order.

    Rows are sorted by `order`, or else by the first column, the highest first. `colors` has those of the label values,
    `empty` the texts of empty cells by column.
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
            empty=empty.get(name, ""),
        )
        for letter, name in zip(letters, exprs, strict=True)
    ]
    queries = [Query(expr) for expr in exprs.values()]
    panel = grid(text, queries, [Column(row, heading, "string", width=width, words=named(colors)), *columns], row)
    if order:
        letter = chr(ord("A") + len(exprs))
        panel.with_target(target(Query(order, instant=True), len(exprs), PromQueryFormat.TABLE))
        transformations = panel.build().transformations or []
        first, *rest = transformations
        by = {"fields": {}, "sort": [{"field": f"Value #{letter}", "desc": False}]}
        panel.transformations([first, model.DataTransformerConfig(id_val="sortBy", options=by), *rest])
    else:
        panel.sort_by([common.TableSortByFieldState().display_name(next(iter(exprs))).desc(True)])
    return panel
