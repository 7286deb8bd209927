"""Properties of every history: random lives of payments, interleaved, doubled, late, interrupted and recovered."""

from collections import Counter as Tally
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.payments import inflight
from exporter.payments.event import Event, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Kind, Reason, Source
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Attempt, Payment
from exporter.payments.totals import Counter
from exporter.payments.tracker import Tracker
from tests.payments.build import FAILED, IN_FLIGHT, SECOND, SUCCEEDED, T0, Observer, at, failed, flying, settled

pytestmark = pytest.mark.slow

UNEQUAL = (Counter.UPDATES, Counter.UPDATES_IGNORED)
"""Totals that depend on how often a snapshot is sent."""


class Life(NamedTuple):
    """One run: all messages that lnd sends of it, and its final state in lnd's database."""

    messages: tuple[Payment, ...]
    final: Payment

    @property
    def kept(self) -> Payment:
        """The final state as lnd returns it later: failed attempts are deleted."""
        left = tuple(a for a in self.final.attempts if a.status is not AttemptStatus.FAILED)
        return self.final._replace(attempts=left)


@st.composite
def scenarios(draw: st.DrawFn) -> list[Life]:
    """Generate up to eight runs, each with its own hash and attempt ids."""
    ids = iter(range(1, 1000))
    return [_scenario(draw, number, ids) for number in range(1, draw(st.integers(1, 8)) + 1)]


def _scenario(draw: st.DrawFn, number: int, ids: Iterator[int]) -> Life:
    base = Payment(
        payment_hash=f"{number:064x}",
        created_ns=T0 + number * 1000,
        payment_index=number,
        status=IN_FLIGHT,
        value_msat=draw(st.integers(1, 10**12)),
        invoice=draw(st.booleans()),
    )
    messages, attempts = [base], list[Attempt]()
    hint = draw(st.sampled_from([None, None, Kind.AMP, Kind.KEYSEND, Kind.REBALANCE]))
    for _ in range(draw(st.integers(0, 5))):
        msat = draw(st.integers(0, 10**12))
        attempts.append(flying(next(ids), hint=hint, msat=msat)._replace(fee_msat=draw(st.integers(0, msat))))
        messages.append(_snapshot(base, attempts))
        if draw(st.booleans()):
            attempts[-1] = _resolve(draw, attempts[-1])
            messages.append(_snapshot(base, attempts))
    reason = draw(st.sampled_from(Reason))
    messages.append(_snapshot(base, attempts, reason))
    for i, attempt in enumerate(attempts):
        if attempt.status is AttemptStatus.IN_FLIGHT:
            attempts[i] = _resolve(draw, attempt)
            messages.append(_snapshot(base, attempts, reason))
    won = any(a.status is AttemptStatus.SETTLED for a in attempts)
    status = SUCCEEDED if won else FAILED
    final = _snapshot(base, attempts, reason)._replace(status=status)
    messages[-1 if len(messages) > 1 else 1 :] = [final]
    if draw(st.booleans()):
        final = final._replace(reason=draw(st.sampled_from(Reason)))
        messages.append(final)
    return Life(tuple(messages), final)


def _snapshot(base: Payment, attempts: list[Attempt], reason: Reason = Reason.NONE) -> Payment:
    fee = sum(a.fee_msat for a in attempts if a.status is AttemptStatus.SETTLED)
    return base._replace(attempts=tuple(attempts), reason=reason, fee_msat=fee)


def _resolve(draw: st.DrawFn, attempt: Attempt) -> Attempt:
    if draw(st.booleans()):
        return settled(attempt)
    return failed(attempt, draw(st.sampled_from(Code)), draw(st.sampled_from(FailureSource)))


@st.composite
def streams(draw: st.DrawFn, of: list[Life]) -> list[Payment]:
    """Interleave the messages of all lives at random, those of each life in their order."""
    order = draw(st.permutations([i for i, scenario in enumerate(of) for _ in scenario.messages]))
    nexts = [iter(scenario.messages) for scenario in of]
    return [next(nexts[i]) for i in order]


def flat(ledger: Ledger, *, but: tuple[Counter, ...] = ()) -> dict[tuple[str, ...], int]:
    """Return all totals that are not 0, except the counters in `but`."""
    totals = {
        (counter, *labels): n for counter, s in ledger.counters.items() if counter not in but for labels, n in s.items()
    }
    for name, series in ledger.histograms.items():
        for labels, histogram in series.items():
            totals |= {(name, *labels, str(i)): n for i, n in enumerate(histogram.buckets)}
            totals[name, *labels, "sum"] = histogram.total
    return {key: n for key, n in totals.items() if n}


class CheckingObserver(Observer):
    """An observer that checks the properties after every snapshot."""

    def __init__(self) -> None:
        """Start without any run."""
        super().__init__(Tracker(), Ledger())
        self.before: dict[tuple[str, ...], int] = {}
        self.ends: Tally[object] = Tally()

    def apply(self, events: list[Event]) -> list[Event]:
        """Count the facts, then check that all properties hold."""
        facts = super().apply(events)
        counters = self.ledger.counters
        gauges = inflight.count(self.tracker.open.values(), at(3600), 1)
        finished = [
            event.ending.run for event in facts if isinstance(event, PaymentSucceeded | PaymentFailed | PaymentLost)
        ]
        self.ends.update(finished)
        assert max(self.ends.values(), default=0) <= 1, "a run ended twice"
        assert counters[Counter.STARTED][()] == (
            sum(counters[Counter.SUCCEEDED].values())
            + sum(counters[Counter.FAILED].values())
            + sum(counters[Counter.LOST].values())
            + sum(gauges.runs.values())
        )
        assert counters[Counter.ATTEMPTS_STARTED][()] == (
            counters[Counter.ATTEMPTS_SETTLED][()]
            + sum(counters[Counter.ATTEMPTS_FAILED].values())
            + sum(counters[Counter.ATTEMPTS_UNRESOLVED].values())
            + gauges.htlcs
        )
        after = flat(self.ledger)
        assert all(after.get(key, 0) >= n for key, n in self.before.items()), "a total fell"
        self.before = after
        return facts


def expected(of: list[Life]) -> dict[Counter, object]:
    """Return the totals that must have been counted in the end."""
    won = [scenario.final for scenario in of if scenario.final.status is SUCCEEDED]
    return {
        Counter.STARTED: len(of),
        Counter.SUCCEEDED: len(won),
        Counter.FAILED: len(of) - len(won),
        Counter.SENT: sum(p.value_msat for p in won),
        Counter.FEES: sum(p.fee_msat for p in won),
        Counter.FAILED_MSAT: sum(scenario.final.value_msat for scenario in of if scenario.final.status is FAILED),
    }


def counted(ledger: Ledger) -> dict[Counter, object]:
    """Return the same totals from the ledger."""
    names = (Counter.STARTED, Counter.SUCCEEDED, Counter.FAILED, Counter.SENT, Counter.FEES, Counter.FAILED_MSAT)
    return {name: sum(ledger.counters[name].values()) for name in names}


def final_reasons(of: list[Life]) -> Tally[str]:
    """Return the number of failed payments by the reason in lnd's database."""
    return Tally(scenario.final.reason.value for scenario in of if scenario.final.status is FAILED)


def counted_reasons(ledger: Ledger) -> Tally[str]:
    """Return the same numbers from the ledger."""
    tally: Tally[str] = Tally()
    for (_, _, reason), n in ledger.counters[Counter.FAILED].items():
        tally[reason] += n
    return +tally


@given(st.data())
@settings(max_examples=150)
def test_whole_history_is_counted_exactly(data: st.DataObject) -> None:
    """All messages are received live; the reasons are those in lnd's database."""
    of = data.draw(scenarios())
    observer = CheckingObserver()
    for message in data.draw(streams(of)):
        observer.receive(message, 1)
    observer.release(3)
    assert counted(observer.ledger) == expected(of)
    assert counted_reasons(observer.ledger) == final_reasons(of)
    attempts = sum(len(scenario.final.attempts) for scenario in of)
    assert observer.ledger.counters[Counter.ATTEMPTS_STARTED] == {(): attempts}
    assert not sum(observer.ledger.counters[Counter.ATTEMPTS_UNRESOLVED].values())
    assert observer.tracker.open == {}


@given(st.data())
@settings(max_examples=150)
def test_duplicates_and_late_snapshots_change_no_total(data: st.DataObject) -> None:
    """Only the totals of updates change.

    A late snapshot is one that a new subscription may send: a state in flight of any earlier time.
    """
    of = data.draw(scenarios())
    plain, noisy = CheckingObserver(), CheckingObserver()
    sent: list[Payment] = []
    for message in data.draw(streams(of)):
        plain.receive(message, 1)
        noisy.receive(message, 1)
        sent.append(message)
        for index in data.draw(st.lists(st.integers(0, len(sent) - 1), max_size=2)):
            late = sent[index]
            if not late.status.ended or late is message:
                noisy.receive(late, 1)
    plain.release(3)
    noisy.release(3)
    assert flat(noisy.ledger, but=UNEQUAL) == flat(plain.ledger, but=UNEQUAL)


@given(st.data())
@settings(max_examples=200)
def test_interrupted_history_is_counted_exactly(data: st.DataObject) -> None:
    """Each run is counted once, with the reason in lnd's database, whatever part of the stream was missed.

    After the interruption lnd returns only the final states, without failed attempts.
    """
    of = data.draw(scenarios())
    messages = data.draw(streams(of))
    cut = data.draw(st.integers(0, len(messages)))
    observer = CheckingObserver()
    for message in messages[:cut]:
        observer.receive(message, 1)
    observer.tracker.stream_lost()
    observer.release(10)
    observer.tracker.stream_started()
    back = data.draw(st.sampled_from([20, 200]))
    for scenario in of:
        observer.receive(scenario.kept, back, Source.LIST)
    for seconds in (back, back + 5):  # recent ends are asked for twice
        for payment_hash in observer.tracker.hashes_to_ask_for(at(seconds)):
            scenario = next(scenario for scenario in of if scenario.final.payment_hash == payment_hash)
            observer.receive(scenario.kept, seconds, Source.TRACK)
        observer.release(seconds + 2)
    assert counted(observer.ledger) == expected(of)
    assert counted_reasons(observer.ledger) == final_reasons(of)
    assert observer.tracker.open == {}


@given(st.data())
@settings(max_examples=100)
def test_runs_deleted_or_retried_during_an_interruption(data: st.DataObject) -> None:
    """Runs that vanish are lost, each once; a retry of the hash is another run."""
    of = data.draw(scenarios())
    messages = data.draw(streams(of))
    observer = CheckingObserver()
    for message in messages[: data.draw(st.integers(0, len(messages)))]:
        observer.receive(message, 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    seen = sum(observer.ledger.counters[Counter.STARTED].values())
    retried = 0
    for scenario in of:
        if data.draw(st.booleans()):
            retried += 1
            again = scenario.kept._replace(created_ns=T0 + SECOND, payment_index=scenario.kept.payment_index + 100)
            observer.receive(again, 200, Source.LIST)
            observer.receive(again, 290, Source.TRACK)
        else:
            observer.not_found(200, scenario.final.payment_hash)
            observer.not_found(290, scenario.final.payment_hash)
    observer.release(299)
    assert observer.ledger.counters[Counter.STARTED] == {(): seen + retried}
    assert observer.tracker.open == {}
