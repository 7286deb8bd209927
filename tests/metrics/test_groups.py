"""Groups of series that an operator leaves out: a page lacks exactly these, and the rest is as it was."""

from collections.abc import Sequence
from itertools import chain, combinations

import pytest
from prometheus_client import generate_latest

from exporter.metrics.exposition import Format
from exporter.metrics.groups import LEFT_OUT, Group
from exporter.metrics.gzipped import member, text_of
from exporter.metrics.names import NODE_ROWS, node_rows
from exporter.metrics.rendered import NOTHING, render
from exporter.metrics.row import CounterRow
from exporter.page import PageData
from tests.metrics import scene
from tests.metrics.judge import PageCollector
from tests.metrics.reading import Series, families, series

BANDS = {"succeeded", "failed", "failed_by_cause", "failed_made_good", "sent_msat", "fees_msat"}
OF_ATTEMPTS = {
    "htlc_attempts_per_payment",
    "settled_parts",
    "htlc_attempt_duration_seconds",
    "htlc_attempt_hops",
}
OF_FEES = {"fee_msat", "fee_ppm"}
OF_PEERS = {
    "htlc_attempts",
    "sent_msat",
    "fees_msat",
    "rebalance_fees_msat",
    "rebalanced_in_msat",
    "rebalanced_in_fees_msat",
    "htlc_outstanding_seconds",
    "in_flight_htlcs",
    "in_flight_msat",
    "info",
    "channels",
    "spendable_msat",
    "receivable_msat",
    "offered_ratio",
}
OF_DESTINATIONS = {"ended", "sent_msat", "fees_msat", "duration_seconds"}
SAVED = {
    Group.AMOUNTS: 480,
    Group.ATTEMPT_HISTOGRAMS: 169,
    Group.FEE_HISTOGRAMS: 90,
    Group.PEERS: 44,
    Group.DESTINATIONS: 73,
}
"""Series of the scene, which has three peers, one of them with an alias, and a destination besides `other`."""
CHOICES = list(chain.from_iterable(combinations(Group, number) for number in range(len(Group) + 1)))


def page(without: Sequence[Group]) -> str:
    """Return the page of the scene without some groups."""
    return text_of(member(render(node_rows(without), Format.TEXT, [scene.populated()], NOTHING).parts, b"")).decode()


def added_up(whole: Series, label: str) -> Series:
    """Return the series without a label, those that differ in nothing else added up."""
    sums: Series = {}
    for (name, labels), value in whole.items():
        key = name, frozenset(pair for pair in labels if pair[0] != label)
        sums[key] = sums.get(key, 0) + value
    return sums


@pytest.mark.parametrize("without", CHOICES, ids=lambda groups: "+".join(groups) or "none")
def test_page_lacks_the_groups_and_nothing_else(without: Sequence[Group]) -> None:
    """Whatever the combination; what is left has the values that it had, and a label that is missing is added up."""
    whole = series(page(()))
    metrics = frozenset[str]().union(*(LEFT_OUT[group].metrics for group in without))
    expected = {
        key: value
        for key, value in (added_up(whole, "amount_band") if Group.AMOUNTS in without else whole).items()
        if key[0] not in metrics and key[0].rpartition("_")[0] not in metrics
    }
    assert series(page(without)) == expected
    assert len(whole) - len(expected) == sum(SAVED[group] for group in without)
    library = generate_latest(PageCollector(PageData([scene.populated()]), rows=node_rows(without)))
    assert page(without) == library.decode()


def test_what_each_group_leaves_out() -> None:
    """A group that leaves out one metric more or less is noticed here, whatever its table says."""
    whole = families(page(()))
    missing = {
        group: {name.removeprefix("lnd_payments_") for name in whole.keys() - families(page([group])).keys()}
        for group in Group
    }
    assert missing == {
        Group.AMOUNTS: set(),
        Group.ATTEMPT_HISTOGRAMS: OF_ATTEMPTS,
        Group.FEE_HISTOGRAMS: OF_FEES,
        Group.PEERS: {f"peer_{name}" for name in OF_PEERS},
        Group.DESTINATIONS: {f"destination_{name}" for name in OF_DESTINATIONS},
    }
    summed = {row.name for row in node_rows([Group.AMOUNTS]) if isinstance(row, CounterRow) and row.summed}
    assert summed == {f"lnd_payments_{name}_total" for name in BANDS}


def test_no_metric_and_no_label_is_in_two_groups() -> None:
    """So that the savings of groups add up; and every metric and label that a table names exists."""
    metrics = [name for left in LEFT_OUT.values() for name in left.metrics]
    labels = [left.label for left in LEFT_OUT.values() if left.label]
    assert len(metrics) == len(set(metrics))
    assert len(labels) == len(set(labels))
    assert set(metrics) <= {row.name for row in NODE_ROWS}
    having = {label for row in NODE_ROWS if isinstance(row, CounterRow) for label in row.labels}
    assert set(labels) <= having
    assert not set(labels) & {label for row in NODE_ROWS if not isinstance(row, CounterRow) for label in row.labels}
    assert all(left.metrics or left.label for left in LEFT_OUT.values())


def test_default_is_complete() -> None:
    """Nothing is left out that nobody asked for."""
    assert LEFT_OUT.keys() == set(Group)
    assert node_rows() == NODE_ROWS
