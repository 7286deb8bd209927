"""Limits of the alerts on what is usual: at which numbers they fire, and what mutes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from exporter.rules.generate import groups
from exporter.rules.liquidity import INACTIVE_SHARE, RUNWAY, usual_outflow
from exporter.rules.recording import BACK, FINISHED
from exporter.rules.rule import PREFIX, Alert, Group, as_yaml
from exporter.rules.usual import WINDOWS, Window
from exporter.rules.values import read
from tests.promtool import Expected, promtool_errors, query_errors

pytestmark = pytest.mark.usefixtures("programs")

VALUES = read()["service"]
ALICE = 'job="lnd-payments",instance="a",node="alice"'
FIVE, FIFTEEN, HOUR, _ = WINDOWS


def of(name: str, values: str, matcher: str = "") -> dict[str, str]:
    """Return a series of the node, in promtool's notation."""
    return {f"{name}{{{ALICE}{matcher}}}": values}


def fires(tmp_path: Path, name: str, series: Mapping[str, str], at_min: Sequence[int]) -> dict[int, bool]:
    """Return at which of these minutes an alert fires; recorded series are given, not recorded."""
    alert = [rule for group in groups(VALUES) for rule in group.rules if isinstance(rule, Alert) and rule.name == name]
    firing = f'count(ALERTS{{alertname="{PREFIX}{name}",alertstate="firing"}})'
    rules = as_yaml([Group("some", alert)], VALUES)

    def at(minute: int) -> bool:
        return not query_errors(tmp_path, series, [Expected(firing, minute, {"{}": 1})], rules)

    return {minute: at(minute) for minute in at_min}


@pytest.mark.parametrize(
    ("window", "usual", "number", "expected"),
    [
        (FIVE, 12, 0, True),
        (FIVE, 11.9, 0, False),
        (FIVE, 17.1, 1, True),
        (FIVE, 16.9, 1, False),
        (FIVE, 7500, 1497, True),
        (FIVE, 7500, 1498, False),
        (FIFTEEN, 100, 17, True),
        (FIFTEEN, 100, 18, False),
        (HOUR, 12, 0, True),
        (HOUR, 0, 0, False),
    ],
)
def test_number_at_which_traffic_is_gone(
    window: Window,
    usual: float,
    number: int,
    expected: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """At most a fifth of the usual number less 12."""
    at_min = 60 + window.minutes + 2
    series = {
        **of(FINISHED, f"0+5000x60 {300_000 + number / window.minutes}+{number / window.minutes}x{at_min}"),
        **of(window.usual, f"{usual}x{at_min}"),
        **of("lnd_payments_stream_up", f"1x{at_min}"),
        **of(BACK, f"0x{at_min}"),
    }
    assert fires(tmp_path, "TrafficGone", series, [at_min]) == {at_min: expected}


@pytest.mark.parametrize(
    ("finished", "stream_up"),
    [
        pytest.param("0+100x30 3000x10", "1x34 0 1x5", id="the stream was lost for a moment"),
        pytest.param("0+100x30 0+100x10", "1x40", id="the counter began anew"),
        pytest.param("0+100x30 _x4 3400+100x6", "1x30 _x4 1x6", id="Prometheus was down for four minutes"),
        pytest.param("0+100x30 stale _x4 3000 3500+100x5", "1x30 stale _x4 0 1x5", id="the exporter was away"),
    ],
)
def test_traffic_that_is_not_known_to_be_gone(finished: str, stream_up: str, tmp_path: Path) -> None:
    """Nothing fires within 5 minutes if these are not known."""
    series = {
        **of(FINISHED, finished),
        **of(FIVE.usual, "500x40"),
        **of("lnd_payments_stream_up", stream_up),
        **of(BACK, "0x40"),
    }
    minutes = range(30, 40)
    assert fires(tmp_path, "TrafficGone", series, minutes) == dict.fromkeys(minutes, False)


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("LiquidityRunsOut", {}, True),
        ("LiquidityRunsOut", of(RUNWAY, "12x40"), False),
        ("LiquidityRunsOut", of("lnd_payments_node_spendable_msat", "1000x40"), False),
        ("LiquidityRunsOut", of("lnd_payments_node_up", "0x40"), False),
        ("BalanceInactive", {}, True),
        ("BalanceInactive", of(INACTIVE_SHARE, "0.5x40"), False),
        ("BalanceInactive", of("lnd_payments_node_channels", "0x40", ',state="active"'), False),
        ("BalanceInactive", of("lnd_payments_node_up", "0x40"), False),
    ],
)
def test_balance(name: str, changed: dict[str, str], expected: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    """Each condition is necessary; a node that is down shows old balances."""
    series = {
        **of(RUNWAY, "11.9x40"),
        **of(usual_outflow(VALUES), "1000x40"),
        **of("lnd_payments_node_spendable_msat", "999x40"),
        **of(INACTIVE_SHARE, "0.51x40"),
        **of("lnd_payments_node_channels", "1x40", ',state="active"'),
        **of("lnd_payments_node_up", "1x40"),
    }
    assert fires(tmp_path, name, series | changed, [39]) == {39: expected}


def message(tmp_path: Path, name: str, series: Mapping[str, str], at_min: int) -> str:
    """Return what promtool says of the alert's text, which is its summary and description."""
    alert = [rule for group in groups(VALUES) for rule in group.rules if isinstance(rule, Alert) and rule.name == name]
    test = {
        "interval": "60s",
        "input_series": [{"series": of_it, "values": values} for of_it, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{at_min}m", "alertname": PREFIX + name, "exp_alerts": []}],
    }
    return promtool_errors(tmp_path, as_yaml([Group("some", alert)], VALUES), test, 60)


def test_message_of_traffic_gone(tmp_path: Path) -> None:
    """It says how many payments there are and usually are, in each window, and how many are in flight."""
    series = {
        **of(FINISHED, "0+5000x60 300000+1x10"),
        **of(FIVE.usual, "24000x70"),
        **of(FIFTEEN.usual, "74000x70"),
        **of("lnd_payments_stream_up", "1x70"),
        **of(BACK, "0x70"),
        **of("lnd_payments_in_flight", "3x70", ',purpose="payment",age="under_1m"'),
    }
    said = message(tmp_path, "TrafficGone", series, 67)
    assert "alice: only 0.02083% of the usual payments" in said
    assert "5 within 5m, usually at least 24k; 40.01k within 15m, usually at least 74k; 265k within 1h" in said
    assert "and 3 payments are in flight" in said


def test_message_of_inactive_balance(tmp_path: Path) -> None:
    """It names the offline peers that had most, by their alias if it is known."""
    peers = {"02aa": ("active", 1), "02bb": ("inactive", 900), "02cc": ("inactive", 800)}
    series = {
        **of(INACTIVE_SHARE, "0.51x70"),
        **of("lnd_payments_node_channels", "1x70", ',state="active"'),
        **of("lnd_payments_node_up", "1x70"),
        **of("lnd_payments_node_inactive_msat", "1700000x70"),
        **of("lnd_payments_node_spendable_msat", "1000x70"),
        **of("lnd_payments_peer_info", "1x70", ',peer="02bb",alias="bob"'),
    }
    for peer, (state, had) in peers.items():
        series |= of("lnd_payments_peer_channels", "1x70", f',peer="{peer}",state="{state}"')
        series |= of("lnd_payments_peer_spendable_msat", f"{had}x20 0x50", f',peer="{peer}"')
    said = message(tmp_path, "BalanceInactive", series, 60)
    assert "alice: 51% of the balance is with peers that are offline" in said
    assert "1.7k sat are in inactive channels and can't be sent, 1 sat are in active ones" in said
    assert "since yesterday: bob (02bb) (02cc). Reconnect them." in " ".join(said.split())
