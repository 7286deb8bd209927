"""The parts of rule files: groups, recordings, alerts, and the selectors that their expressions share."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

from exporter.rules.layout import laid_out
from exporter.rules.thresholds import Severity
from exporter.rules.values import ExporterAlerts, Values

PREFIX = "LndPayments"
"""Prefix of each alert's name."""
TROUBLE = "ExporterTrouble"
"""The alert on all troubles of the exporter, in profiles that have one for them."""
PER_NODE = "on (job, instance, node)"
"""Joins series of the same node."""
NODES_OF_A_JOB = "on (job, node)"
"""Joins series of the same node on any exporter: names of nodes are unique within a job."""
OF_EXPORTER = "on (job, exporter)"
"""Joins series of a node with those of its exporter, if each node has a target: only then they have this label."""
PAGE_A_NODE = 'exporter!=""'
"""Matches targets that have the label `exporter`: the pages of single nodes, and the page of their exporter alone."""
ONE_PAGE = 'exporter=""'
"""Matches targets of which each has one page for all nodes."""
MEMORY = "15d"
"""How long a last value counts: Prometheus' default retention, and the longest time of a held HTLC."""
MEMORY_S = 15 * 86_400
SHARE = "{{ $value | humanizePercentage }}"
NODE = "{{ $labels.node }}"


class Recording(NamedTuple):
    """A recorded series, named `level:metric:operation`: the level names its labels, but `job`, which all have."""

    record: str
    expr: str


class Alert(NamedTuple):
    """An alert. Its name gets `PREFIX`; its description must help a person who has just been woken up."""

    name: str
    severity: Severity
    expr: str
    summary: str
    """One line: the node, the problem, its size."""
    description: str
    """What it means for payments, and the first thing to check."""
    board: str
    """The dashboard that shows the cause, by the end of its uid."""
    variables: str = ""
    """The dashboard's variables that differ from their defaults, as a URL query."""
    for_: str = "0m"
    """How long the condition must hold (`for`)."""
    keep_firing_for: str = "0m"
    """How long it keeps firing when the condition has ended (`keep_firing_for`), against flapping."""
    part_of: str = ""
    """The alert under whose name it fires, with its own name as the label `trouble`; empty for its own name."""

    @property
    def fires_as(self) -> str:
        """The name under which it fires, without `PREFIX`."""
        return self.part_of or self.name

    @property
    def labels(self) -> dict[str, str]:
        """The labels that it has besides its name and those of its expression."""
        return {"severity": self.severity.value} | ({"trouble": self.name} if self.part_of else {})


class Group(NamedTuple):
    """Rules that are evaluated together, in this order."""

    name: str
    rules: Sequence[Recording | Alert]
    interval: str = "30s"

    def recordings(self) -> Self:
        """Return the same group without alerts."""
        return self._replace(rules=[rule for rule in self.rules if isinstance(rule, Recording)])


class Selector:
    """Writes selectors for the nodes of a profile."""

    def __init__(self, values: Values) -> None:
        """Select all nodes, or those that match the profile's pattern."""
        self._own = [] if values.nodes == ".*" else [f"node=~{json.dumps(values.nodes, ensure_ascii=False)}"]

    def __call__(self, name: str, *matchers: str) -> str:
        """Return a selector from the end of a metric's name (`started_total`) or from a recorded series' full name."""
        whole = name if ":" in name else f"lnd_payments_{name}"
        matchers = (*self._own, *matchers)
        return f"{whole}{{{','.join(matchers)}}}" if matchers else whole


def troubles(values: Values, alerts: Sequence[Alert]) -> Sequence[Alert]:
    """Return alerts on the exporter's own troubles under their own names, or all under one, as the profile has it."""
    if values.exporter_alerts is ExporterAlerts.EACH:
        return alerts
    return [alert._replace(part_of=TROUBLE) for alert in alerts]


def one_of(label: str, words: Iterable[str]) -> str:
    """Return a matcher for any of these label values."""
    return f'{label}=~"{"|".join(words)}"'


def exactly(label: str, word: str) -> str:
    """Return a matcher for one label value."""
    return f'{label}="{word}"'


def on_current_exporter(s: Selector, expr: str) -> str:
    """Return the expression, restricted to the exporter that has the node now."""
    return f"0 * {s('node_up')} + {NODES_OF_A_JOB} group_left () ({expr})"


def unless_down(s: Selector) -> str:
    """Return the end of an expression that excludes nodes that are down, on which it would always hold."""
    return f"unless {PER_NODE} {s('node_up')} == 0"


def at_exporter(expr: str) -> str:
    """Return the expression with the address of the exporter as `instance`, in both layouts."""
    return f'label_replace({expr}, "instance", "$1", "exporter", "(.+)")'


def here(name: str, *matchers: str) -> str:
    """Return a selector for the node of an alert, from a series' full name: for `value_of`."""
    return f"{name}{{{','.join(('job=%q', 'instance=%q', 'node=%q', *matchers))}}}"


def value_of(expr: str) -> str:
    """Return a template that shows the value of an expression of selectors by `here`, for the text of an alert."""
    return f"{found(expr, 'with')}{{{{ . | first | value | humanize }}}}{{{{ else }}}}?{{{{ end }}}}"


def found(expr: str, keyword: str) -> str:
    """Return the beginning of a template on the result of an expression of selectors by `here`; `end` ends it."""
    labels = " $labels.job $labels.instance $labels.node" * expr.count("job=%q")
    return f"{{{{ {keyword} printf `{expr}`{labels} | query }}}}"


def ratio(percent: float) -> str:
    """Format a percentage as a ratio for PromQL."""
    return f"{percent / 100:g}"


def as_yaml(groups: Sequence[Group], values: Values) -> dict[str, Any]:
    """Return the content of a rule file; alerts with the severity `off` are left out."""
    return {
        "groups": [
            {
                "name": f"lnd_payments_{group.name}",
                "interval": group.interval,
                "rules": [_rule(rule, values) for rule in group.rules if getattr(rule, "severity", "") != Severity.OFF],
            }
            for group in groups
        ]
    }


def _rule(rule: Recording | Alert, values: Values) -> dict[str, Any]:
    if isinstance(rule, Recording):
        return {"record": rule.record, "expr": laid_out(rule.expr)}
    made: dict[str, Any] = {"alert": PREFIX + rule.fires_as, "expr": laid_out(rule.expr)}
    if rule.for_ != "0m":
        made["for"] = rule.for_
    if rule.keep_firing_for != "0m":
        made["keep_firing_for"] = rule.keep_firing_for
    made["labels"] = rule.labels
    made["annotations"] = {
        "summary": rule.summary,
        "description": " ".join(rule.description.split()),
        "runbook_url": f"{values.runbooks.rstrip('/')}/{PREFIX}{rule.name}.md",
        "dashboard_url": f"{values.grafana.rstrip('/')}/d/lnd-payments-{rule.board}{_chosen(rule)}",
    }
    return made


def _chosen(rule: Alert) -> str:
    """Return the URL query that selects the alert's node; an alert without a node selects all."""
    if "$labels.node" not in rule.summary:
        return f"?{rule.variables}" if rule.variables else ""
    optional = "with $labels.node" in rule.summary
    node = "{{ with $labels.node }}var-node={{ . }}{{ end }}" if optional else "var-node={{ $labels.node }}"
    return "?" + "&".join(filter(None, (node, rule.variables)))
