"""The pages on availability and upgrades name the times that the rules have."""

from datetime import timedelta
from pathlib import Path

import promql_parser
import yaml

from exporter.rules.generate import groups
from exporter.rules.rule import Alert
from exporter.rules.thresholds import Severity
from tests.deploy.durations import PROFILES, alerts

DOCS = Path(__file__).parents[2] / "docs"
COMPOSE = Path(__file__).parents[2] / "deploy" / "compose" / "compose.yml"


def reach(node: promql_parser.Expr) -> timedelta:
    """Return how far back an expression looks."""
    none = timedelta()
    match node:
        case promql_parser.VectorSelector():
            found = node.offset or none
        case promql_parser.MatrixSelector():
            found = node.range + reach(node.vector_selector)
        case promql_parser.SubqueryExpr():
            found = (node.range or none) + (node.offset or none) + reach(node.expr)
        case promql_parser.BinaryExpr():
            found = max(reach(node.lhs), reach(node.rhs))
        case promql_parser.Call():
            found = max(map(reach, node.args), default=none)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            found = reach(node.expr)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            found = none
        case _:
            raise TypeError(f"an expression of an unknown type: {type(node)}")
    return found


def test_eight_days_of_data_are_enough() -> None:
    """For each rule of each profile but the one that looks at all there is; seven wouldn't be."""
    assert "So **8 days are enough for every alert**" in text("availability")
    found: dict[str, set[timedelta]] = {}
    for rule in (rule for values in PROFILES.values() for group in groups(values) for rule in group.rules):
        name = rule.name if isinstance(rule, Alert) else rule.record
        found.setdefault(name, set()).add(reach(promql_parser.parse(rule.expr)))
    assert found.pop("StateReset") == {timedelta(days=30, hours=1)}
    assert timedelta(days=7) < max(max(times) for times in found.values()) < timedelta(days=8)
    command = yaml.safe_load(COMPOSE.read_text())["services"]["prometheus"]["command"]
    assert "--storage.tsdb.retention.time=30d" in command
    assert "Prometheus keeps 30 days." in text("install/docker")


def text(page: str) -> str:
    """Return a page without its line breaks."""
    return " ".join((DOCS / f"{page}.md").read_text().split())


def minutes(name: str) -> list[str]:
    """Return for how many minutes an alert must hold before it fires: in each profile where it is on, and severity."""
    on = [(profile, alert) for profile, alert in alerts(name) if alert.severity is not Severity.OFF]
    return [f"{profile} {alert.severity} {alert.for_}" for profile, alert in on]


def test_planned_restarts_know_when_alerts_fire() -> None:
    """Each sentence of the page, with the times of the rules."""
    page = text("upgrades")
    assert "`ExporterDown` is a warning after 5 minutes and critical after 15, so" in page
    two = [f"{profile} {when}" for profile in PROFILES for when in ("warning 5m", "critical 15m")]
    assert minutes("ExporterDown") == two
    assert "`NodeUnreachable` fires after 15 minutes (3 in the profile `service`), `WalletLocked` after 5," in page
    assert minutes("NodeUnreachable") == ["home critical 15m", "service critical 3m", "routing critical 15m"]
    assert minutes("WalletLocked") == [f"{profile} critical 5m" for profile in PROFILES]
    assert "`NoActiveChannel` after 15 (10), `StartingForLong` after an hour." in page
    assert minutes("NoActiveChannel") == ["home critical 15m", "service critical 10m", "routing critical 15m"]
    assert minutes("StartingForLong") == [f"{profile} critical 60m" for profile in PROFILES]
    assert "`TrafficGone` (only in `service`)" in page
    assert {each.partition(" ")[0] for each in minutes("TrafficGone")} == {"service"}
