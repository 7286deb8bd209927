"""Snapshots that are late, doubled, foreign or broken: what each is taken for."""

import pytest

from exporter.payments import tracker as tracker_module
from exporter.payments.event import PaymentFailed, PaymentLost, PaymentStarted, UpdateIgnored
from exporter.payments.labels import AttemptStatus, Ignored, Lost, Reason, Source
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.tracker import Tracker
from tests.payments.build import (
    FAILED,
    HASH,
    IN_FLIGHT,
    INITIATED,
    OTHER_HASH,
    SUCCEEDED,
    Observer,
    at,
    failed,
    flying,
    payment,
    settled,
)

A, B = flying(1), flying(2, sent_s=3)
AFTER_TERMINAL = [UpdateIgnored(Ignored.AFTER_TERMINAL)]
STALE = [UpdateIgnored(Ignored.STALE)]
DUPLICATE = [UpdateIgnored(Ignored.DUPLICATE)]
MALFORMED = [UpdateIgnored(Ignored.MALFORMED)]


def test_a_stale_in_flight_after_the_end() -> None:
    """A subscription's snapshot may arrive after the terminal update that overtook it: the end stays."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, A), 1)
    observer.hear(payment(SUCCEEDED, settled(A)), 2)
    assert observer.hear(payment(IN_FLIGHT, A), 2.5) == AFTER_TERMINAL
    observer.release(3)
    assert observer.hear(payment(IN_FLIGHT, A), 4) == AFTER_TERMINAL
    assert observer.tracker.open == {}


def test_a_stale_snapshot_while_in_flight() -> None:
    """What lacks an attempt, a resolution, a reason or a status that is known is older; it takes nothing back."""
    observer = Observer()
    observer.hear(payment(INITIATED), 0)
    observer.hear(payment(IN_FLIGHT, failed(A), B, reason=Reason.TIMEOUT), 3)
    assert observer.hear(payment(IN_FLIGHT, failed(A), B, reason=Reason.TIMEOUT), 3) == DUPLICATE
    assert observer.hear(payment(IN_FLIGHT, failed(A), reason=Reason.TIMEOUT), 3) == STALE
    assert observer.hear(payment(IN_FLIGHT, A, B, reason=Reason.TIMEOUT), 3) == STALE
    assert observer.hear(payment(IN_FLIGHT, failed(A), B), 3) == STALE
    assert observer.hear(payment(INITIATED, failed(A), B, reason=Reason.TIMEOUT), 3) == STALE
    (run,) = observer.tracker.open.values()
    assert (run.outstanding, run.resolved, run.reason) == ({2: B}, {1}, Reason.TIMEOUT)


def test_malformed() -> None:
    """Without identity nothing can be counted, and negative amounts would make totals fall."""
    observer = Observer()
    assert observer.hear(payment(payment_hash=""), 0) == MALFORMED
    assert observer.hear(payment()._replace(created_ns=0), 0) == MALFORMED
    assert observer.hear(payment()._replace(created_ns=-(10**18)), 0) == MALFORMED
    assert observer.hear(payment()._replace(value_msat=-1), 0) == MALFORMED
    assert observer.hear(payment()._replace(fee_msat=-1), 0) == MALFORMED
    assert observer.hear(payment()._replace(payment_index=2**63), 0) == MALFORMED
    assert observer.hear(payment(IN_FLIGHT, A._replace(amount_msat=-1)), 0) == MALFORMED
    assert observer.hear(payment(IN_FLIGHT, A._replace(fee_msat=-1)), 0) == MALFORMED
    assert observer.tracker.open == {}


def began(*history_indexes: int) -> Observer:
    """Counting began with this history, all of it over, created a second apart."""
    observer = Observer()
    history = [
        payment(SUCCEEDED, payment_hash=f"{i:064x}", created_s=i - 1000, payment_index=i) for i in history_indexes
    ]
    observer.tracker.begin(history, history_indexes[0] - 1, at(0))
    return observer


def test_history_is_not_counted() -> None:
    """What was over when counting began is history, whichever way it is shown again."""
    observer = began(101, 102)
    old = payment(SUCCEEDED, payment_hash=f"{102:064x}", created_s=102 - 1000, payment_index=102)
    for source in Source:
        assert observer.hear(old, 1, source) == AFTER_TERMINAL
    older = payment(FAILED, payment_hash=OTHER_HASH, created_s=-2000, payment_index=50)
    assert observer.hear(older, 1, Source.LIST) == AFTER_TERMINAL
    assert observer.hear(older, 1, Source.TRACK) == AFTER_TERMINAL


def test_open_when_counting_begins() -> None:
    """What is in flight when counting begins is started then, with all its visible attempts."""
    observer = Observer()
    open_one = payment(IN_FLIGHT, failed(A), B)
    events = observer.take(observer.tracker.begin([open_one], 9, at(5)))
    assert events[0] == PaymentStarted(open_one.run)
    assert observer.ledger.counters[Counter.ATTEMPTS_STARTED] == {(): 2}
    assert not observer.ledger.histograms[HistogramName.FIRST_ATTEMPT][()].total  # not seen from its beginning


def test_an_old_run_that_the_stream_shows_in_flight() -> None:
    """It has outlived the beginning of counting: it counts from here, and the present stream has shown it."""
    observer = began(101, 102)
    old = payment(IN_FLIGHT, A, created_s=-2000, payment_index=50)
    assert observer.hear(old, 1)[0] == PaymentStarted(old.run)
    assert observer.tracker.unseen() == []
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    assert observer.tracker.unseen() == [HASH]


def test_an_old_run_that_only_an_answer_shows() -> None:
    """What a list or an answer shows of an old run that isn't open is history, or has been counted."""
    observer = began(101, 102)
    for source in (Source.LIST, Source.TRACK):
        assert observer.hear(payment(IN_FLIGHT, A, created_s=-2000, payment_index=50), 1, source) == AFTER_TERMINAL


def test_a_late_answer_about_a_forgotten_run() -> None:
    """lnd read it in flight; until the answer was here it ended, was counted, and thousands of others after it."""
    observer = Observer()
    new = payment(IN_FLIGHT, A, created_s=1, payment_index=50)
    observer.hear(new, 1)
    observer.hear(payment(SUCCEEDED, settled(A), created_s=1, payment_index=50), 2)
    for number in range(1, 2000):
        later = payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=1 + number, payment_index=200 + number)
        observer.hear(later, 4)
    observer.release(6)
    assert observer.hear(new, 6, Source.TRACK) == AFTER_TERMINAL


def test_the_end_of_an_old_run_that_was_not_shown_before() -> None:
    """It was open when counting began, but ended before lnd's scan came to it: it counts, whichever stream tells."""
    old = payment(SUCCEEDED, settled(A), created_s=-2000, payment_index=50)
    for streams in range(3):
        observer = began(101, 102)
        for _ in range(streams):
            observer.tracker.stream_lost()
            observer.tracker.stream_started()
        assert observer.hear(old, 2)[0] == PaymentStarted(old.run)


def test_old_runs_that_were_counted_are_never_forgotten() -> None:
    """A stream may deliver an end minutes after it was asked for and counted, and thousands of others since."""
    observer = began(101, 102)
    old = payment(IN_FLIGHT, A, created_s=-2000, payment_index=50)
    ended = payment(SUCCEEDED, settled(A), created_s=-2000, payment_index=50)
    observer.hear(old, 2)
    observer.hear(ended, 100)
    for number in range(1, 2000):
        new = payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=number, payment_index=200 + number)
        observer.hear(new, 100)
    observer.release(102)
    assert not observer.tracker.memory.recognise(ended)
    assert observer.hear(ended, 103) == AFTER_TERMINAL


def test_of_old_runs_not_all_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """lnd's clock was days ahead when counting began: all is old for days, and yet memory has a bound."""
    monkeypatch.setattr(tracker_module, "MAX_SURVIVORS", 50)
    tracker = Tracker()
    tracker.begin([payment(SUCCEEDED, created_s=86_400)], 0, at(0))
    tracker.stream_started()
    observer = Observer(tracker)
    for number in range(1, 100):
        observer.hear(payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=number, payment_index=number), number)
    assert [run.payment_hash for run in tracker.survivors] == [f"{number:064x}" for number in range(50, 100)]


def test_a_late_word_of_a_run_that_is_over_says_nothing_of_others() -> None:
    """lnd's clock stepped back between two runs of a hash: the older one is the younger by its time."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT), 1)
    observer.hear(payment(FAILED, reason=Reason.NO_ROUTE), 2)
    observer.release(4)
    again = payment(IN_FLIGHT, created_s=-5, payment_index=11)
    observer.hear(again, 6)
    assert observer.hear(payment(IN_FLIGHT), 60) == AFTER_TERMINAL
    assert list(observer.tracker.open) == [again.run]


def test_not_found_while_a_hold_lasts() -> None:
    """Deleted the moment it ended: its last reason is still to come."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, A), 1)
    observer.hear(payment(FAILED, failed(A), reason=Reason.INCORRECT_PAYMENT_DETAILS), 10)
    assert observer.miss(10.001) == []
    observer.hear(payment(FAILED, failed(A), reason=Reason.TIMEOUT), 10.01)
    assert [event.ending.reason for event in observer.release(12) if isinstance(event, PaymentFailed)] == [
        Reason.TIMEOUT
    ]


def test_a_clock_that_was_ahead_once() -> None:
    """One payment of history from the future doesn't make all others old."""
    tracker = Tracker()
    tracker.begin([payment(SUCCEEDED, created_s=10**7)], 0, at(0))
    tracker.stream_started()
    observer = Observer(tracker)
    for number in range(1, 100):
        observer.hear(payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=number, payment_index=number), number)
    assert tracker.survivors == {}


def test_an_index_that_becomes_visible_late() -> None:
    """A run with a lower index than known ones, but above the floor, is new."""
    observer = began(101, 103)
    late = payment(IN_FLIGHT, payment_index=102, created_s=-898)
    assert observer.hear(late, 1)[0] == PaymentStarted(late.run)


def test_lost_after_two_answers_a_minute_apart() -> None:
    """NOT_FOUND must be said twice, at least a minute apart; a sign of life in between begins the count anew."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, A), 1)
    assert observer.miss(10) == []
    assert observer.miss(69) == []
    observer.hear(payment(IN_FLIGHT, A), 69)
    assert observer.miss(71) == []
    lost = observer.miss(131)
    assert lost[-1] == PaymentLost(payment().run, Lost.DELETED)
    assert observer.miss(200) == []
    counters = observer.ledger.counters
    assert counters[Counter.ATTEMPTS_UNRESOLVED] == {("deleted",): 0, ("lost",): 1}
    assert counters[Counter.LOST] == {("deleted",): 1, ("retried",): 0, ("database_renewed",): 0}


def test_lost_is_never_undone() -> None:
    """A lost run that shows up again stays lost."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, A), 1)
    observer.miss(10)
    observer.miss(70)
    assert observer.hear(payment(IN_FLIGHT, A), 80) == AFTER_TERMINAL
    assert observer.hear(payment(SUCCEEDED, settled(A)), 81) == AFTER_TERMINAL


def test_an_attempt_that_vanishes_in_flight() -> None:
    """Lnd deletes failed attempts: one seen in flight that the end doesn't show any more is unresolved."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, A), 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.grow_old()
    observer.hear(payment(SUCCEEDED, settled(B, end_s=4)), 40, Source.LIST)
    observer.release(41)
    counters = observer.ledger.counters
    assert counters[Counter.ATTEMPTS_STARTED] == {(): 2}
    assert counters[Counter.ATTEMPTS_SETTLED] == {(): 1}
    assert counters[Counter.ATTEMPTS_UNRESOLVED]["deleted",] == 1
    assert counters[Counter.ATTEMPTS_INCOMPLETE] == {(): 1}


def test_an_unknown_attempt_status_stays_in_flight() -> None:
    """A status that a newer lnd invents is no end."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, A._replace(status=AttemptStatus.IN_FLIGHT)), 1)
    assert list(observer.tracker.open[payment().run].outstanding) == [1]
