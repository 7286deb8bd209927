"""Alert marks on all graphs: one for each alert and node that begins to fire, red if critical, orange for a warning."""

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.panel import ORANGE, RED, SOURCE
from dashboards.presence import UP
from dashboards.query import ANYWHERE, VALUES
from exporter.rules.rule import PER_NODE, PREFIX, at_exporter
from exporter.rules.thresholds import Severity

_ONE = ("alertname", "job", "instance", "node")
"""Labels of a mark."""
_AGAIN, _TOGETHER = "30m", "15m"
"""An alert that fired within this time isn't marked again; warnings of a node that come within this time are one."""
_NODES = f"last_over_time({UP}[$__range] @ end())"
"""All nodes that were on a page within the time range, also where they weren't yet, or aren't any more."""


def marks() -> list[Builder[model.AnnotationQuery]]:
    """Return the annotations; alerts of the severity info have none."""
    return [_annotation("Critical alerts", Severity.CRITICAL, RED), _annotation("Warnings", Severity.WARNING, ORANGE)]


def _firing(severities: str, which: str, when: str = "") -> str:
    alerts = f'alertname=~"{PREFIX}.+",alertname!="{PREFIX}Watchdog",severity=~"{severities}"'
    return f'ALERTS{{alertstate="firing",{alerts},{which}}}{when}'


def _begins(severity: Severity, which: str) -> str:
    """Return the alerts that begin to fire; marking all of their time would cover the graph."""
    worse = severity.value if severity is Severity.CRITICAL else f"{Severity.CRITICAL}|{severity}"
    again = f"max_over_time({_firing(worse, which, f'[{_AGAIN}] offset $__interval')})"
    begins = f"max by ({', '.join(_ONE)}) ({_firing(severity, which)}) unless on ({', '.join(_ONE)}) {again}"
    if severity is Severity.CRITICAL:
        return begins
    already = _firing(worse, which, " offset $__interval")
    return f"{begins} unless {PER_NODE} ({already} unless {_firing(worse, which, f' offset {_TOGETHER}')})"


def _annotation(name: str, severity: Severity, color: str) -> dashboard.AnnotationQuery:
    # ExporterDown has the address of the exporter as `instance`, even where each node has a target of its own.
    of_nodes = f"({_begins(severity, ANYWHERE)}) and {PER_NODE} ({_NODES} or {at_exporter(_NODES)})"
    exporters, none = (_begins(severity, which) for which in ('node="",instance!=""', 'node="",instance=""'))
    expr = f"{of_nodes} or ({exporters}) and on (job, instance) ({_NODES} or {at_exporter(_NODES)}) or {none}"
    runbook = f"{VALUES.runbooks.rstrip('/')}/{{{{alertname}}}}.md"
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .enable(True)
        .icon_color(color)
        .expr(expr)
        .step("60s")
        .title_format("{{alertname}} {{node}}")
        .text_format(f'{severity}; <a href="{runbook}" target="_blank">runbook</a>')
        .target(prometheus.Dataquery().expr(expr).ref_id("Anno").range())
    )
