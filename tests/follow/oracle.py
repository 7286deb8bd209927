"""The totals that must be counted, computed afterwards from all snapshots at once.

The exporter learns step by step, forgets, is killed and continues. This looks at all snapshots that it received and has
not lost by a kill, payment by payment, and adds up the totals that `docs/metrics.md` defines.
"""

import asyncio
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple, TypeAlias

from exporter.follow import Account
from exporter.payments.event import Event, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import (
    REPAYABLE,
    AttemptStatus,
    Lost,
    Mode,
    Outcome,
    Reason,
    Source,
    Status,
    Unresolved,
    amount_band,
)
from exporter.payments.payment import NS_PER_US, Attempt, Moment, Payment, Run
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName
from exporter.payments.view import View
from exporter.simulator.truth import Finished

Key: TypeAlias = tuple[str, ...]

NS_PER_MS = 1_000_000
PICO = 10**12


class Received(NamedTuple):
    """One snapshot, as it reached the account."""

    payment: Payment
    source: Source
    at: Moment
    first_page: bool = False
    """It shows a payment in flight when counting began: not counted as an update."""
    asked_ns: int = 0
    """When the request was sent that it answers, nanoseconds on the monotonic clock."""
    first_update_ns: int | None = None
    """When the present stream sent its first update, monotonic clock; None before, or without all terminal updates."""


class CountedRun(NamedTuple):
    """A run was counted: later snapshots of it change nothing."""

    run: Run


class Log:
    """All snapshots that an exporter received; a kill makes it lose those that are not on disk."""

    def __init__(self) -> None:
        """Start without snapshots."""
        self._entries: list[Received | CountedRun] = []
        self._written = 0
        self.began = asyncio.Event()
        self.history: set[Run] = set()
        """Runs that were already over on the page that was read when counting began."""
        self._sends_all = True
        self._first_update_ns: int | None = None

    def attach(self, account: Account) -> None:
        """Log the snapshots that an account records, and the runs that it counts."""
        record, apply, begin = account.record, account.apply, account.tracker.begin
        stream_started = account.tracker.stream_started

        def subscribed(mode: Mode = Mode.FIREHOSE) -> None:
            self._sends_all, self._first_update_ns = mode is not Mode.TRACK, None
            stream_started(mode)

        def received(payment: Payment, source: Source, asked: Moment | None = None) -> None:
            at = account.now()
            if source is Source.STREAM and self._sends_all and self._first_update_ns is None:
                self._first_update_ns = at.mono_ns
            asked_ns = (asked or at).mono_ns
            self._entries.append(
                Received(payment, source, at, asked_ns=asked_ns, first_update_ns=self._first_update_ns)
            )
            record(payment, source, asked)

        def applied(events: list[Event]) -> None:
            for event in events:
                if isinstance(event, PaymentSucceeded | PaymentFailed | PaymentLost):
                    self._entries.append(CountedRun(event.ending.run))
            apply(events)

        def began(newest: tuple[Payment, ...], floor_index: int, at: Moment) -> list[Event]:
            in_flight = (payment for payment in newest if not payment.status.ended)
            self._entries += (Received(payment, Source.LIST, at, first_page=True) for payment in in_flight)
            self.history |= {payment.run for payment in newest if payment.status.ended}
            self.began.set()
            return begin(newest, floor_index, at)

        vars(account).update(record=received, apply=applied)
        vars(account.tracker).update(begin=began, stream_started=subscribed)

    def mark_written(self) -> None:
        """Note that everything so far is on disk."""
        self._written = len(self._entries)

    def forget_unwritten(self) -> None:
        """Drop what is not on disk."""
        del self._entries[self._written :]

    def updates(self) -> Tally[str]:
        """Return the number of snapshots by source."""
        return Tally(
            entry.source.value for entry in self._entries if isinstance(entry, Received) and not entry.first_page
        )

    def order(self) -> dict[Run, int]:
        """Return the runs that were counted, numbered in that order."""
        return {entry.run: number for number, entry in enumerate(self._entries) if isinstance(entry, CountedRun)}

    def stories(self, history: Container[Run]) -> list["Story"]:
        """Return the snapshots of each run until it was counted, except runs in `history`."""
        received: dict[Run, list[Received]] = defaultdict(list)
        over: set[Run] = set()
        for entry in self._entries:
            if isinstance(entry, CountedRun):
                over.add(entry.run)
            elif entry.payment.run not in over and entry.payment.run not in history:
                received[entry.payment.run].append(entry)
        return [Story(run, snapshots) for run, snapshots in received.items()]


class Story:
    """All snapshots of one run."""

    def __init__(self, run: Run, received: list[Received]) -> None:
        """`received` is in the order of receipt."""
        self.run = run
        self._snapshots = received
        self.terminals = [entry for entry in received if entry.payment.status.ended]
        self.attempts: dict[int, Attempt] = {}
        for attempt in (attempt for entry in received for attempt in entry.payment.attempts):
            known = self.attempts.get(attempt.key)
            if known is None or known.status is AttemptStatus.IN_FLIGHT:
                self.attempts[attempt.key] = attempt
        self.resolved = [a for a in self.attempts.values() if a.status is not AttemptStatus.IN_FLIGHT]

    @property
    def payments(self) -> list[Payment]:
        """Its snapshots."""
        return [entry.payment for entry in self._snapshots]

    @property
    def lost(self) -> bool:
        """Whether no terminal snapshot was received."""
        return not self.terminals

    @property
    def status(self) -> Status:
        """The status of its first terminal snapshot."""
        return self.terminals[0].payment.status

    @property
    def reasons(self) -> set[Reason]:
        """The reasons of all its terminal snapshots."""
        return {entry.payment.reason for entry in self.terminals}

    def reason(self, last: Reason) -> Reason:
        """Return the reason to count: lnd's last one, `last`, if it was received, else the last one received."""
        return last if last in self.reasons else self.terminals[-1].payment.reason

    @property
    def live(self) -> bool:
        """Whether its end is live.

        It is if the first terminal snapshot came from the stream, or from an answer that overtook a stream which was
        already sending updates when the request was sent.
        """
        return self.terminals[0].source is Source.STREAM or any(
            later.source is Source.STREAM
            and later.first_update_ns is not None
            and later.first_update_ns < earlier.asked_ns
            for earlier, later in combinations(self.terminals, 2)
        )

    @property
    def complete(self) -> bool:
        """Whether all its attempts have been seen."""
        return self.live or any(a.status is AttemptStatus.FAILED for a in self.terminals[0].payment.attempts)

    def counts(self) -> Iterator[tuple[Key, int]]:
        """Yield counters with the labels that are compared, and how much is added to each."""
        yield (Counter.STARTED,), 1
        for attempt in self.attempts.values():
            yield from self._counts_of(attempt)
        if self.lost:
            yield (Counter.LOST,), 1
            return
        if self.status is Status.SUCCEEDED:
            end = self.terminals[0].payment
            yield (Counter.SUCCEEDED,), 1
            yield (Counter.SENT,), end.value_msat
            yield (Counter.FEES,), end.fee_msat
        else:
            yield (Counter.FAILED,), 1
            yield (Counter.FAILED_BY_CAUSE,), 1
            yield (Counter.FAILED_MSAT,), self.terminals[0].payment.value_msat
        yield (Counter.RECOVERED,), not self.live
        yield (Counter.ATTEMPTS_INCOMPLETE,), not self.complete

    def _counts_of(self, attempt: Attempt) -> Iterator[tuple[Key, int]]:
        yield (Counter.ATTEMPTS_STARTED,), 1
        if attempt.status is AttemptStatus.IN_FLIGHT:
            yield (Counter.ATTEMPTS_UNRESOLVED, Unresolved.LOST if self.lost else Unresolved.DELETED), 1
            return
        settled = attempt.status is AttemptStatus.SETTLED
        locked_ms = max(0, attempt.resolve_ns - attempt.attempt_ns) // NS_PER_MS
        yield (Counter.LOCKED_MSAT_MS, _outcome(attempt)), attempt.amount_msat * locked_ms
        yield (Counter.PEER_ATTEMPTS,), 1
        yield (Counter.PEER_OUTSTANDING_MS, _outcome(attempt)), locked_ms
        if settled:
            yield (Counter.ATTEMPTS_SETTLED,), 1
            yield (Counter.PEER_SENT,), attempt.amount_msat - attempt.fee_msat
            yield (Counter.PEER_FEES,), attempt.fee_msat
            yield (Counter.PEER_FEES_BY_PURPOSE,), attempt.fee_msat
            if attempt.back_peer:
                yield (Counter.PEER_REBALANCED_IN,), attempt.amount_msat - attempt.fee_msat
                yield (Counter.PEER_REBALANCED_IN_FEES,), attempt.fee_msat
        else:
            yield (Counter.ATTEMPTS_FAILED, attempt.code or "", attempt.source or ""), 1

    def observations(self) -> Iterator[tuple[HistogramName, str, int]]:
        """Yield the observations of histograms: name, outcome (empty without such a label), value."""
        for attempt in self.resolved:
            yield HistogramName.ATTEMPT_DURATION, _outcome(attempt), max(0, attempt.resolve_ns - attempt.attempt_ns)
            yield HistogramName.ATTEMPT_HOPS, _outcome(attempt), attempt.hops
        first = self._snapshots[0].payment
        if self.attempts and not first.attempts and not first.status.ended:
            sent_ns = next(iter(self.attempts.values())).attempt_ns
            yield HistogramName.FIRST_ATTEMPT, "", max(0, sent_ns - self._created_ns)
        if self.lost:
            return
        end = self.terminals[0].payment
        outcome = Outcome(self.status.value)
        if (duration_ns := self._duration_ns()) is not None:
            yield HistogramName.DURATION, outcome, duration_ns
        if self.complete:
            yield HistogramName.ATTEMPTS, outcome, len(self.attempts)
        if self.status is Status.SUCCEEDED:
            yield HistogramName.FEE, "", end.fee_msat
            yield HistogramName.FEE_PPM, "", -(-end.fee_msat * PICO // end.value_msat)
            yield HistogramName.PARTS, "", sum(a.status is AttemptStatus.SETTLED for a in self.resolved)

    @property
    def _created_ns(self) -> int:
        return self.run.created_us * NS_PER_US

    def _duration_ns(self) -> int | None:
        if self.resolved and (self.complete or self.status is Status.SUCCEEDED):
            return max(0, max(attempt.resolve_ns for attempt in self.resolved) - self._created_ns)
        return max(0, self.terminals[0].at.wall_ns - self._created_ns) if self.live else None


def _outcome(attempt: Attempt) -> Outcome:
    return Outcome.SUCCEEDED if attempt.status is AttemptStatus.SETTLED else Outcome.FAILED


class Totals(NamedTuple):
    """Totals and observations, summed over the labels that are not compared: kind, amount, purpose, cause, peer."""

    counts: Tally[Key]
    histograms: dict[Key, tuple[list[int], int]]
    """Observations in each single bucket (not cumulative), and the sum of their values."""


def expected(stories: Iterable[Story]) -> Totals:
    """Return what a page must show."""
    counts = Tally[Key]()
    histograms: dict[Key, Histogram] = {}
    for story in stories:
        for key, number in story.counts():
            counts[_plain(key)] += number
        for name, outcome, value in story.observations():
            histograms.setdefault(_plain((name, outcome)), Histogram(EDGES[name])).observe(value)
    return Totals(+counts, {key: (histogram.buckets, histogram.total) for key, histogram in histograms.items()})


COMPARED_LABELS: dict[Counter, slice] = {
    Counter.ATTEMPTS_FAILED: slice(1, None),
    Counter.ATTEMPTS_UNRESOLVED: slice(None),
    Counter.LOCKED_MSAT_MS: slice(None),
    Counter.PEER_OUTSTANDING_MS: slice(1, None),
}
"""The labels that are compared; of all other counters the sum over all labels is compared."""
NOT_SUMMED = (
    Counter.TRANSITIONS,
    Counter.SUCCEEDED_LATE,
    Counter.SUCCEEDED_LATE_MSAT,
    Counter.FAILED_MADE_GOOD,
    Counter.DESTINATION_ENDED,
    Counter.DESTINATION_SENT,
    Counter.DESTINATION_FEES,
    Counter.UPDATES,
    Counter.UPDATES_IGNORED,
    Counter.INTERRUPTIONS,
    Counter.CATCH_UP,
    Counter.LND_CALLS,
)
"""Counters that `check` compares otherwise, or not at all; `destination_law` compares those by destination."""
HISTOGRAMS_NOT_SUMMED = (HistogramName.UPDATE_DELAY, HistogramName.RUNS, HistogramName.DESTINATION_DURATION)


def page_totals(view: View) -> Totals:
    """Return what a page shows, in the form of `expected`."""
    counts = Tally[Key]()
    for counter, series in view.counters.items():
        for labels, number in series.items():
            if counter not in NOT_SUMMED:
                counts[_plain((counter, *labels[COMPARED_LABELS.get(counter, slice(0))]))] += number
    histograms: dict[Key, tuple[list[int], int]] = {}
    for name, by_labels in view.histograms.items():
        for labels, histogram in by_labels.items():
            if name in HISTOGRAMS_NOT_SUMMED or not any(histogram.buckets):
                continue
            key = _plain((name, labels[-1] if labels and labels[-1] in list(Outcome) else ""))
            buckets, total = histograms.get(key, ([0] * len(histogram.buckets), 0))
            added = [before + more for before, more in zip(buckets, histogram.buckets, strict=True)]
            histograms[key] = added, total + histogram.total
    return Totals(+counts, histograms)


def _plain(key: Key) -> Key:
    return tuple(map(str, key))


def retried_runs(runs: Collection[Run]) -> set[Run]:
    """Return the runs that were followed by another run of the same hash: lnd has erased them."""
    last = {run.payment_hash: run for run in sorted(runs, key=lambda run: run.created_us)}
    return {run for run in runs if last[run.payment_hash] != run}


def check(
    view: View, log: Log, ends: Mapping[Run, Finished], *, history: Container[Run], deleted: Collection[Run]
) -> None:
    """Check every count and every bucket of a page, and that no run is missing, invented or wrongly lost.

    `ends` are all runs that are over, `history` those that were over before counting began, `deleted` those that were
    deleted.
    """
    truth = {run: end for run, end in ends.items() if run not in history}
    retried = retried_runs(truth)
    erased = retried.union(deleted)
    stories = log.stories(history)
    received = {story.run for story in stories}
    lost = {story.run for story in stories if story.lost}
    assert not truth.keys() - received - erased, "lnd still knows it, but it was never received"
    assert not received - truth.keys(), "it never existed"
    assert not lost - erased, "counted as lost, but lnd still knows it"
    assert view.counters[Counter.LOST][Lost.RETRIED,] <= len(lost & retried), "its hash wasn't tried again"
    reason_missing = {story.run for story in stories if not story.lost and truth[story.run].reason not in story.reasons}
    assert not reason_missing - erased, "lnd's last reason for it was never received"
    assert page_totals(view) == expected(stories)
    ended = [story for story in stories if not story.lost]
    assert _reasons(view) == Tally((str(s.status), str(s.reason(truth[s.run].reason))) for s in ended)
    late = (s for s in ended if s.status is Status.SUCCEEDED and s.reason(truth[s.run].reason) is not Reason.NONE)
    late_msat = sum(view.counters[Counter.SUCCEEDED_LATE_MSAT].values())
    assert late_msat == sum(s.terminals[0].payment.value_msat for s in late)
    _check_made_good(view, ended, truth, log.order())
    transitions = Tally[str]()
    for (_, after), number in view.counters[Counter.TRANSITIONS].items():
        transitions[after] += number
    over = [sum(view.counters[counter].values()) for counter in (Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)]
    assert [transitions["succeeded"], transitions["failed"], transitions["lost"]] == over
    assert {source: n for (source,), n in view.counters[Counter.UPDATES].items() if n} == log.updates()


def _check_made_good(
    view: View, ended: Collection[Story], truth: Mapping[Run, Finished], order: Mapping[Run, int]
) -> None:
    """Check that each failed run whose hash succeeded counts once as made good, with the labels of its failure.

    The runs of a success are those that were counted until then.
    """
    failed: defaultdict[str, dict[Run, Key]] = defaultdict(dict)
    for end, story in ((truth[story.run], story) for story in ended):
        if end.status is Status.FAILED and end.kind in REPAYABLE:
            labels = (end.kind, amount_band(end.value_msat), story.reason(end.reason))
            failed[end.payment_hash][end.run] = _plain(labels)
    successes = [truth[story.run] for story in ended if story.status is Status.SUCCEEDED]
    made_good = Tally(labels for end in successes for labels in failed[end.payment_hash].values())
    shown = view.counters[Counter.FAILED_MADE_GOOD]
    assert +Tally({_plain(labels): number for labels, number in shown.items()}) == made_good
    runs = Histogram(EDGES[HistogramName.RUNS])
    for end in successes:
        if end.kind in REPAYABLE:
            runs.observe(1 + sum(order[run] < order[end.run] for run in failed[end.payment_hash]))
    histograms = view.histograms[HistogramName.RUNS].values()
    assert [sum(numbers) for numbers in zip(*(each.buckets for each in histograms), strict=True)] == runs.buckets
    assert sum(each.total for each in histograms) == runs.total


def _reasons(view: View) -> Tally[tuple[str, str]]:
    """Return the number of ended runs by status and reason."""
    reasons = Tally[tuple[str, str]]()
    for (_, _, reason), number in view.counters[Counter.FAILED].items():
        reasons["failed", reason] += number
    for (reason,), number in view.counters[Counter.SUCCEEDED_LATE].items():
        reasons["succeeded", reason] += number
    late = sum(view.counters[Counter.SUCCEEDED_LATE].values())
    reasons["succeeded", "none"] = sum(view.counters[Counter.SUCCEEDED].values()) - late
    return +reasons
