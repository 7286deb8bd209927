"""Laws that hold for every history: random lives of payments, interleaved, doubled, late, cut off and recovered."""

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
"""What may depend on how often something is said."""


class Life(NamedTuple):
    """One run as lnd lives it: every message it sends, and what its database knows in the end."""

    messages: tuple[Payment, ...]
    final: Payment

    @property
    def kept(self) -> Payment:
        """What can still be asked later: the failed attempts are deleted."""
        left = tuple(a for a in self.final.attempts if a.status is not AttemptStatus.FAILED)
        return self.final._replace(attempts=left)


@st.composite
def lives(draw: st.DrawFn) -> list[Life]:
    """Up to eight runs with hashes and attempt ids of their own."""
    ids = iter(range(1, 1000))
    return [_life(draw, number, ids) for number in range(1, draw(st.integers(1, 8)) + 1)]


def _life(draw: st.DrawFn, number: int, ids: Iterator[int]) -> Life:
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
    """The messages of all lives, each life in its order, the lives mixed as chance will."""
    order = draw(st.permutations([i for i, life in enumerate(of) for _ in life.messages]))
    nexts = [iter(life.messages) for life in of]
    return [next(nexts[i]) for i in order]


def flat(ledger: Ledger, *, but: tuple[Counter, ...] = ()) -> dict[tuple[str, ...], int]:
    """All totals, those that are not 0."""
    totals = {
        (counter, *labels): n for counter, s in ledger.counters.items() if counter not in but for labels, n in s.items()
    }
    for name, series in ledger.histograms.items():
        for labels, histogram in series.items():
            totals |= {(name, *labels, str(i)): n for i, n in enumerate(histogram.buckets)}
            totals[name, *labels, "sum"] = histogram.total
    return {key: n for key, n in totals.items() if n}


class Witness(Observer):
    """An observer that checks the laws after every word."""

    def __init__(self) -> None:
        """Nothing seen."""
        super().__init__(Tracker(), Ledger())
        self.before: dict[tuple[str, ...], int] = {}
        self.ends: Tally[object] = Tally()

    def take(self, events: list[Event]) -> list[Event]:
        """Count, then look whether all laws hold."""
        said = super().take(events)
        counters = self.ledger.counters
        gauges = inflight.count(self.tracker.open.values(), at(3600), 1)
        finished = [
            event.run if isinstance(event, PaymentLost) else event.ending.run
            for event in said
            if isinstance(event, PaymentSucceeded | PaymentFailed | PaymentLost)
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
        return said


def expected(of: list[Life]) -> dict[Counter, object]:
    """What must have been counted in the end, from the lives alone."""
    won = [life.final for life in of if life.final.status is SUCCEEDED]
    return {
        Counter.STARTED: len(of),
        Counter.SUCCEEDED: len(won),
        Counter.FAILED: len(of) - len(won),
        Counter.SENT: sum(p.value_msat for p in won),
        Counter.FEES: sum(p.fee_msat for p in won),
        Counter.FAILED_MSAT: sum(life.final.value_msat for life in of if life.final.status is FAILED),
    }


def counted(ledger: Ledger) -> dict[Counter, object]:
    """The same from the ledger."""
    names = (Counter.STARTED, Counter.SUCCEEDED, Counter.FAILED, Counter.SENT, Counter.FEES, Counter.FAILED_MSAT)
    return {name: sum(ledger.counters[name].values()) for name in names}


def final_reasons(of: list[Life]) -> Tally[str]:
    """Failed payments by the reason that lnd keeps."""
    return Tally(life.final.reason.value for life in of if life.final.status is FAILED)


def counted_reasons(ledger: Ledger) -> Tally[str]:
    """The same from the ledger."""
    tally: Tally[str] = Tally()
    for (_, _, reason), n in ledger.counters[Counter.FAILED].items():
        tally[reason] += n
    return +tally


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whole_histories(data: st.DataObject) -> None:
    """Heard live and whole, every number is exact, and the reasons are those that lnd keeps."""
    of = data.draw(lives())
    witness = Witness()
    for message in data.draw(streams(of)):
        witness.hear(message, 1)
    witness.release(3)
    assert counted(witness.ledger) == expected(of)
    assert counted_reasons(witness.ledger) == final_reasons(of)
    attempts = sum(len(life.final.attempts) for life in of)
    assert witness.ledger.counters[Counter.ATTEMPTS_STARTED] == {(): attempts}
    assert not sum(witness.ledger.counters[Counter.ATTEMPTS_UNRESOLVED].values())
    assert witness.tracker.open == {}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_duplicates_and_latecomers(data: st.DataObject) -> None:
    """Repeating anything, at once or later, changes no total but those of updates.

    What comes late is what a subscription's snapshot can bring: an in-flight state of any earlier time.
    """
    of = data.draw(lives())
    plain, noisy = Witness(), Witness()
    said: list[Payment] = []
    for message in data.draw(streams(of)):
        plain.hear(message, 1)
        noisy.hear(message, 1)
        said.append(message)
        for index in data.draw(st.lists(st.integers(0, len(said) - 1), max_size=2)):
            late = said[index]
            if not late.status.ended or late is message:
                noisy.hear(late, 1)
    plain.release(3)
    noisy.release(3)
    assert flat(noisy.ledger, but=UNEQUAL) == flat(plain.ledger, but=UNEQUAL)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_cut_off_and_recovered(data: st.DataObject) -> None:
    """Whatever part of the stream is missed, each run is counted once, with the reason that lnd keeps.

    After the gap lnd knows only the final states, without failed attempts.
    """
    of = data.draw(lives())
    messages = data.draw(streams(of))
    cut = data.draw(st.integers(0, len(messages)))
    witness = Witness()
    for message in messages[:cut]:
        witness.hear(message, 1)
    witness.tracker.stream_lost()
    witness.release(10)
    witness.tracker.stream_started()
    back = data.draw(st.sampled_from([20, 200]))
    for life in of:
        witness.hear(life.kept, back, Source.LIST)
    for seconds in (back, back + 5):  # ends that are a moment old are asked for twice
        for payment_hash in witness.tracker.unseen():
            life = next(life for life in of if life.final.payment_hash == payment_hash)
            witness.hear(life.kept, seconds, Source.TRACK)
        witness.release(seconds + 2)
    assert counted(witness.ledger) == expected(of)
    assert counted_reasons(witness.ledger) == final_reasons(of)
    assert witness.tracker.open == {}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_deleted_and_retried_while_away(data: st.DataObject) -> None:
    """Runs that vanish during a gap are lost, each once; a retry of the same hash is a run of its own."""
    of = data.draw(lives())
    messages = data.draw(streams(of))
    witness = Witness()
    for message in messages[: data.draw(st.integers(0, len(messages)))]:
        witness.hear(message, 1)
    witness.tracker.stream_lost()
    witness.tracker.stream_started()
    seen = sum(witness.ledger.counters[Counter.STARTED].values())
    retried = 0
    for life in of:
        if data.draw(st.booleans()):
            retried += 1
            again = life.kept._replace(created_ns=T0 + SECOND, payment_index=life.kept.payment_index + 100)
            witness.hear(again, 200, Source.LIST)
            witness.hear(again, 290, Source.TRACK)
        else:
            witness.miss(200, life.final.payment_hash)
            witness.miss(290, life.final.payment_hash)
    witness.release(299)
    assert witness.ledger.counters[Counter.STARTED] == {(): seen + retried}
    assert witness.tracker.open == {}
