"""The law of the list of ended payments: it has what the counters grew by, one entry for each run, and what is true."""

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from exporter.payments.ended import EndedPayment, RunOutcome
from exporter.payments.labels import PURPOSE, REPAYABLE, Kind, amount_band
from exporter.payments.payment import Run
from exporter.payments.totals import Counter, Labels
from exporter.simulator.truth import Finished
from exporter.store import ended
from exporter.store.reader import connect_without_trace

Totals = Mapping[Counter, Mapping[Labels, int]]
COMPARED = (
    Counter.SUCCEEDED,
    Counter.SENT,
    Counter.FEES,
    Counter.SUCCEEDED_LATE,
    Counter.FAILED,
    Counter.FAILED_BY_CAUSE,
    Counter.FAILED_MSAT,
    Counter.LOST,
    Counter.RECOVERED,
    Counter.ATTEMPTS_INCOMPLETE,
)
"""The counters that grow by what an entry says."""


def grown(entries: Iterable[EndedPayment]) -> dict[Counter, Tally[Labels]]:
    """Return by how much the counters grow by these entries."""
    by = {counter: Tally[Labels]() for counter in COMPARED}
    for entry in entries:
        if entry.outcome == RunOutcome.LOST:
            by[Counter.LOST][entry.cause,] += 1
            continue
        kind, band = Kind(entry.kind), amount_band(entry.value_msat)
        by[Counter.RECOVERED][()] += entry.recovered
        by[Counter.ATTEMPTS_INCOMPLETE][()] += entry.attempts is None
        if entry.outcome == RunOutcome.SUCCEEDED:
            by[Counter.SUCCEEDED][kind, band] += 1
            by[Counter.SENT][kind, band] += entry.value_msat
            by[Counter.FEES][kind, band] += entry.fee_msat
            by[Counter.SUCCEEDED_LATE][entry.reason,] += entry.late
        else:
            by[Counter.FAILED][kind, band, entry.reason] += 1
            by[Counter.FAILED_BY_CAUSE][PURPOSE[kind], entry.cause, band] += 1
            by[Counter.FAILED_MSAT][kind, entry.reason] += entry.value_msat
    return {counter: +tally for counter, tally in by.items()}


def made_good(entries: Iterable[EndedPayment]) -> tuple[Tally[Labels], Tally[int]]:
    """Return how often failed runs whose hash succeeded later are counted, by labels; and the runs of each success."""
    failed: defaultdict[str, list[Labels]] = defaultdict(list)
    succeeded: dict[str, int] = {}
    counts, runs = Tally[Labels](), Tally[int]()
    for entry in entries:
        if entry.kind in REPAYABLE and entry.outcome == RunOutcome.FAILED:
            labels = (entry.kind, amount_band(entry.value_msat), entry.reason)
            if entry.run.created_us < succeeded.get(entry.run.payment_hash, 0):  # it was learnt late
                counts[labels] += 1
            else:
                failed[entry.run.payment_hash].append(labels)
        elif entry.kind in REPAYABLE and entry.outcome == RunOutcome.SUCCEEDED:
            before = failed.pop(entry.run.payment_hash, [])
            counts.update(before)
            succeeded[entry.run.payment_hash] = entry.run.created_us
            runs[1 + len(before)] += 1
    return counts, runs


def between(before: Totals, after: Totals) -> dict[Counter, Tally[Labels]]:
    """Return by how much the counters grew."""
    return {
        counter: +Tally({labels: n - before.get(counter, {}).get(labels, 0) for labels, n in after[counter].items()})
        for counter in COMPARED
    }


def on_disk(path: Path, node: str) -> list[EndedPayment]:
    """Return the list of a node, the oldest first."""
    with closing(connect_without_trace(path)) as connection:
        return [*ended.entries(connection, node, oldest_first=True)]


def check_numbers(entries: Sequence[EndedPayment]) -> None:
    """Check that no number is missing, and no run is listed twice."""
    numbers = [entry.number for entry in entries]
    assert not numbers or numbers == [*range(numbers[0], numbers[-1] + 1)]
    twice = [run for run, count in Tally(entry.run for entry in entries).items() if count > 1]
    assert twice == []


def untrue(entries: Iterable[EndedPayment], truth: Mapping[Run, Finished], erased: Iterable[Run]) -> list[str]:
    """Return what is wrong in entries, compared with the truth about the runs that lnd has not erased."""
    erased = {*erased}
    wrong = []
    for entry in entries:
        end = truth.get(entry.run)
        if entry.run in erased:
            continue
        if end is None or entry.outcome == RunOutcome.LOST:
            wrong.append(f"{entry.outcome}: {entry.run.payment_hash} is known to lnd: {end is not None}")
            continue
        told = (entry.outcome, entry.reason, entry.value_msat, entry.fee_msat, entry.parts)
        fee_msat = end.fee_msat if entry.outcome == RunOutcome.SUCCEEDED else 0
        true = (end.status, end.reason, end.value_msat, fee_msat, end.settled)
        if told != true:
            wrong.append(f"{entry.run.payment_hash}: {told} instead of {true}")
    return wrong
