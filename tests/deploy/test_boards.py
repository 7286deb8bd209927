"""Sums that are recorded for dashboards lose nothing, and are right in both ways of scraping."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.payments.labels import PURPOSE, Kind, Reason
from exporter.rules.boards import BY_REASON, MADE_GOOD_BY_BAND, SUMS, Sum, boards
from exporter.rules.generate import groups
from exporter.rules.rule import as_yaml
from exporter.rules.values import SHOWN, read
from tests.incidents.targets import BOTH, Layout, of_node
from tests.promtool import Expected, query_errors

VALUES = read()[SHOWN]
RULES = as_yaml([boards(VALUES)], VALUES)
BAND = "under_1k_sat"


def name(metric: str, labels: Mapping[str, str]) -> str:
    """Return a series in promtool's notation."""
    return f"{metric}{{{','.join(f'{label}={json.dumps(word)}' for label, word in sorted(labels.items()))}}}"


def test_metric_must_exist() -> None:
    """A wrong name is an error, not a series that is always empty."""
    assert all(set(each.by) <= set(each.labels) for each in SUMS)
    with pytest.raises(ValueError, match="lnd_payments_nothing_total: no metric has this name"):
        _ = Sum("nothing_total", ()).labels


def test_names_differ() -> None:
    """Of two sums of one counter, too."""
    names = [rule["record"] for rule in RULES["groups"][0]["rules"]]
    assert len(set(names)) == len(names) == len(SUMS) + 3


def test_no_alert_reads_them() -> None:
    """They are evaluated seldom, and an alert must not wait for them."""
    recorded = {rule["record"] for rule in RULES["groups"][0]["rules"]}
    for values in read().values():
        exprs = [rule.expr for group in groups(values) if group.name != "boards" for rule in group.rules]
        assert [name for name in recorded for expr in exprs if re.search(rf"{re.escape(name)}\b", expr)] == []


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("layout", BOTH, ids=[layout.value for layout in BOTH])
def test_failures_by_reason_are_those_of_all_kinds(layout: Layout, tmp_path: Path) -> None:
    """Each kind is in one purpose; those that were made good are the bad ones of kinds that count."""
    target = of_node(layout, "a:10019", "alice") | {"node": "alice"}
    series = {}
    for place, kind in enumerate(Kind):
        for reason in (Reason.NO_ROUTE, Reason.INCORRECT_PAYMENT_DETAILS):
            labels = {**target, "kind": kind, "amount_band": BAND, "reason": reason}
            series[name("lnd_payments_failed_total", labels)] = f"{10**place}x10"
            series[name("lnd_payments_failed_made_good_total", labels)] = f"{10**place}x10"
    of_purpose = dict.fromkeys(PURPOSE.values(), 0)
    for place, kind in enumerate(Kind):
        of_purpose[PURPOSE[kind]] += 10**place
    expected = {
        name(BY_REASON, {**target, "purpose": purpose, "reason": reason}): float(number)
        for purpose, number in of_purpose.items()
        for reason in (Reason.NO_ROUTE, Reason.INCORRECT_PAYMENT_DETAILS)
    }
    counted = sum(10**place for place, kind in enumerate(Kind) if kind in VALUES.counted_kinds)
    made_good = {name(MADE_GOOD_BY_BAND, {**target, "amount_band": BAND}): float(counted)}
    asked = [Expected(BY_REASON, 5, expected), Expected(MADE_GOOD_BY_BAND, 5, made_good)]
    assert not query_errors(tmp_path, series, asked, RULES)
