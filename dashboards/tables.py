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
    only: Sequence[str] = (),
    summed: Sequence[str] = (),
) -> table.Panel:
    """Return a table with a row for each value of the label `key`, joined from several queries.

    It is sorted by the columns `sort`, the highest first. Only rows with more than 0 in one of the fields `only` are
    shown. The fields `summed` are added up in a column `Sum` before that.

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
    if summed:
        panel.with_transformation(_sum("Sum", summed))
    if only:
        config = {"id": "greater", "options": {"value": 0}}
        filters = [{"fieldName": name, "config": config} for name in only]
        panel.with_transformation(
            model.DataTransformerConfig(
                id_val="filterByValue", options={"filters": filters, "type": "include", "match": "any"}
            )
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


def matrix(
    text: Text, expr: str, row: Column, label: str, columns: Sequence[str], *, empty: str, every: str = "All"
) -> table.Panel:
    """Return a table with a row for each value of the label of `row`, and a column for each of another label's values.

    `expr` has both labels, and nothing for a cell without a number; the column `every` has the sum of each row.
    """
    panel: table.Panel = filled(table.Panel(), text, [Query(expr, instant=True)], PromQueryFormat.TABLE)
    first = f"{row.name}\\{label}"
    places = {name: place for place, name in enumerate((first, every, *columns))}
    pairs = {"rowField": row.name, "columnField": label, "valueField": "Value", "emptyValue": "null"}
    order = {"indexByName": places, "renameByName": {first: row.heading}, "excludeByName": {}}
    panel.with_transformation(model.DataTransformerConfig(id_val="groupingToMatrix", options=pairs))
    panel.with_transformation(_sum(every, columns))
    panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=order))
    panel.override_by_name(row.heading, _column(row))
    for name in (every, *columns):
        panel.override_by_name(name, _column(Column(name, name, text.unit, decimals=0, empty="-")))
    return panel.no_value(empty).sort_by([common.TableSortByFieldState().display_name(every).desc(True)])


def _sum(name: str, columns: Sequence[str]) -> model.DataTransformerConfig:
    """Return the transformation that adds a column with the sum of others."""
    options = {"mode": "reduceRow", "reduce": {"include": [*columns], "reducer": "sum"}, "alias": name}
    return model.DataTransformerConfig(id_val="calculateField", options=options)


def command(expr: str, label: str, line: str, name: str = "command") -> str:
    """Add a label with a command line to copy; `$1` in it stands for the value of `label`."""
    return f'label_replace({expr}, "{name}", "{line}", "{label}", "(.+)")'


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
