"""Alerts after an absence, and of exporters that come and go, with the large counters that such bugs need."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from exporter.payments.labels import AmountBand
from exporter.rules.away import AWAY
from exporter.rules.generate import groups
from exporter.rules.rule import PREFIX, Alert, Group, Recording, as_yaml
from exporter.rules.values import read
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

VALUES = read()["service"]
GROUPS = groups(VALUES)
RECORDED = {rule.record: rule for group in GROUPS for rule in group.rules if isinstance(rule, Recording)}
HOUR = 60
DAY = 24 * HOUR
BAND = AmountBand.UNDER_10K
Story = dict[str, str]


def exporter(instance: str, runs: str) -> Story:
    """Return whether the exporter answers, in promtool's notation."""
    return {f'up{{job="lnd-payments",instance="{instance}"}}': runs}


def node(instance: str, name: str, **runs: str) -> Story:
    """Return the series of a node on an exporter."""
    labels = f'job="lnd-payments",instance="{instance}",node="{name}"'
    more = {
        "failed_total": f',kind="invoice",amount_band="{BAND}",reason="no_route"',
        "succeeded_total": f',kind="invoice",amount_band="{BAND}"',
        "sent_msat_total": f',kind="invoice",amount_band="{BAND}"',
        "in_flight": ',purpose="payment",age="under_1m"',
    }
    return {f"lnd_payments_{metric}{{{labels}{more.get(metric, '')}}}": values for metric, values in runs.items()}


def firing(name: str, severity: str = "critical") -> str:
    """Return a query for the firing alert."""
    return f'count by (node) (ALERTS{{alertname="{PREFIX}{name}",alertstate="firing",severity="{severity}"}})'


def never(expr: str, minutes: Sequence[int]) -> list[Expected]:
    """Expect an empty result at all of these minutes."""
    return [Expected(expr, minute, {}) for minute in minutes]


def check(tmp_path: Path, story: Mapping[str, str], expected: Sequence[Expected], every_min: int = 1) -> None:
    """Evaluate the alerts and recorded series that `expected` queries, and all that they use, and compare."""
    queried = " ".join(expr for expr, _, _ in expected)
    alerts = [r for g in GROUPS for r in g.rules if isinstance(r, Alert) and f'"{PREFIX}{r.name}"' in queried]
    needed: set[str] = set()
    pending = [queried, *(alert.expr for alert in alerts)]
    while pending:
        names = {name for name in RECORDED if name in pending[-1]} - needed
        needed |= names
        pending[-1:] = [RECORDED[name].expr for name in names]
    recordings = [rule for name, rule in RECORDED.items() if name in needed]
    assert not query_errors(
        tmp_path, story, expected, as_yaml([Group("some", [*recordings, *alerts])], VALUES), every_min
    )


@pytest.mark.parametrize("recovered_before", [0, 5000])
@pytest.mark.parametrize("missed", [60, 1000])
def test_failures_in_an_absence_are_not_an_outage(missed: int, recovered_before: int, tmp_path: Path) -> None:
    """With counters of any size: all failures happened in the absence, and since then payments succeed."""
    story = exporter("a", "1x119 0x59 1x60") | node(
        "a",
        "alice",
        node_up="1x119 _x60 1x60",
        stream_up="1x119 _x60 0 1x59",
        failed_total=f"10000x119 _x60 10000 {10000 + missed}x59",
        succeeded_total="20000+1x119 _x60 20119 20120+1x59",
        recovered_total=f"{recovered_before}x119 _x60 {recovered_before} {recovered_before + missed}x59",
    )
    check(tmp_path, story, never(firing("Outage"), range(180, 240)))


def test_traffic_is_not_gone_while_the_exporter_is_down(tmp_path: Path) -> None:
    """After eight days with payments the exporter is down for two hours, then lnd isn't followed for two."""
    every_min, days = 5, 8 * DAY
    many, two = days // every_min, 2 * HOUR // every_min
    quiet = f"0x{many} _x{two} 0x{2 * two}"
    story = exporter("a", f"1x{many} 0x{two - 1} 1x{2 * two}") | node(
        "a",
        "alice",
        node_up=quiet.replace("0x", "1x"),
        stream_up=f"1x{many} _x{two} 0x{two} 1x{two}",
        failed_total=quiet,
        succeeded_total=f"0+5x{many} _x{two} {5 * many}x{2 * two}",
        recovered_total=quiet,
        in_flight=quiet,
    )
    down = range(days, days + 4 * HOUR, every_min)
    gone = firing("TrafficGone")
    check(tmp_path, story, [*never(gone, down), Expected(gone, days + 350, {'{node="alice"}': 1})], every_min)


def test_outflow_fires_in_the_week_after_an_absence(tmp_path: Path) -> None:
    """Payments of an absence are counted within one hour, which must not become the usual hourly amount."""
    hourly, before, gone = 1_000_000_000 // 60, 3 * DAY, DAY
    sent = f"0+{hourly}x{before} _x{gone}"
    jump = hourly * (before + gone)
    story = exporter("a", f"1x{before} 0x{gone - 1} 1x{2 * DAY + 2 * HOUR}") | node(
        "a",
        "alice",
        node_up=f"1x{before} _x{gone} 1x{2 * DAY + 2 * HOUR}",
        stream_up=f"1x{before} _x{gone} 0 1x{2 * DAY + 2 * HOUR}",
        recovered_total=f"0x{before} _x{gone} 0 100x{2 * DAY + 2 * HOUR}",
        sent_msat_total=f"{sent} {hourly * before} {jump}+{hourly}x{2 * DAY} {jump * 3}+{40 * hourly}x{HOUR}",
    )
    begins = before + gone + 2 * DAY
    expected = [
        *never(firing("Outflow"), range(before + gone, begins - 10, 30)),
        Expected(firing("Outflow"), begins + 30, {'{node="alice"}': 1}),
    ]
    check(tmp_path, story, expected)


def held(name: str, minutes: str) -> Story:
    """Return a node with an HTLC that expires at block 1030; the height is 1000, at time 0."""
    return node(
        "a",
        name,
        held_earliest_expiry_height=minutes.replace("1x", "1030x"),
        node_block_height=minutes.replace("1x", "1000x"),
        node_best_header_timestamp_seconds=minutes.replace("1x", "0x"),
        node_up=minutes,
        stream_up=minutes,
    )


def test_removed_node_stays_removed(tmp_path: Path) -> None:
    """Hours after its removal with a held HTLC, its exporter goes down: an alert fires only for the other node."""
    story = held("alice", f"1x{HOUR}") | node(
        "a", "bob", node_up=f"1x{5 * HOUR} _x{HOUR}", stream_up=f"1x{5 * HOUR} _x{HOUR}"
    )
    story |= exporter("a", f"1x{5 * HOUR} 0x{HOUR}")
    at = range(HOUR + 40, 6 * HOUR, 10)
    expected = [*never(firing("HtlcNearExpiry"), at), *never(firing("HtlcExpired"), at)]
    expected.append(Expected(firing("ExporterDown"), 5 * HOUR + 30, {'{node="bob"}': 1}))
    check(tmp_path, story, expected)


def test_removed_node_is_never_away(tmp_path: Path) -> None:
    """Not even at the evaluation that sees its removal: dashboards would show it."""
    story = exporter("a", "1x40") | node("a", "alice", node_up="1x19 stale _x20") | node("a", "bob", node_up="1x40")
    check(tmp_path, story, never(AWAY, range(40)))


def test_evicted_exporter_fires_once(tmp_path: Path) -> None:
    """First it doesn't answer, then Prometheus doesn't discover it any more: this is one alert, without a gap."""
    story = held("alice", f"1x{HOUR}") | exporter("a", f"1x{HOUR} 0x30") | exporter("b", f"1x{3 * HOUR}")
    fires = f'ALERTS{{alertname="{PREFIX}ExporterDown",alertstate="firing",severity="critical"}}'
    began = f'changes(ALERTS_FOR_STATE{{alertname="{PREFIX}ExporterDown",severity="critical"}}[100m])'
    expected = [Expected(f"count({fires})", minute, {"{}": 1}) for minute in range(HOUR + 20, 3 * HOUR, 5)]
    check(tmp_path, story, [*expected, Expected(f"max({began})", 3 * HOUR - 1, {"{}": 0})])


@pytest.mark.parametrize(("target", "is_away"), [("0", True), ("_", False)])
def test_exporter_that_is_away_for_days(target: str, is_away: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """The alert fires as long as Prometheus has the target; without one for a day."""
    every_min, long = 4, 3 * DAY // 4
    story = exporter("a", f"1x12 0x12 {target}x{long}") | node(
        "a", "alice", node_up=f"1x12 stale _x{long}", stream_up=f"1x12 stale _x{long}"
    )
    day_later = [Expected(firing("ExporterDown"), minute, {'{node="alice"}': 1}) for minute in range(120, DAY, HOUR)]
    days_later = [
        Expected(firing("ExporterDown"), minute, {'{node="alice"}': 1} if is_away else {})
        for minute in range(DAY + 2 * HOUR, 3 * DAY, 2 * HOUR)
    ]
    check(tmp_path, story, [*day_later, *days_later], every_min)


@pytest.mark.parametrize(("every_h", "kept_for_h"), [(22, 360 + 22), (27, 0)])
def test_last_page_outlives_a_prometheus_that_is_down(every_h: int, kept_for_h: int, tmp_path: Path) -> None:
    """It evaluates once in 22 hours: the last page counts for fifteen days. After more than 26 hours it is forgotten.

    The alert is kept firing at the first evaluation after these days.
    """
    story = exporter("a", "1 0x20") | held("alice", "1 _x20")
    fires = firing("HtlcExpired")
    expected = [
        Expected(fires, hour * HOUR, {'{node="alice"}': 1} if hour < kept_for_h else {})
        for hour in range(2 * every_h, 20 * every_h, every_h)
    ]
    check(tmp_path, story, expected, every_h * HOUR)
