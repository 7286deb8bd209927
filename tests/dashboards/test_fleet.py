"""The dashboard of all nodes: whoever needs somebody comes first, with the most urgent alert that fires."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.dashboards.panels import panel, panel_query
from tests.incidents.targets import BOTH, Layout, of_exporter, of_node
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

FLEET, TABLE = "lnd-payments-fleet", "Nodes, the most urgent first; a click leads to the payments of one"
FIRING = "Alerts firing now"
CRITICAL, WARNING, INFO, NONE = 3.0, 2.0, 1.0, 0.0
A, B = "a:10019", "b:10019"


def name(metric: str, labels: Mapping[str, str]) -> str:
    """Return a series in promtool's notation."""
    return f"{metric}{{{','.join(f'{label}={json.dumps(word)}' for label, word in sorted(labels.items()))}}}"


def alert(kind: str, severity: str, labels: Mapping[str, str], state: str = "firing") -> dict[str, str]:
    """Return the series of an alert."""
    about = {"alertname": f"LndPayments{kind}", "severity": severity, "alertstate": state}
    return {name("ALERTS", {**about, **labels}): "1x60"}


def at(layout: Layout, address: str, node: str) -> dict[str, str]:
    """Return the labels of a node's series."""
    return of_node(layout, address, node) | {"node": node}


def counts() -> list[str]:
    """Return the queries for the number of critical alerts, and of warnings."""
    assert [target["legendFormat"] for target in panel(FLEET, FIRING)["targets"]] == ["critical", "warning"]
    return [panel_query(FLEET, FIRING, letter) for letter in "AB"]


@pytest.mark.parametrize("layout", BOTH, ids=[layout.value for layout in BOTH])
def test_most_urgent_alert_of_each_node(layout: Layout, tmp_path: Path) -> None:
    """One of its own or one of its exporter; of two nodes with one name each has its own."""
    nodes = {"alice": A, "bob": A, "carol": B}
    series = {name("lnd_payments_node_up", at(layout, where, node)): "1x60" for node, where in nodes.items()}
    series[name("lnd_payments_node_up", at(layout, B, "alice"))] = "1x60"
    series |= alert("Outage", "critical", at(layout, A, "alice") | {"cause": "own_liquidity"})
    series |= alert("Slow", "warning", at(layout, A, "alice"))
    series |= alert("CheckpointFails", "warning", of_exporter(layout, A))
    series |= alert("ErrorBudget", "info", at(layout, A, "bob"))
    series |= alert("Stuck", "critical", at(layout, B, "carol"), state="pending")
    series |= alert("ExporterDown", "warning", {"job": "lnd-payments", "instance": B, "node": "carol"})
    series |= alert("Watchdog", "info", {})
    urgent = {
        (A, "alice"): ("Outage", CRITICAL),
        (A, "bob"): ("CheckpointFails", WARNING),
        (B, "carol"): ("ExporterDown", WARNING),
        (B, "alice"): ("-", NONE),
    }
    expected = {}
    for (where, node), (kind, rank) in urgent.items():
        target = at(layout, where, node)
        labels = {label: target[label] for label in ("job", "instance", "node")}
        expected[name("", labels | {"alert": kind})] = rank
    table = panel_query(FLEET, TABLE, "J", "1h")
    asked = [Expected(table, 30, expected)]
    asked += [Expected(count, 30, {"{}": number}) for count, number in zip(counts(), (1.0, 3.0), strict=True)]
    assert not query_errors(tmp_path, series, asked)


def test_no_alert(tmp_path: Path) -> None:
    """Zeros while the rules are loaded, else a text that they are not."""
    loaded = [Expected(count, 30, {"{}": 0}) for count in counts()]
    assert not query_errors(tmp_path, alert("Watchdog", "info", {}), loaded)
    assert not query_errors(tmp_path, {}, [Expected(count, 30, {}) for count in counts()])
    assert panel(FLEET, FIRING)["fieldConfig"]["defaults"]["noValue"] == "the rules are not loaded"


def test_order_of_nodes() -> None:
    """The most urgent alert first, then the state, then the burn: of each the highest."""
    assert [(by["displayName"], by["desc"]) for by in panel(FLEET, TABLE)["options"]["sortBy"]] == [
        ("Severity", True),
        ("State", True),
        ("Burn", True),
    ]


def test_busiest_nodes(tmp_path: Path) -> None:
    """Ten of twelve have a line; the others are one, and nothing is lost."""
    title = "Payments per minute, the busiest nodes"
    series = {
        name("lnd_payments_started_total", {"job": "j", "instance": f"e{i}", "node": f"n{i}"}): f"0+{i}x60"
        for i in range(1, 13)
    }
    first, others = (panel_query(FLEET, title, letter, "30m").replace("[15s]", "[5m]") for letter in "AB")
    shown = {name("", {"job": "j", "instance": f"e{i}", "node": f"n{i}"}): float(i) for i in range(3, 13)}
    asked = [Expected(f"round({first})", 50, shown), Expected(f"round({others})", 50, {"{}": 3})]
    assert not query_errors(tmp_path, series, asked)
