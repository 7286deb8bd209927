"""Compares the list of ended payments on disk with the last page and with the truth."""

from collections import Counter as Tally
from collections.abc import Collection
from pathlib import Path

from exporter.payments.payment import Run
from exporter.simulator.server import SimulatedNode
from tests.ended_law import check_numbers, made_good, on_disk, untrue
from tests.follow.oracle import retried_runs
from tests.stories.page import Page, total


def check_list(path: Path, node: str, page: Page, lnd: SimulatedNode, deleted: Collection[Run]) -> None:
    """Raise AssertionError unless each run is there once, as it was, and the list ends with the last one counted.

    The list may begin late, for a fault has removed the file while the exporter ran.
    """
    entries = on_disk(path, node)
    check_numbers(entries)
    totals = {name: int(total(page, node, f"{name}_total")) for name in ("succeeded", "failed", "lost")}
    assert entries[-1].number == sum(totals.values())
    truth = {end.run: end for end in lnd.truth()}
    erased = retried_runs(truth.keys()).union(deleted)
    assert untrue(entries, truth, erased) == []
    if entries[0].number == 1:
        outcomes = [entry.outcome for entry in entries]
        assert {name: outcomes.count(name) for name in totals} == totals
        counts, runs = made_good(entries)
        assert counts == Tally(
            {
                (labels["kind"], labels["amount_band"], labels["reason"]): int(value)
                for labels, value in (
                    (dict(of.labels), value)
                    for of, value in page[node].items()
                    if value and of.name == "failed_made_good_total"
                )
            }
        )
        for end, number in (("count", runs.total()), ("sum", sum(each * n for each, n in runs.items()))):
            assert total(page, node, f"runs_per_success_{end}") == number
        assert truth.keys() - erased - {entry.run for entry in entries} == set(), "a run is not on the list"
    recipients = {
        record.run: record.message.htlcs[-1].route.hops[-1].pub_key for record in lnd.database if record.message.htlcs
    }
    wrong = [entry for entry in entries if recipients.get(entry.run, entry.destination) != entry.destination]
    assert wrong == [], "another recipient"
