"""What rules are made of: groups of recordings and alerts, and the selectors that their expressions share."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import promql_parser

from deploy.prometheus.thresholds import Severity
from deploy.prometheus.values import Values

PREFIX = "LndPayments"
"""Of each alert's name."""
PER_NODE = "on (job, instance, node)"
"""How series of the same node are joined."""
NODES_OF_A_JOB = "on (job, node)"
"""The same, wherever its exporter is: names of nodes differ within a job."""
MEMORY = "15d"
"""How far back the last value is looked for: as long as Prometheus keeps everything, and an HTLC may be held."""
SHARE = "{{ $value | humanizePercentage }}"
NODE = "{{ $labels.node }}"


class Recording(NamedTuple):
    """A series that others are made of, named `level:metric:operation`."""

    record: str
    expr: str


class Alert(NamedTuple):
    """An alert; its name gets the prefix, and its description a person who was asleep a minute ago."""

    name: str
    severity: Severity
    expr: str
    summary: str
    """One line: which node, what, how bad."""
    description: str
    """What it means for payments, and the first thing to look at."""
    board: str
    """The dashboard that shows the cause: the end of its uid."""
    shows: str = ""
    """Of its variables those that are not as they are at first, as in an address."""
    lasts: str = "0m"
    """The condition must hold for so long (`for`)."""
    keeps: str = "0m"
    """It goes on firing for so long when the condition holds no more (`keep_firing_for`): no flapping."""


class Group(NamedTuple):
    """Rules that are evaluated together, in this order."""

    name: str
    rules: Sequence[Recording | Alert]


class Selector:
    """Writes selectors for the nodes of a profile."""

    def __init__(self, values: Values) -> None:
        """All nodes, or those that the profile is for."""
        self._own = [] if values.nodes == ".*" else [f"node=~{json.dumps(values.nodes, ensure_ascii=False)}"]

    def __call__(self, name: str, *matchers: str) -> str:
        """The series of a metric of ours, by the end of its name (`started_total`) or all of a recorded one's."""
        whole = name if ":" in name else f"lnd_payments_{name}"
        matchers = (*self._own, *matchers)
        return f"{whole}{{{','.join(matchers)}}}" if matchers else whole


def one_of(label: str, words: Iterable[str]) -> str:
    """A matcher."""
    return f'{label}=~"{"|".join(words)}"'


def exactly(label: str, word: str) -> str:
    """A matcher."""
    return f'{label}="{word}"'


def on_its_page(s: Selector, expr: str) -> str:
    """What is known of a node, as said by the exporter that has it now."""
    return f"0 * {s('node_up')} + {NODES_OF_A_JOB} group_left () ({expr})"


def ratio(percent: float) -> str:
    """A share as PromQL has it."""
    return f"{percent / 100:g}"


def written(expr: str) -> str:
    """An expression as Prometheus' own formatter writes it."""
    return promql_parser.parse(expr).prettify()


def as_yaml(groups: Sequence[Group], values: Values) -> dict[str, Any]:
    """What Prometheus reads; alerts whose severity is `off` are left out."""
    return {
        "groups": [
            {
                "name": f"lnd_payments_{group.name}",
                "interval": "30s",
                "rules": [_rule(rule, values) for rule in group.rules if getattr(rule, "severity", "") != Severity.OFF],
            }
            for group in groups
        ]
    }


def _rule(rule: Recording | Alert, values: Values) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.record, "expr": written(rule.expr)}
    name = PREFIX + rule.name
    made: dict[str, Any] = {"alert": name, "expr": written(rule.expr)}
    if rule.lasts != "0m":
        made["for"] = rule.lasts
    if rule.keeps != "0m":
        made["keep_firing_for"] = rule.keeps
    made["labels"] = {"severity": rule.severity.value}
    made["annotations"] = {
        "summary": rule.summary,
        "description": " ".join(rule.description.split()),
        "runbook_url": f"{values.runbooks.rstrip('/')}/{name}.md",
        "dashboard_url": f"{values.grafana.rstrip('/')}/d/lnd-payments-{rule.board}{_chosen(rule)}",
    }
    return made


def _chosen(rule: Alert) -> str:
    """What the dashboard is to show; an alert that is of no node shows all."""
    if "$labels.node" not in rule.summary:
        return f"?{rule.shows}" if rule.shows else ""
    perhaps = "with $labels.node" in rule.summary
    node = "{{ with $labels.node }}var-node={{ . }}{{ end }}" if perhaps else "var-node={{ $labels.node }}"
    return "?" + "&".join(filter(None, (node, rule.shows)))
