"""Conditions of alerts that matter only in rare moments: without each it would fire for nothing, too long, or never."""

from pathlib import Path

import pytest

from exporter.payments.labels import AmountBand, Reason
from exporter.rules.liquidity import LONGEST_H, RUNWAY
from exporter.rules.usual import WINDOWS
from tests.deploy.test_absences import RECORDED, check, exporter, firing, never
from tests.deploy.test_usual import of
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

BAND = f',kind="invoice",amount_band="{AmountBand.UNDER_10K}"'
BAD = f'{BAND},reason="{Reason.NO_ROUTE}"'
FAILED, SUCCEEDED = "lnd_payments_failed_total", "lnd_payments_succeeded_total"
PEER_ATTEMPTS, PEER = "lnd_payments_peer_htlc_attempts_total", ',peer="02bb"'
NEVER_AWAY = {
    **exporter("a", "1x1300"),
    **of("lnd_payments_node_up", "1x1300"),
    **of("lnd_payments_stream_up", "1x1300"),
}
ALICE = {'{node="alice"}': 1}


def balance(spendable_msat: str) -> dict[str, str]:
    """Return the balance of the node; no peer is offline."""
    return {**of("lnd_payments_node_spendable_msat", spendable_msat), **of("lnd_payments_node_inactive_msat", "0x1300")}


def test_balance_that_is_known_for_some_hours_has_no_runway(tmp_path: Path) -> None:
    """A trend of less than five hours says little: it falls by 60 an hour of 960."""
    hours = f"round(sum({RUNWAY}))"
    expected = [*never(hours, (60, 290)), Expected(hours, 310, {"{}": 11}), Expected(hours, 480, {"{}": 8})]
    check(tmp_path, NEVER_AWAY | balance("960000-1000x600"), expected)


@pytest.mark.parametrize(
    "spendable_msat",
    [
        pytest.param("0+1000x600 599500-500x600", id="it was filled up, so that of a day rises"),
        pytest.param("900000-1000x600 300000x600", id="that of six hours is level"),
    ],
)
def test_one_of_two_trends_is_enough(spendable_msat: str, tmp_path: Path) -> None:
    """The steeper one decides how long the balance lasts."""
    falls = Expected(f"count({RUNWAY} < {LONGEST_H})", 1200, {"{}": 1})
    check(tmp_path, NEVER_AWAY | balance(spendable_msat), [falls])


def test_peer_that_has_recovered(tmp_path: Path) -> None:
    """It failed for an hour. Ten good minutes end the alert, although the share of 30 minutes is still too large."""
    series = NEVER_AWAY | {
        **of(PEER_ATTEMPTS, "0+2x60 120x60", f'{PEER},outcome="failed_here"'),
        **of(PEER_ATTEMPTS, "0x60 0+2x60", f'{PEER},outcome="settled"'),
    }
    fires = firing("PeerFails", "warning")
    check(tmp_path, series, [*(Expected(fires, minute, ALICE) for minute in (60, 70)), *never(fires, (79, 82))])


def test_attempts_of_an_absence_are_not_those_of_now(tmp_path: Path) -> None:
    """All that failed at the peer failed while the exporter was away."""
    series = {
        **exporter("a", "1x59 0x59 1x60"),
        **of("lnd_payments_node_up", "1x59 _x60 1x60"),
        **of("lnd_payments_stream_up", "1x59 _x60 0 1x59"),
        **of(PEER_ATTEMPTS, "10x59 _x60 10 110x59", f'{PEER},outcome="failed_here"'),
        **of(PEER_ATTEMPTS, "50x59 _x60 50x60", f'{PEER},outcome="settled"'),
    }
    check(tmp_path, series, never(firing("PeerFails", "warning"), range(120, 170)))


def test_failures_that_are_over_are_no_outage(tmp_path: Path) -> None:
    """15 failed at once, then 5 end: there are enough to judge, and it is an outage only if these fail, too."""
    live = NEVER_AWAY | of("lnd_payments_recovered_total", "0x110")
    over = {**of(FAILED, "0x60 15x50", BAD), **of(SUCCEEDED, "0x64 1 2 3 4 5x50", BAND)}
    still = {**of(FAILED, "0x60 15x3 16 17 18 19 20x50", BAD), **of(SUCCEEDED, "0x110", BAND)}
    check(tmp_path, live | over, never(firing("Outage"), range(60, 80)))
    check(tmp_path, live | still, [Expected(firing("Outage"), 69, ALICE)])


def test_failures_are_not_extrapolated(tmp_path: Path) -> None:
    """Two of a thousand failed since Prometheus began a minute ago: two samples, of which `increase` makes four."""
    series = NEVER_AWAY | {**of(FAILED, "1000 1002x60", BAD), **of(SUCCEEDED, "9000x60", BAND)}
    third = series | of(FAILED, "1000 1002x29 1003x60", BAD)
    fires = firing("QuietNodeFails", "warning")
    check(tmp_path, series, never(fires, range(60)))
    check(tmp_path, third, [*never(fires, range(30)), Expected(fires, 31, ALICE)])


@pytest.mark.parametrize(
    ("counted", "usual"),
    [
        ("30x95 500x400", {'{job="lnd-payments", instance="a", node="alice"}': 50}),
        ("500x95 30x400", {'{job="lnd-payments", instance="a", node="alice"}': 50}),
        ("_x96 500x400", {}),
    ],
    ids=["a week ago", "yesterday", "not known a week ago"],
)
def test_quieter_of_two_days_is_usual(counted: str, usual: dict[str, float], tmp_path: Path) -> None:
    """Saturdays are compared with a Saturday, the day after a holiday with the holiday; 30 in 3 minutes are 50 in 5."""
    window, *_ = WINDOWS
    eight_days_min = 8 * 24 * 60
    expected = [Expected(f"round({RECORDED[window.usual].expr})", eight_days_min, usual)]
    assert not query_errors(tmp_path, of(window.counted, counted), expected, every_min=30)
