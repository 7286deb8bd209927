"""The node's and the customer's success rate, side by side with one denominator; what is found about missing routes."""

from pathlib import Path

import pytest

from dashboards import query
from exporter.payments.labels import AmountBand, Kind, Reason, RouteCheck
from exporter.rules.values import SHOWN, Success, read
from tests.dashboards.panels import panel, panel_query, with_variables
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

FAILURES, OVERVIEW = "lnd-payments-failures", "lnd-payments-overview"
NODE = 'job="lnd-payments",instance="a:10019",node="alice"'
AMOUNT = f'amount_band="{AmountBand.UNDER_10K}"'
MINUTES = 500
FAIL = "How many fail, and the top cause"
OVER_TIME = "Success rate of the last hour"


def each_minute(metric: str, labels: str, rise: float) -> dict[str, str]:
    """Return a counter of the node that rises each minute."""
    return {f"lnd_payments_{metric}{{{NODE},{labels}}}": f"0+{rise:g}x{MINUTES}"}


def payments(kind: Kind, succeeded: float, no_route: float, refused: float = 0) -> dict[str, str]:
    """Return the payments of a kind for each minute."""
    of = f'kind="{kind}",{AMOUNT}'
    return {
        **each_minute("succeeded_total", of, succeeded),
        **each_minute("failed_total", f'{of},reason="{Reason.NO_ROUTE}"', no_route),
        **each_minute("failed_total", f'{of},reason="{Reason.INCORRECT_PAYMENT_DETAILS}"', refused),
    }


def made_good(kind: Kind, reason: Reason, rise: float) -> dict[str, str]:
    """Return the failures of each minute that a later run made good."""
    return each_minute("failed_made_good_total", f'kind="{kind}",{AMOUNT},reason="{reason}"', rise)


def rounded(uid: str, title: str, letter: str) -> str:
    """Return a query of a panel, to four digits."""
    return f"round({panel_query(uid, title, letter, '8h')}, 0.0001)"


def both(uid: str, title: str, each_try: float, in_the_end: float) -> list[Expected]:
    """Expect the two rates of a panel, in its order."""
    return [
        Expected(rounded(uid, title, letter), MINUTES, {"{}": rate})
        for letter, rate in (("A", each_try), ("B", in_the_end))
    ]


def test_both_rates_are_shares_of_the_same_payments(tmp_path: Path) -> None:
    """100 are tried each minute, keysends too; 30 fail at the node, 20 of which a later try pays; 10 are refused."""
    series = payments(Kind.INVOICE, 55, 25, 10) | payments(Kind.KEYSEND, 5, 5)
    series |= made_good(Kind.INVOICE, Reason.NO_ROUTE, 20)
    expected = [
        *both(OVERVIEW, "Success rate", 0.7, 0.9),
        *both(OVERVIEW, OVER_TIME, 0.7, 0.9),
        *both(FAILURES, FAIL, 0.4, 0.2),
    ]
    assert not query_errors(tmp_path, series, expected, recorded())
    for uid, title in ((OVERVIEW, "Success rate"), (OVERVIEW, OVER_TIME), (FAILURES, FAIL)):
        targets = panel(uid, title)["targets"]
        rates = [target["expr"] for target in targets if target["legendFormat"] in {"each try", "in the end"}]
        assert len(rates) == 2
        assert len({rate.partition(" / ")[2] for rate in rates}) == 1, title


def test_refusal_that_was_made_good(tmp_path: Path) -> None:
    """It was no failure of the node at first, so it isn't taken from those; but it is no failure for the customer."""
    series = payments(Kind.INVOICE, 80, 10, 10) | made_good(Kind.INVOICE, Reason.NO_ROUTE, 0)
    series |= made_good(Kind.INVOICE, Reason.INCORRECT_PAYMENT_DETAILS, 10)
    expected = [*both(OVERVIEW, "Success rate", 0.9, 0.9), *both(FAILURES, FAIL, 0.2, 0.1)]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_rates_are_within_their_bounds(tmp_path: Path) -> None:
    """Failures of yesterday are made good today: nobody is more than satisfied."""
    series = payments(Kind.INVOICE, 10, 0) | made_good(Kind.INVOICE, Reason.NO_ROUTE, 5)
    expected = [*both(OVERVIEW, "Success rate", 1, 1), *both(FAILURES, FAIL, 0, 0)]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_share_of_payments_that_have_no_later_try(tmp_path: Path) -> None:
    """It is the same in the end, also where no series says that any was made good."""
    assert not query_errors(tmp_path, payments(Kind.PROBE, 1, 3), both(FAILURES, FAIL, 0.75, 0.75), recorded())


def test_rates_without_payments(tmp_path: Path) -> None:
    """They are empty, not 100 %: the panels have a text for that."""
    titles = ((OVERVIEW, "Success rate"), (OVERVIEW, OVER_TIME), (FAILURES, FAIL))
    series = payments(Kind.INVOICE, 0, 0) | made_good(Kind.INVOICE, Reason.NO_ROUTE, 0)
    expected = [Expected(panel_query(uid, title, letter, "8h"), 400, {}) for uid, title in titles for letter in "AB"]
    assert not query_errors(tmp_path, series, expected, recorded())
    for uid, title in titles:
        assert panel(uid, title)["fieldConfig"]["defaults"]["noValue"].startswith("no payments")


def test_runs_per_success(tmp_path: Path) -> None:
    """Of ten invoices paid, six were paid at once, three with the second try, and one with the sixth."""
    within = {"1.0": 6, "2.0": 9, "3.0": 9, "5.0": 9, "10.0": 10, "+Inf": 10}
    purpose = 'purpose="payment"'
    series = each_minute("runs_per_success_count", purpose, 10)
    for le, rise in within.items():
        series |= each_minute("runs_per_success_bucket", f'{purpose},le="{le}"', rise)
    series |= each_minute("runs_per_success_count", 'purpose="rebalance"', 10)
    expected = [
        Expected(rounded(OVERVIEW, "Runs per success", letter), 400, {"{}": share})
        for letter, share in (("A", 0.4), ("B", 0.1), ("C", 0.1))
    ]
    assert not query_errors(tmp_path, series, expected, recorded())


def test_checks_of_payments_without_a_route(tmp_path: Path) -> None:
    """A row for each verdict that occurred, if the purpose whose payments are checked is chosen; else none."""
    rises = {RouteCheck.FEE_LIMIT: 3.0, RouteCheck.TOO_LARGE: 1.0}
    series = each_minute("failed_by_cause_total", 'purpose="payment",cause="no_route"', 1)
    series |= each_minute("failed_by_cause_total", 'purpose="rebalance",cause="no_route"', 1)
    for verdict in RouteCheck:
        series |= each_minute("no_route_checks_total", f'verdict="{verdict}"', rises.get(verdict, 0))
    expected = [
        Expected(
            panel_query(FAILURES, "Why there was no route", "A", "1h"),
            400,
            {f'{{verdict="{verdict}", advice="{verdict}"}}': 60 * rise for verdict, rise in rises.items()},
        ),
        Expected(
            panel_query(FAILURES, "Why there was no route", "B", "1h"),
            400,
            {f'{{verdict="{verdict}"}}': rise / 4 for verdict, rise in rises.items()},
        ),
    ]
    for target in panel(FAILURES, "Why there was no route")["targets"]:
        expr = target["expr"].replace("${purpose:pipe}", "rebalance")
        expected.append(Expected(with_variables(expr, "1h"), 400, {}))
    assert not query_errors(tmp_path, series, expected, recorded())


CUSTOMERS = read(more={"success": Success.CUSTOMER.value})[SHOWN]


@pytest.mark.parametrize(("again", "share"), [(0.0, 1.0), (4.0, 0.6), (10.0, 0.0), (15.0, 0.0), (None, 1.0)], ids=str)
def test_burn_of_the_customer(again: float | None, share: float, tmp_path: Path) -> None:
    """What is made good doesn't burn the budget, in the panel as in the recorded rate; an older exporter tells none."""
    series = {f"lnd_payments_{name}{{{NODE}}}": f"1x{MINUTES}" for name in ("node_up", "stream_up")}
    series |= payments(Kind.INVOICE, 90, 10)
    if again is not None:
        series |= made_good(Kind.INVOICE, Reason.NO_ROUTE, again)
    shown = f"round({with_variables(query.burn('1h'))}, 0.001)"
    of_node = 0.1 / 0.02
    for values, burnt in ((CUSTOMERS, of_node * share), (query.VALUES, of_node)):
        expected = [Expected(shown, 400, {f"{{{NODE}}}": round(burnt, 3)})]
        assert not query_errors(tmp_path, series, expected, recorded(values))


def test_panels_say_what_burns_the_budget() -> None:
    """Whichever was set when they were made."""
    for title in ("Success, against its target", "Error budget left", "Error budget burn"):
        assert "`success: node`" in panel(OVERVIEW, title)["description"]
