"""Dashboards show the same in both layouts: one page for all nodes of an exporter, or a page a node."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.rules.away import BLOCKS_LEFT
from tests.dashboards.panels import FILES, dashboard, panel, with_variables
from tests.dashboards.test_agreement import recorded
from tests.incidents.targets import BOTH, Layout, of_exporter, of_node
from tests.promtool import Expected, query_errors

pytestmark = [
    pytest.mark.usefixtures("programs"),
    pytest.mark.parametrize("layout", BOTH, ids=[layout.value for layout in BOTH]),
]

BOARD, STATE = "lnd-payments-node", "Audit, state file, certificate"
MANY = "x200"
A, B = "a:10019", "b:10019"
CRITICAL = {"severity": "critical"}
NODES = {"alice": A, "bob": A, "carol": B}
"""The address of the exporter of each node."""


def name(metric: str, labels: Mapping[str, str]) -> str:
    """Return a series in promtool's notation."""
    return f"{metric}{{{','.join(f'{label}={json.dumps(word)}' for label, word in sorted(labels.items()))}}}"


def exporters(layout: Layout, up: Mapping[str, str]) -> dict[str, str]:
    """Return the series of all targets: whether they are up, by address of the exporter, and its own metrics."""
    series: dict[str, str] = {}
    for number, (address, runs) in enumerate(up.items(), 1):
        target = of_exporter(layout, address)
        series |= {
            name("up", target): runs,
            name("scrape_duration_seconds", target): f"0.{number}{MANY}",
            name("process_resident_memory_bytes", target): f"{number}000{MANY}",
            name("process_cpu_seconds_total", target): f"0+{6 * number}{MANY}",
            name("lnd_payments_exporter_checkpoint_timestamp_seconds", target): f"0+60{MANY}",
            name("lnd_payments_exporter_checkpoint_failures_total", target): f"0x100 {number}x100",
            name("lnd_payments_exporter_state_resets_total", target | {"cause": "corrupt"}): f"0x100 {number}x100",
        }
        for node in (node for node, where in NODES.items() if where == address):
            target = of_node(layout, address, node)
            series |= {name("up", target): runs, name("scrape_duration_seconds", target): f"0.{number}{MANY}"}
            series[name("lnd_payments_node_up", target | {"node": node})] = f"1{MANY}"
    return series


def shown(uid: str, title: str, node: str, span: str = "10m", letter: str = "A") -> str:
    """Return a query of a panel, for a chosen node."""
    (expr,) = [target["expr"] for target in panel(uid, title)["targets"] if target["refId"] == letter]
    expr = expr.replace("$node", node).replace("$__rate_interval", "5m")
    return f"({with_variables(expr, span)})"


def test_panels_of_the_exporter_show_that_of_the_chosen_node(layout: Layout, tmp_path: Path) -> None:
    """Each exporter is there once, however many nodes it has, and those without the node are not."""
    series = exporters(layout, dict.fromkeys((A, B), f"1{MANY}"))
    of_a, of_b = (name("", of_exporter(layout, address)) for address in (A, B))
    expected = [
        *(
            Expected(f"round({shown(BOARD, STATE, node, letter=letter)})", 105, {"{}": number})
            for letter in "BC"  # counters begun anew, failed writes
            for node, number in (("alice", 1), ("carol", 2), (".+", 3))
        ),
        Expected(shown(BOARD, STATE, "alice", letter="D"), 150, {"{}": 0}),
        Expected(shown(BOARD, "Memory", "alice"), 50, {f"process_resident_memory_bytes{of_a}": 1000}),
        Expected(shown(BOARD, "Memory", "carol"), 50, {f"process_resident_memory_bytes{of_b}": 2000}),
        Expected(shown(BOARD, "CPU", "alice|bob"), 50, {of_a: 0.1}),
        Expected(f"max by (job) ({shown(BOARD, 'Scrape time', 'bob')})", 50, {'{job="lnd-payments"}': 0.1}),
        Expected(f"count({shown(BOARD, 'Scrape time', 'bob')})", 50, {"{}": 1 if layout is Layout.ONE_PAGE else 2}),
    ]
    assert not query_errors(tmp_path, series, expected)


def test_exporter_that_is_away_is_counted_once(layout: Layout, tmp_path: Path) -> None:
    """Not once for each of its targets, and only if a chosen node is its."""
    series = exporters(layout, {A: "1x99 0x100", B: f"1{MANY}"})
    away, others = (shown(BOARD, STATE, node, "3h", "F") for node in ("alice", "carol"))
    expected = [Expected(away, 90, {"{}": 0}), Expected(away, 150, {"{}": 1}), Expected(others, 150, {"{}": 0})]
    assert not query_errors(tmp_path, series, expected)


@pytest.mark.parametrize("uid", FILES)
def test_alerts_of_an_exporter_are_marked(layout: Layout, uid: str, tmp_path: Path) -> None:
    """One that is away with one or with several nodes, and one on its state; those of other exporters are not."""

    def alert(kind: str, labels: Mapping[str, str]) -> str:
        return name("ALERTS", {"alertname": f"LndPayments{kind}", "alertstate": "firing", **labels, **CRITICAL})

    def alerts(address: str, node: str) -> list[str]:
        alone = {"job": "lnd-payments", "instance": address}
        return [
            alert("ExporterDown", alone),
            alert("ExporterDown", alone | {"node": node}),
            alert("CheckpointFails", of_exporter(layout, address)),
            alert("Stuck", of_node(layout, address, node) | {"node": node}),
        ]

    def marked(address: str, node: str) -> set[str]:
        where = {"job": "lnd-payments", "instance": address}
        of_exporter_ = {key: word for key, word in of_exporter(layout, address).items() if key != "exporter"}
        of_node_ = {key: word for key, word in of_node(layout, address, node).items() if key != "exporter"}
        return {
            name("", {"alertname": "LndPaymentsExporterDown", **where}),
            name("", {"alertname": "LndPaymentsExporterDown", **where, "node": node}),
            name("", {"alertname": "LndPaymentsCheckpointFails", **of_exporter_}),
            name("", {"alertname": "LndPaymentsStuck", **of_node_, "node": node}),
        }

    series = exporters(layout, dict.fromkeys((A, B), f"1{MANY}"))
    series |= dict.fromkeys([*alerts(A, "alice"), *alerts(B, "carol")], "_x30 1x70")
    expr = dashboard(uid)["annotations"]["list"][0]["expr"].replace("$node", "alice").replace("$__interval", "1m")
    expected = [Expected(with_variables(expr, "1h"), 30, dict.fromkeys(marked(A, "alice"), 1))]
    assert not query_errors(tmp_path, series, expected)


@pytest.mark.parametrize("is_removed", [False, True])
def test_blocks_left_of_a_removed_node(layout: Layout, is_removed: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """They end when the exporter is up without the node, and go on while the exporter is away."""
    held = {
        "held_earliest_expiry_height": "1030",
        "node_block_height": "1000",
        "node_best_header_timestamp_seconds": "0",
        "node_up": "1",
        "stream_up": "1",
    }
    target = of_node(layout, A, "alice")
    series = {
        name(f"lnd_payments_{metric}", target | {"node": "alice"}): f"{value}x59" for metric, value in held.items()
    }
    series[name("lnd_payments_held_htlcs", target | {"node": "alice", "blocks_left": "under_144"})] = "1x59"
    series[name("up", of_exporter(layout, A))] = f"1x59 {int(is_removed)}x100"
    if layout is Layout.PAGE_A_NODE:
        series[name("up", target)] = "1x59 0 0" if is_removed else "1x59 0x100"  # it is discovered no more
    blocks = shown("lnd-payments-flight", "Until the first expiry", "alice", "3h")
    left = {} if is_removed else {"{}": 21}
    expected = [Expected(expr, 90, left) for expr in (blocks, f"min({BLOCKS_LEFT})")]
    assert not query_errors(tmp_path, series, expected, recorded())
