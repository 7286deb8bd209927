"""Marks of alerts on the graphs: which alerts have one, how many, and how they are labelled."""

from pathlib import Path

import pytest

from exporter.rules.values import SHOWN, read
from tests.dashboards.panels import FILES, dashboard, with_variables
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

BOARD = "lnd-payments-overview"
ALICE, BOB = (
    f'instance="{at}:10019", job="lnd-payments", node="{node}"' for at, node in (("a", "alice"), ("b", "bob"))
)
CRITICAL, WARNING = "Critical alerts", "Warnings"


def marks(uid: str, name: str) -> str:
    """Return the query of an annotation, with alice chosen."""
    (found,) = [each for each in dashboard(uid)["annotations"]["list"] if each["name"] == name]
    return with_variables(found["expr"].replace("$node", "alice").replace("$__interval", "1m"), "2h")


def alert(name: str, where: str, severity: str = "critical", more: str = "") -> str:
    """Return a series of a firing alert."""
    labels = f'alertname="LndPayments{name}",alertstate="firing",severity="{severity}"'
    return f"ALERTS{{{','.join(filter(None, (labels, where, more)))}}}"


def mark(name: str, where: str = ALICE) -> str:
    """Return the labels of a mark."""
    labels = f'alertname="LndPayments{name}"'
    return f"{{{', '.join(filter(None, (labels, where)))}}}"


def up() -> dict[str, str]:
    """Return two nodes that are on a page."""
    return {f"lnd_payments_node_up{{{node}}}": "1x200" for node in (ALICE, BOB)}


@pytest.mark.parametrize("uid", FILES)
def test_alerts_are_marked_when_they_begin(uid: str, tmp_path: Path) -> None:
    """Alerts of the node, of its exporter, and without an exporter are marked once, not for all of their time."""
    exporters = [node.partition(", node")[0] for node in (ALICE, BOB)]
    ours = [alert("Stuck", ALICE), alert("CheckpointFails", exporters[0]), alert("ExporterDown", "")]
    others = [alert("Stuck", BOB), alert("CheckpointFails", exporters[1]), alert("Watchdog", "")]
    series = up() | dict.fromkeys([*ours, *others], "_x30 1x70")
    marked = [mark("Stuck"), mark("CheckpointFails", exporters[0]), mark("ExporterDown", "")]
    expr = marks(uid, CRITICAL)
    expected = [Expected(expr, 29, {}), Expected(expr, 30, dict.fromkeys(marked, 1)), Expected(expr, 60, {})]
    assert not query_errors(tmp_path, series, expected)


def test_only_what_somebody_must_do_something_about_is_marked(tmp_path: Path) -> None:
    """Critical alerts and warnings, each with its own colour; none of the severity info."""
    series = up() | {
        alert("Outage", ALICE): "_x30 1x70",
        alert("Slow", ALICE, "warning"): "_x30 1x70",
        alert("ProbeStorm", ALICE, "info"): "_x30 1x70",
    }
    expected = [
        Expected(marks(BOARD, CRITICAL), 30, {mark("Outage"): 1}),
        Expected(marks(BOARD, WARNING), 30, {mark("Slow"): 1}),
    ]
    assert not query_errors(tmp_path, series, expected)
    colours = {each["name"]: each["iconColor"] for each in dashboard(BOARD)["annotations"]["list"]}
    assert colours == {CRITICAL: "red", WARNING: "orange"}


def test_one_mark_an_alert_and_node(tmp_path: Path) -> None:
    """Five peers that fail are one mark, and so is an alert that flaps."""
    series = up() | {alert("PeerFails", ALICE, "warning", f'peer="{peer}"'): "_x30 1x70" for peer in "abcde"}
    series[alert("Outage", ALICE)] = "_x30 1x5 _x10 1x5 _x45 1x50"
    expected = [Expected(marks(BOARD, WARNING), 30, {mark("PeerFails"): 1})]
    expected += [
        Expected(marks(BOARD, CRITICAL), at_min, {mark("Outage"): 1} if at_min in {30, 97} else {})
        for at_min in (30, 31, 46, 96, 97, 98)
    ]
    assert not query_errors(tmp_path, series, expected)


def test_warnings_close_together_are_one_mark(tmp_path: Path) -> None:
    """Those that follow within 15 minutes of any mark of the node aren't marked; a critical alert always is."""
    series = up() | {
        alert("OwnLiquidity", ALICE, "warning"): "_x30 1x150",
        alert("FailSlowly", ALICE, "warning"): "_x35 1x150",
        alert("Outage", ALICE): "_x40 1x150",
        alert("Slow", ALICE, "warning"): "_x50 1x150",
        alert("PeerFails", ALICE, "warning"): "_x80 1x150",
    }
    warnings = {30: "OwnLiquidity", 80: "PeerFails"}
    expected = [
        Expected(marks(BOARD, WARNING), at_min, {mark(warnings[at_min]): 1} if at_min in warnings else {})
        for at_min in (30, 35, 50, 80)
    ]
    expected.append(Expected(marks(BOARD, CRITICAL), 40, {mark("Outage"): 1}))
    assert not query_errors(tmp_path, series, expected)


@pytest.mark.parametrize("uid", FILES)
def test_marks_are_labelled(uid: str) -> None:
    """With the alert and the node; the text leads to the runbook."""
    for each in dashboard(uid)["annotations"]["list"]:
        assert each["titleFormat"] == "{{alertname}} {{node}}"
        assert f'<a href="{read()[SHOWN].runbooks}/{{{{alertname}}}}.md"' in each["textFormat"]
