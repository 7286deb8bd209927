"""The panels on named destinations: whose the failures are, what was paid, and nothing from before a group went."""

from pathlib import Path

import pytest

from dashboards.destinations import _WHOSE
from exporter.payments.labels import Cause
from tests.dashboards.panels import panel, panel_query
from tests.dashboards.test_agreement import recorded
from tests.promtool import Expected, query_errors

pytestmark = pytest.mark.usefixtures("programs")

FAILURES, TABLE = "lnd-payments-failures", "Named destinations"
NODE = 'job="lnd-payments",instance="a:10019",node="alice"'
SPAN = "1h"
LATE = 120
"""Minute at which all is asked."""


def series(metric: str, values: str, destination: str = "shop", **labels: str) -> dict[str, str]:
    """Return a series of a destination."""
    more = "".join(f',{label}="{word}"' for label, word in labels.items())
    return {f'lnd_payments_destination_{metric}{{{NODE},destination="{destination}"{more}}}': values}


def page() -> dict[str, str]:
    """Return a group to which payments fail for several reasons, one that has just gone, and one without payments."""
    jump = f"0x{LATE - 1} 5000x80"
    return {
        **series("ended_total", "0+3x200", outcome="succeeded", cause="none"),
        **series("ended_total", "0+2x200", outcome="failed", cause="recipient_unreachable"),
        **series("ended_total", "0+1x200", outcome="failed", cause="own_inactive"),
        **series("ended_total", "0+4x200", outcome="failed", cause="caller"),
        **series("ended_total", "0+5x200", outcome="lost", cause="deleted"),
        **series("sent_msat_total", "0+3000000x200"),
        **series("fees_msat_total", "0+300x200"),
        **series("duration_seconds_sum", "0+6x200", outcome="succeeded"),
        **series("duration_seconds_count", "0+3x200", outcome="succeeded"),
        **series("ended_total", jump, "former", outcome="failed", cause="recipient"),
        **series("sent_msat_total", jump, "former"),
        **series("ended_total", "0x200", "other", outcome="succeeded", cause="none"),
        **series("ended_total", "0x200", "other", outcome="failed", cause="recipient"),
        **series("sent_msat_total", "0x200", "other"),
    }


def test_whose_the_failures_are(tmp_path: Path) -> None:
    """In the table; what was lost is neither, and a group without payments has no share."""
    shop, other = '{destination="shop"}', '{destination="other"}'
    columns: dict[str, dict[str, float]] = {
        "A": {shop: 15 * 60, other: 0},
        "B": {shop: 0.3},
        "C": {shop: 60},
        "E": {shop: 120, other: 0},
        "F": {shop: 180_000, other: 0},
        "G": {shop: 100},
        "H": {shop: 2},
    }
    expected = [
        Expected(panel_query(FAILURES, TABLE, letter, SPAN), LATE, values) for letter, values in columns.items()
    ]
    assert not query_errors(tmp_path, page(), expected, recorded())


def test_a_cause_is_due_to_one_side() -> None:
    """Those that are due to nobody are the caller's and unknown ones."""
    causes = [cause for of in _WHOSE.values() for cause in of]
    assert len(causes) == len({*causes})
    assert {*Cause} - {*causes} == {Cause.CALLER, Cause.OTHER}


def test_panels_say_when_no_destination_is_named() -> None:
    """Instead of "No data"."""
    for title in (TABLE, "Success by destination", "Failures by destination"):
        assert "no destinations are named" in panel(FAILURES, title)["fieldConfig"]["defaults"]["noValue"]
