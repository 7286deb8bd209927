"""What must be counted of what was heard, worked out afterwards in one go: no state, no order but that of the ends.

The exporter learns step by step, forgets, is killed and goes on; this looks at all that an exporter heard and has not
forgotten by a kill, payment by payment, and adds up what `docs/metrics.md` says.
"""

import asyncio
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import combinations
from typing import NamedTuple, TypeAlias

from exporter.follow import Account
from exporter.payments.event import Event, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import AttemptStatus, Lost, Mode, Outcome, Reason, Source, Status, Unresolved
from exporter.payments.payment import US_PER_NS, Attempt, Moment, Payment, Run
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName
from exporter.payments.view import View
from exporter.simulator.truth import Finished

Words: TypeAlias = tuple[str, ...]

NS_PER_MS = 1_000_000
PICO = 10**12


class Heard(NamedTuple):
    """One snapshot, as it reached the books."""

    payment: Payment
    source: Source
    at: Moment
    first_page: bool = False
    """It was in flight when counting began: not counted as an update."""
    asked_ns: int = 0
    """When the question was put that it answers, monotonic clock."""
    spoke_ns: int | None = None
    """When the present stream said its first word, monotonic clock; None before, and if it doesn't tell all ends."""


class Over(NamedTuple):
    """A run was counted: what is heard of it from now on says nothing."""

    run: Run


class Log:
    """All that an exporter heard; a kill makes it forget what it hadn't written."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._entries: list[Heard | Over] = []
        self._written = 0
        self.began = asyncio.Event()
        self.history: set[Run] = set()
        """Runs that were over when the page with them was read, before counting began."""
        self._tells_all = True
        self._spoke_ns: int | None = None

    def listen(self, account: Account) -> None:
        """Take down what these books are told, and when they close a run."""
        record, apply, begin = account.record, account.apply, account.tracker.begin
        stream_started = account.tracker.stream_started

        def subscribed(mode: Mode = Mode.FIREHOSE) -> None:
            self._tells_all, self._spoke_ns = mode is not Mode.TRACK, None
            stream_started(mode)

        def heard(payment: Payment, source: Source, asked: Moment | None = None) -> None:
            at = account.now()
            if source is Source.STREAM and self._tells_all and self._spoke_ns is None:
                self._spoke_ns = at.mono_ns
            asked_ns = (asked or at).mono_ns
            self._entries.append(Heard(payment, source, at, asked_ns=asked_ns, spoke_ns=self._spoke_ns))
            record(payment, source, asked)

        def applied(events: list[Event]) -> None:
            for event in events:
                if isinstance(event, PaymentSucceeded | PaymentFailed):
                    self._entries.append(Over(event.ending.run))
                elif isinstance(event, PaymentLost):
                    self._entries.append(Over(event.run))
            apply(events)

        def began(newest: tuple[Payment, ...], floor_index: int, at: Moment) -> list[Event]:
            in_flight = (payment for payment in newest if not payment.status.ended)
            self._entries += (Heard(payment, Source.LIST, at, first_page=True) for payment in in_flight)
            self.history |= {payment.run for payment in newest if payment.status.ended}
            self.began.set()
            return begin(newest, floor_index, at)

        vars(account).update(record=heard, apply=applied)
        vars(account.tracker).update(begin=began, stream_started=subscribed)

    def written(self) -> None:
        """All so far is on disk."""
        self._written = len(self._entries)

    def killed(self) -> None:
        """What isn't on disk was never heard."""
        del self._entries[self._written :]

    def updates(self) -> Tally[str]:
        """Snapshots by source."""
        return Tally(entry.source.value for entry in self._entries if isinstance(entry, Heard) and not entry.first_page)

    def stories(self, history: Container[Run]) -> list["Story"]:
        """What was heard of each run until it was counted, but for those that were over before."""
        heard: dict[Run, list[Heard]] = defaultdict(list)
        over: set[Run] = set()
        for entry in self._entries:
            if isinstance(entry, Over):
                over.add(entry.run)
            elif entry.payment.run not in over and entry.payment.run not in history:
                heard[entry.payment.run].append(entry)
        return [Story(run, snapshots) for run, snapshots in heard.items()]


class Story:
    """All that was heard of one run."""

    def __init__(self, run: Run, heard: list[Heard]) -> None:
        """In the order in which it was heard."""
        self.run = run
        self._heard = heard
        self.terminals = [entry for entry in heard if entry.payment.status.ended]
        self.attempts: dict[int, Attempt] = {}
        for attempt in (attempt for entry in heard for attempt in entry.payment.attempts):
            known = self.attempts.get(attempt.key)
            if known is None or known.status is AttemptStatus.IN_FLIGHT:
                self.attempts[attempt.key] = attempt
        self.resolved = [a for a in self.attempts.values() if a.status is not AttemptStatus.IN_FLIGHT]

    @property
    def lost(self) -> bool:
        """Nobody saw its end."""
        return not self.terminals

    @property
    def status(self) -> Status:
        """Of its first end."""
        return self.terminals[0].payment.status

    @property
    def reasons(self) -> set[Reason]:
        """Of all its ends."""
        return {entry.payment.reason for entry in self.terminals}

    def reason(self, last: Reason) -> Reason:
        """What must be counted, if `last` is what lnd wrote at last: that, or else what was heard at last."""
        return last if last in self.reasons else self.terminals[-1].payment.reason

    @property
    def live(self) -> bool:
        """Its first end came by the stream, or an answer came before a stream that was there when it was asked."""
        return self.terminals[0].source is Source.STREAM or any(
            told.source is Source.STREAM and told.spoke_ns is not None and told.spoke_ns < before.asked_ns
            for before, told in combinations(self.terminals, 2)
        )

    @property
    def complete(self) -> bool:
        """All its attempts have been seen."""
        return self.live or any(a.status is AttemptStatus.FAILED for a in self.terminals[0].payment.attempts)

    def counts(self) -> Iterator[tuple[Words, int]]:
        """What is counted, and how much of it."""
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

    def _counts_of(self, attempt: Attempt) -> Iterator[tuple[Words, int]]:
        yield (Counter.ATTEMPTS_STARTED,), 1
        if attempt.status is AttemptStatus.IN_FLIGHT:
            yield (Counter.ATTEMPTS_UNRESOLVED, Unresolved.LOST if self.lost else Unresolved.DELETED), 1
            return
        settled = attempt.status is AttemptStatus.SETTLED
        locked_ms = max(0, attempt.resolve_ns - attempt.attempt_ns) // NS_PER_MS
        yield (Counter.LOCKED_MSAT_MS, _outcome(attempt)), attempt.amount_msat * locked_ms
        yield (Counter.PEER_ATTEMPTS,), 1
        if settled:
            yield (Counter.ATTEMPTS_SETTLED,), 1
            yield (Counter.PEER_SENT,), attempt.amount_msat - attempt.fee_msat
            yield (Counter.PEER_FEES,), attempt.fee_msat
        else:
            yield (Counter.ATTEMPTS_FAILED, attempt.code or "", attempt.source or ""), 1

    def observations(self) -> Iterator[tuple[HistogramName, str, int]]:
        """What histograms observe, with its outcome where they tell outcomes apart."""
        for attempt in self.resolved:
            yield HistogramName.ATTEMPT_DURATION, _outcome(attempt), max(0, attempt.resolve_ns - attempt.attempt_ns)
            yield HistogramName.ATTEMPT_HOPS, _outcome(attempt), attempt.hops
        first = self._heard[0].payment
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
        return self.run.created_us * US_PER_NS

    def _duration_ns(self) -> int | None:
        if self.resolved and (self.complete or self.status is Status.SUCCEEDED):
            return max(0, max(attempt.resolve_ns for attempt in self.resolved) - self._created_ns)
        return max(0, self.terminals[0].at.wall_ns - self._created_ns) if self.live else None


def _outcome(attempt: Attempt) -> Outcome:
    return Outcome.SUCCEEDED if attempt.status is AttemptStatus.SETTLED else Outcome.FAILED


class Books(NamedTuple):
    """Totals and observations, summed over what only a page tells apart: kind, amount, purpose, cause, peer."""

    counts: Tally[Words]
    histograms: dict[Words, tuple[list[int], int]]
    """Observations in each bucket alone, and their sum."""


def expected(stories: Iterable[Story]) -> Books:
    """What a page must show."""
    counts = Tally[Words]()
    histograms: dict[Words, Histogram] = {}
    for story in stories:
        for words, number in story.counts():
            counts[_plain(words)] += number
        for name, outcome, value in story.observations():
            histograms.setdefault(_plain((name, outcome)), Histogram(EDGES[name])).observe(value)
    return Books(+counts, {words: (histogram.buckets, histogram.total) for words, histogram in histograms.items()})


TOLD_APART: dict[Counter, slice] = {
    Counter.ATTEMPTS_FAILED: slice(1, None),
    Counter.ATTEMPTS_UNRESOLVED: slice(None),
    Counter.LOCKED_MSAT_MS: slice(None),
}
"""The labels that are compared; of all other counters the sum is."""
OTHERWISE = (
    Counter.TRANSITIONS,
    Counter.SUCCEEDED_LATE,
    Counter.UPDATES,
    Counter.UPDATES_IGNORED,
    Counter.INTERRUPTIONS,
    Counter.CATCH_UP,
    Counter.LND_CALLS,
)
"""Compared with something else, or with nothing."""


def shown(view: View) -> Books:
    """The same of what a page shows."""
    counts = Tally[Words]()
    for counter, series in view.counters.items():
        for labels, number in series.items():
            if counter not in OTHERWISE:
                counts[_plain((counter, *labels[TOLD_APART.get(counter, slice(0))]))] += number
    histograms: dict[Words, tuple[list[int], int]] = {}
    for name, by_labels in view.histograms.items():
        for labels, histogram in by_labels.items():
            if name is HistogramName.UPDATE_DELAY or not any(histogram.buckets):
                continue
            words = _plain((name, labels[-1] if labels and labels[-1] in list(Outcome) else ""))
            buckets, total = histograms.get(words, ([0] * len(histogram.buckets), 0))
            added = [before + more for before, more in zip(buckets, histogram.buckets, strict=True)]
            histograms[words] = added, total + histogram.total
    return Books(+counts, histograms)


def _plain(words: Words) -> Words:
    return tuple(map(str, words))


def tried_again(runs: Collection[Run]) -> set[Run]:
    """Those of the runs after which there is another one of their hash: lnd has erased them."""
    last = {run.payment_hash: run for run in sorted(runs, key=lambda run: run.created_us)}
    return {run for run in runs if last[run.payment_hash] != run}


def check(
    view: View, log: Log, ends: Mapping[Run, Finished], *, history: Container[Run], deleted: Collection[Run]
) -> None:
    """Every count and every bucket, and of each run that it is where it belongs.

    `ends` are all runs that are over, `history` those that were before counting began, `deleted` those that somebody
    deleted.
    """
    truth = {run: end for run, end in ends.items() if run not in history}
    retried = tried_again(truth)
    erased = retried.union(deleted)
    stories = log.stories(history)
    heard = {story.run for story in stories}
    lost = {story.run for story in stories if story.lost}
    assert not truth.keys() - heard - erased, "lnd still knows it, and nobody asked"
    assert not heard - truth.keys(), "it never was"
    assert not lost - erased, "lost, and lnd still knows it"
    assert view.counters[Counter.LOST][Lost.RETRIED,] <= len(lost & retried), "its hash wasn't tried again"
    unheard = {story.run for story in stories if not story.lost and truth[story.run].reason not in story.reasons}
    assert not unheard - erased, "lnd's last word on it wasn't heard"
    assert shown(view) == expected(stories)
    told = (story for story in stories if not story.lost)
    assert _reasons(view) == Tally((str(s.status), str(s.reason(truth[s.run].reason))) for s in told)
    transitions = Tally[str]()
    for (_, after), number in view.counters[Counter.TRANSITIONS].items():
        transitions[after] += number
    over = [sum(view.counters[counter].values()) for counter in (Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)]
    assert [transitions["succeeded"], transitions["failed"], transitions["lost"]] == over
    assert {source: n for (source,), n in view.counters[Counter.UPDATES].items() if n} == log.updates()


def _reasons(view: View) -> Tally[tuple[str, str]]:
    """Ended runs by status and reason."""
    reasons = Tally[tuple[str, str]]()
    for (_, _, reason), number in view.counters[Counter.FAILED].items():
        reasons["failed", reason] += number
    for (reason,), number in view.counters[Counter.SUCCEEDED_LATE].items():
        reasons["succeeded", reason] += number
    late = sum(view.counters[Counter.SUCCEEDED_LATE].values())
    reasons["succeeded", "none"] = sum(view.counters[Counter.SUCCEEDED].values()) - late
    return +reasons
