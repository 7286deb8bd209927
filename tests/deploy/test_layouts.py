"""Alerts on exporters whose nodes have targets of their own: at the first start, and when the layout is changed."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.rules.away import AWAY, LISTED
from exporter.rules.rule import PREFIX
from tests.dashboards.test_layouts import name
from tests.deploy.test_absences import check
from tests.incidents.targets import Layout, of_exporter, of_node
from tests.promtool import Expected

pytestmark = pytest.mark.usefixtures("programs")

A = "a:10019"
NODES = ("alice", "bob")


def ups(layout: Layout, own: str, **nodes: str) -> dict[str, str]:
    """Return whether the targets of an exporter are up; its own, and those of nodes if they have any."""
    up = {name("up", of_exporter(layout, A)): own}
    return up | {name("up", of_node(layout, A, node)): runs for node, runs in nodes.items()}


def pages(layout: Layout, runs: str, *nodes: str, **labels: str) -> dict[str, str]:
    """Return what is on the pages of these nodes."""
    targets = {node: of_node(layout, A, node) | {"node": node} | labels for node in nodes}
    series = {name("lnd_payments_node_up", target): runs for target in targets.values()}
    header = "lnd_payments_node_best_header_timestamp_seconds"
    return series | {name(header, target): runs.replace("1x", "600x") for target in targets.values()}


def firing(alert: str, severity: str) -> str:
    """Return a query for the labels of a firing alert."""
    return (
        "count by (job, instance, node, exporter) "
        f'(ALERTS{{alertname="{PREFIX}{alert}",alertstate="firing",severity="{severity}"}})'
    )


DOWN = firing("ExporterDown", "critical")
OF_EXPORTER = f'{{job="lnd-payments",instance="{A}"}}'
OF_ALICE = f'{{job="lnd-payments",instance="{A}",node="alice"}}'
SEPARATE = Layout.PAGE_A_NODE


@pytest.mark.parametrize(
    ("story", "fires"),
    [
        pytest.param(ups(SEPARATE, "0x60", alice="0x60", bob="0x60"), OF_EXPORTER, id="never scraped"),
        pytest.param(
            ups(SEPARATE, "1x60", alice="0x60", bob="1x60") | pages(SEPARATE, "1x60", "bob"),
            OF_EXPORTER,
            id="page of a node never scraped",
        ),
        pytest.param(
            ups(SEPARATE, "1x9 0x50", alice="1x60", bob="1x60") | pages(SEPARATE, "1x60", *NODES),
            OF_EXPORTER,
            id="only the page of the exporter fails",
        ),
        pytest.param(
            ups(SEPARATE, "1x60", alice="1x9 0x50", bob="1x60")
            | pages(SEPARATE, "1x9", "alice")
            | pages(SEPARATE, "1x60", "bob"),
            OF_ALICE,
            id="only the page of a node fails",
        ),
        pytest.param(
            ups(SEPARATE, "1x9", alice="1x9", bob="1x9") | pages(SEPARATE, "1x9", *NODES),
            OF_EXPORTER,
            id="Prometheus was restarted while the exporter is away",
        ),
        pytest.param(
            ups(SEPARATE, "1x9 0x50", alice="1x9 0x50") | pages(SEPARATE, "1x9", "alice"),
            OF_ALICE,
            id="an exporter of one node is away",
        ),
    ],
)
def test_one_alert(story: Mapping[str, str], fires: str, tmp_path: Path) -> None:
    """Exactly one, with the address of the exporter, and with the node if only its page is missing."""
    check(tmp_path, story, [Expected(DOWN, 50, {fires: 1})])


def test_pages_of_two_nodes_fail(tmp_path: Path) -> None:
    """The exporter answers: an alert for each, and that of the first goes on when the second begins."""
    story = ups(SEPARATE, "1x90", alice="1x9 0x80", bob="1x39 0x50")
    story |= pages(SEPARATE, "1x9", "alice") | pages(SEPARATE, "1x39", "bob")
    both = {OF_ALICE: 1, OF_ALICE.replace("alice", "bob"): 1}
    alone = [Expected(DOWN, minute, {OF_ALICE: 1}) for minute in range(35, 50)]
    check(tmp_path, story, [*alone, Expected(DOWN, 80, both)])


def test_exporter_of_another_job(tmp_path: Path) -> None:
    """Its pages that fail are found as those of the job in the values, if any other page of it was ever got."""
    story = ups(SEPARATE, "1x60", alice="0x60", bob="1x60") | pages(SEPARATE, "1x60", "bob")
    story = {series.replace("lnd-payments", "lightning"): runs for series, runs in story.items()}
    check(tmp_path, story, [Expected(DOWN, 50, {OF_EXPORTER.replace("lnd-payments", "lightning"): 1})])


def test_change_of_the_layout(tmp_path: Path) -> None:
    """From one page to a page a node: nothing fires, and an exporter that is away later has each node once."""
    one, both = Layout.ONE_PAGE, dict.fromkeys(NODES, "_x60 1x59 0x60")
    story = ups(one, "1x59") | pages(one, "1x59", *NODES)
    story |= ups(SEPARATE, "_x60 1x59 0x60", **both) | pages(SEPARATE, "_x60 1x59", *NODES)
    quiet = [Expected(DOWN, minute, {}) for minute in range(50, 130, 10)]
    counted = f"count by (instance) ({AWAY})"
    expected = [Expected(DOWN, 150, {OF_EXPORTER: 1}), Expected(counted, 150, {f'{{instance="{A}"}}': 2})]
    check(tmp_path, story, [*quiet, *expected])


def test_removed_nodes_are_listed_no_more(tmp_path: Path) -> None:
    """A target answers 404 until Prometheus discovers the rest; then its node counts as removed."""
    story = ups(SEPARATE, "1x60", alice="1x9 0 0", bob="1x60")
    story |= pages(SEPARATE, "1x9", "alice") | pages(SEPARATE, "1x60", "bob")
    listed = f"sum by (node) (last_over_time({LISTED}[15d]))"
    expected = [
        Expected(listed, 11, {'{node="alice"}': 1, '{node="bob"}': 1}),
        Expected(listed, 30, {'{node="alice"}': 0, '{node="bob"}': 1}),
        *(Expected(DOWN, minute, {}) for minute in range(10, 60, 5)),
        *(Expected(AWAY, minute, {}) for minute in range(20, 60, 5)),
    ]
    check(tmp_path, story, expected)


def test_label_node_of_the_targets(tmp_path: Path) -> None:
    """It hides the names of two nodes: one alert for their exporter, in both layouts."""
    for layout in Layout:
        story = ups(layout, "1x60", **dict.fromkeys(NODES, "1x60"))
        for node in NODES:
            story |= pages(layout, "1x60", node, exported_node=node, machine="k8s")
        home = tmp_path / layout.name
        home.mkdir()
        check(home, story, [Expected(firing("NodeLabelTaken", "warning"), 30, {OF_EXPORTER: 1})])
