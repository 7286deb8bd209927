"""The first row of the overview answers whether payments work: red where an alert is red, grey where nobody can say."""

from pathlib import Path
from typing import NamedTuple

import pytest

from dashboards import query
from exporter.payments.labels import AmountBand, Cause
from exporter.rules.values import SHOWN, read
from tests.dashboards.panels import panel, panel_query
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

OVERVIEW, SUCCESS = "lnd-payments-overview", "Success, against its target"
NODE = 'job="lnd-payments",instance="a:10019",node="alice"'
LATE = 400
TARGETS = read()[SHOWN].target_percent


def rises(metric: str, values: str, *labels: str) -> dict[str, str]:
    """Return a series of the node."""
    return {f"lnd_payments_{metric}{{{','.join((NODE, *labels))}}}": values}


def payments(band: AmountBand, succeeded: float, failed: float) -> dict[str, str]:
    """Return payments of an amount band for each minute."""
    of = ('kind="invoice"', f'amount_band="{band}"')
    return {
        **rises("succeeded_total", f"0+{succeeded:g}x{LATE}", *of),
        **rises("failed_total", f"0+{failed:g}x{LATE}", *of, 'reason="no_route"'),
    }


def alert(name: str) -> dict[str, str]:
    """Return an alert on the node that fires."""
    return {f'ALERTS{{{NODE},alertname="LndPayments{name}",alertstate="firing"}}': f"1x{LATE}"}


class Case(NamedTuple):
    """Payments of each minute, an alert that fires, and the words about 10 minutes and about an hour."""

    succeeded: float
    failed: float
    firing: str
    ten_minutes: str
    hour: str


@pytest.mark.parametrize(
    "case",
    [
        Case(100, 1, "", "on target", "on target"),
        Case(100, 5, "", "below target", "below target"),
        Case(100, 5, "FailFast", "below target", "alert"),
        Case(100, 1, "Outage", "alert", "alert"),
        Case(100, 5, "Slow", "below target", "below target"),
        Case(1, 0, "", "few payments", "on target"),
        Case(0.1, 0, "", "few payments", "few payments"),
        Case(0.1, 0.1, "Outage", "alert", "alert"),
    ],
    ids=str,
)
def test_success_is_judged(case: Case, tmp_path: Path) -> None:
    """Red where the alert is red, grey with few payments, else by the target of just these amounts."""
    series = payments(AmountBand.UNDER_1K, case.succeeded, case.failed) | (alert(case.firing) if case.firing else {})
    share = round(case.succeeded / (case.succeeded + case.failed), 4)
    target = TARGETS[AmountBand.UNDER_1K] / 100
    expected = [
        Expected(f"round({panel_query(OVERVIEW, SUCCESS, letter)}, 0.0001)", LATE, {f'{{is="{word}"}}': share})
        for letter, word in (("A", case.ten_minutes), ("B", case.hour))
    ]
    expected.append(Expected(f"round({panel_query(OVERVIEW, SUCCESS, 'C')}, 0.0001)", LATE, {"{}": target}))
    assert not query_errors(tmp_path, series, expected, recorded())


def test_target_is_that_of_the_amounts(tmp_path: Path) -> None:
    """Of a half of small and a half of large payments it is between both targets."""
    bands = (AmountBand.UNDER_1K, AmountBand.UNDER_10M)
    series = payments(bands[0], 1, 0) | payments(bands[1], 1, 0)
    between = sum(TARGETS[band] for band in bands) / 2 / 100
    shown = f"round({panel_query(OVERVIEW, SUCCESS, 'C')}, 0.0001)"
    assert not query_errors(tmp_path, series, [Expected(shown, LATE, {"{}": between})], recorded())


def test_colours_of_the_words() -> None:
    """Each word has one; only an alert is red."""
    colours = {
        override["matcher"]["options"]: one["value"]["fixedColor"]
        for override in panel(OVERVIEW, SUCCESS)["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "color"
    }
    assert {name for name, colour in colours.items() if colour == "red"} == {"/: alert$/"}
    assert set(colours) == {f"/: {word}$/" for word in ("alert", "below target", "few payments", "on target")}


def test_top_cause(tmp_path: Path) -> None:
    """The most frequent one of payments; rebalances fail as they like."""
    rise: dict[tuple[str, Cause], int] = {
        ("payment", Cause.OWN_LIQUIDITY): 3,
        ("payment", Cause.NO_ROUTE): 1,
        ("rebalance", Cause.NO_ROUTE): 9,
    }
    series: dict[str, str] = {}
    for (purpose, of_cause), each in rise.items():
        of = (f'purpose="{purpose}"', f'cause="{of_cause}"', 'amount_band="under_1k_sat"')
        series |= rises("failed_by_cause_total", f"0+{each}x{LATE}", *of)
    failed, cause = (panel_query(OVERVIEW, "Failed, and the top cause", letter) for letter in "AB")
    expected = [Expected(failed, LATE, {"{}": 240}), Expected(cause, LATE, {'{cause="own_liquidity"}': 180})]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_runway(tmp_path: Path) -> None:
    """Half of the balance went within eight hours: the rest lasts as long. A balance that doesn't fall has none."""
    late = 480
    series = {
        **rises("node_up", f"1x{late}"),
        **rises("node_inactive_msat", f"0x{late}"),
        **rises("node_spendable_msat", f"960000-1000x{late}"),
    }
    spendable, lasts = (panel_query(OVERVIEW, "Spendable now", letter) for letter in "AB")
    expected = [Expected(spendable, late, {"{}": 480}), Expected(f"round({lasts} / 3600)", late, {"{}": 8})]
    assert not query_errors(tmp_path, series, expected, recorded())
    level = series | rises("node_spendable_msat", f"960000x{late}")
    assert not query_errors(tmp_path, level, [Expected(lasts, late, {})], recorded())
    away = series | rises("node_up", f"1x{late - 10} 0x10")
    assert not query_errors(tmp_path, away, [Expected(expr, late, {}) for expr in (spendable, lasts)], recorded())


def test_budget_says_of_which_time_it_is(tmp_path: Path) -> None:
    """Of the hours that the node is known, if they are fewer than three days."""
    series = payments(AmountBand.UNDER_1K, 100, 1) | rises("node_up", f"1x{LATE}")
    left, span = (panel_query(OVERVIEW, "Error budget left", letter) for letter in "AB")
    budget = 1 - TARGETS[AmountBand.UNDER_1K] / 100
    expected = [
        Expected(f"round({left}, 0.001)", 300, {"{}": round(1 - 1 / 101 / budget, 3)}),
        Expected(f"round({span} / 3600)", 300, {"{}": 5}),
    ]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_slow_successes(tmp_path: Path) -> None:
    """The share above the alert's limit; rebalances, and what fails, don't count."""
    quick = f"{query.QUICK_S:.1f}"
    series: dict[str, str] = {}
    for of, within in (('purpose="payment",outcome="succeeded"', 3), ('purpose="rebalance",outcome="succeeded"', 0)):
        for le, rise in ((quick, within), ("+Inf", 4)):
            series |= rises("duration_seconds_bucket", f"0+{rise}x{LATE}", of, f'le="{le}"')
    shown = [panel_query(OVERVIEW, "How fast", "B")]
    shown += [panel_query(OVERVIEW, "Slow successes", letter) for letter in "AB"]
    expected = [Expected(f"round({expr}, 0.001)", 390, {"{}": 0.25}) for expr in shown]
    assert not query_errors(tmp_path, series, expected, recorded())
