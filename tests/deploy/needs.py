"""What rules and dashboards show without a group of series, found in their PromQL."""

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum

import promql_parser

from exporter.metrics.groups import LEFT_OUT, Group, LeftOut
from exporter.rules.generate import groups
from exporter.rules.rule import Alert, Recording
from exporter.rules.values import read
from tests.dashboards.panels import FILES, dashboard, panels, with_variables
from tests.incidents.named import EVERYTHING


class Effect(IntEnum):
    """What is left of an expression without a group."""

    NONE = 0
    COARSER = 1
    """It treats as one what it distinguishes otherwise."""
    NOTHING = 2
    """It has no result."""


def effect(expr: str, group: Group, recorded: Mapping[str, Effect] | None = None) -> Effect:
    """Return the effect on an expression; `recorded` has that on each recorded series."""
    return _effect(promql_parser.parse(expr), LEFT_OUT[group], recorded or {})


def _effect(node: promql_parser.Expr, left: LeftOut, recorded: Mapping[str, Effect]) -> Effect:
    match node:
        case promql_parser.VectorSelector():
            found = _of_selector(node, left, recorded)
        case promql_parser.MatrixSelector():
            found = _of_selector(node.vector_selector, left, recorded)
        case promql_parser.BinaryExpr():
            found = _of_sides(str(node.op), *(_effect(side, left, recorded) for side in (node.lhs, node.rhs)))
            found = max(found, _of_labels(node.modifier, left))
        case promql_parser.AggregateExpr():
            found = max(_effect(node.expr, left, recorded), _of_labels(node.modifier, left))
        case promql_parser.Call():
            found = max((_effect(argument, left, recorded) for argument in node.args), default=Effect.NONE)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            found = Effect.NONE
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            found = _effect(node.expr, left, recorded)
        case _:
            raise TypeError(f"an expression of an unknown type: {type(node)}")
    return found


def _of_sides(operator: str, first: Effect, second: Effect) -> Effect:
    """Return the effect on two expressions with an operator; of `or` one is enough, and `unless` needs the first."""
    if operator == "or" and min(first, second) is not Effect.NOTHING:
        return min(max(first, second), Effect.COARSER)
    if operator == "unless":
        return max(first, min(second, Effect.COARSER))
    return max(first, second)


def _of_selector(series: promql_parser.VectorSelector, left: LeftOut, recorded: Mapping[str, Effect]) -> Effect:
    name = series.name or ""
    if {name, re.sub("_(bucket|count|sum)$", "", name)} & left.metrics:
        return Effect.NOTHING
    found = recorded.get(name, Effect.NONE)
    for matcher in series.matchers.matchers:
        if left.label and matcher.name == left.label:
            found = max(found, Effect.COARSER if _matches_nothing(matcher) else Effect.NOTHING)
    return found


def _matches_nothing(matcher: promql_parser.Matcher) -> bool:
    """Return True if a matcher selects series without the label, too."""
    operators = promql_parser.MatchOp
    is_pattern = matcher.op in (operators.Re, operators.NotRe)
    matches = re.fullmatch(matcher.value, "") is not None if is_pattern else not matcher.value
    return matches is (matcher.op in (operators.Re, operators.Equal))


def _of_labels(modifier: object, left: LeftOut) -> Effect:
    """Return the effect on `by (...)` or `on (...)`; `without (...)` doesn't need a label."""
    text = str(modifier or "")
    named = left.label and re.search(rf"\b(by|on|group_left|group_right) \([^)]*\b{left.label}\b", text)
    return Effect.COARSER if named else Effect.NONE


def rules(group: Group) -> dict[str, Effect]:
    """Return the effect on each recorded series and on each alert of any profile, by its name."""
    effects: dict[str, Effect] = {}
    for values in read(more=EVERYTHING).values():
        made = [rule for of in groups(values) for rule in of.rules]
        for _ in made:  # a recorded series may use one that comes later
            before = dict(effects)
            for rule in made:
                name = rule.record if isinstance(rule, Recording) else rule.name
                effects[name] = max(effects.get(name, Effect.NONE), effect(rule.expr, group, effects))
            if effects == before:
                break
    return effects


def alerts(group: Group) -> dict[str, Effect]:
    """Return the effect on each alert of any profile."""
    names = {
        rule.name
        for v in read(more=EVERYTHING).values()
        for of in groups(v)
        for rule in of.rules
        if isinstance(rule, Alert)
    }
    return {name: found for name, found in rules(group).items() if name in names}


def boards(group: Group) -> Iterator[tuple[str, str, Effect]]:
    """Yield dashboard, title and effect of each panel on which there is one; a panel that lacks a part is coarser."""
    recorded = rules(group)
    for uid in FILES:
        for panel in panels(uid):
            effects = [effect(with_variables(target["expr"]), group, recorded) for target in panel["targets"]]
            if max(effects) is not Effect.NONE:
                whole = Effect.NOTHING if min(effects) is Effect.NOTHING else Effect.COARSER
                yield dashboard(uid)["title"], panel["title"], whole
