"""The history that rules and dashboards read: which series, how far back, and how they go on."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, NamedTuple

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

from exporter.payments.labels import AmountBand, Cause, Purpose, Reason
from exporter.rules.boards import SUMS, boards
from exporter.rules.rule import Recording
from exporter.rules.values import SHOWN, read

SCRAPED_MS, RECORDED_MS, SELDOM_MS = 15_000, 30_000, 60_000
"""Time between two samples: the usual scrape interval, and the intervals of the rules and of those for dashboards."""
LOOKBACK_S = 3600
"""Written of every series that is read, however short the time that is read: a point and some more."""


class Series(NamedTuple):
    """A series of each node; `%d` in a label is the number of the node."""

    Labels: Mapping[str, str]
    Value: float
    Step: float
    """How much it rises with a sample, on average."""
    EveryMs: int
    BackMs: int


def read_by(expressions: Iterable[str]) -> dict[str, int]:
    """Return which metrics expressions read, and how many seconds back, offsets included; 0 for the present alone."""
    back: dict[str, int] = {}
    for expr in expressions:
        _walk(promql_parser.parse(expr), 0, back)
    return back


def _walk(node: Any, back_s: int, back: dict[str, int]) -> None:
    match node:
        case promql_parser.MatrixSelector():
            _walk(node.vector_selector, back_s + _seconds(node.range), back)
        case promql_parser.VectorSelector():
            name = node.name or ""
            back[name] = max(back.get(name, 0), back_s + _seconds(node.offset))
        case promql_parser.SubqueryExpr():
            _walk(node.expr, back_s + _seconds(node.range) + _seconds(node.offset), back)
        case promql_parser.BinaryExpr():
            _walk(node.lhs, back_s, back)
            _walk(node.rhs, back_s, back)
        case promql_parser.Call():
            for arg in node.args:
                _walk(arg, back_s, back)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            _walk(node.expr, back_s, back)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            pass
        case _:
            raise TypeError(f"what does {node!r} read?")


def _seconds(span: Any) -> int:
    return int(span.total_seconds()) if span is not None else 0


def history(page: str, back_s: Mapping[str, int], most_s: int) -> list[Series]:
    """Return the series that are read: those of a page of one node, and those that are recorded.

    `back_s` comes from `read_by`; nothing is older than `most_s`.
    """
    made = []
    levels: dict[str, list[dict[str, str]]] = {
        "node": [{}],
        "instance_node": [{}],
        "instance_node_amount_band": [{"amount_band": band} for band in AmountBand],
        "instance_node_cause": [{"cause": cause} for cause in Cause],
        "instance_node_peer": [{"peer": peer} for peer in sorted(set(re.findall('peer="([0-9a-f]{66})"', page)))],
        "instance_node_purpose_reason": [
            {"purpose": purpose, "reason": reason} for purpose, reason in product(Purpose, Reason)
        ],
    }
    sums = {each.record: each for each in SUMS}
    seldom = {rule.record for rule in boards(read()[SHOWN]).rules if isinstance(rule, Recording)}
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    target = {"job": "lnd-payments", "instance": "exporter%d:10019"}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name not in back_s:
                continue
            rises = 0.0
            if family.type in ("counter", "histogram"):
                rises = max(sample.value, 1) / 5760  # in a day as much as so far
            labels = {**sample.labels, **target, "__name__": sample.name}
            if "node" in labels:
                labels["node"] = "node%d"
            made.append(Series(labels, sample.value, rises, SCRAPED_MS, _back_ms(back_s[sample.name], most_s)))
    if "up" in back_s:
        made.append(Series({**target, "__name__": "up"}, 1, 0, SCRAPED_MS, _back_ms(back_s["up"], most_s)))
    for name, seconds in back_s.items():
        if ":" in name:
            level, metric, _ = name.split(":")
            node = {**target, "node": "node%d", "__name__": name}
            if level == "node":
                del node["instance"]
            of_page = {
                tuple((label, sample.labels[label]) for label in sums[name].by)
                for sample in samples
                if name in sums and sample.name == f"lnd_payments_{sums[name].metric}"
            }
            each = [{**node, **more} for more in (map(dict, sorted(of_page)) if name in sums else levels[level])]
            rises = 1.0 if metric.endswith(("_total", "_bucket")) else 0.0
            every_ms = SELDOM_MS if name in seldom else RECORDED_MS
            made += [Series(labels, 1, rises, every_ms, _back_ms(seconds, most_s)) for labels in each]
    return made


def _back_ms(seconds: int, most_s: int) -> int:
    return min(max(seconds, LOOKBACK_S), most_s) * 1000
