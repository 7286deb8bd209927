"""Snapshots that are stale, doubled, malformed, of history or of unknown runs: what each of them does."""

import pytest

from exporter.payments import history
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
    unfinished,
)

A, B = flying(1), flying(2, sent_s=3)
AFTER_TERMINAL = [UpdateIgnored(Ignored.AFTER_TERMINAL)]
STALE = [UpdateIgnored(Ignored.STALE)]
DUPLICATE = [UpdateIgnored(Ignored.DUPLICATE)]
MALFORMED = [UpdateIgnored(Ignored.MALFORMED)]


def test_in_flight_update_after_the_end_is_ignored() -> None:
    """A new subscription's first update of a run may be older than its terminal update, and come later."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A), 1)
    observer.receive(payment(SUCCEEDED, settled(A)), 2)
    assert observer.receive(payment(IN_FLIGHT, A), 2.5) == AFTER_TERMINAL
    observer.release(3)
    assert observer.receive(payment(IN_FLIGHT, A), 4) == AFTER_TERMINAL
    assert observer.tracker.open == {}


def test_stale_snapshot_takes_nothing_back() -> None:
    """A snapshot is stale if it lacks an attempt, a resolution, a reason or a status that is known."""
    observer = Observer()
    observer.receive(payment(INITIATED), 0)
    observer.receive(payment(IN_FLIGHT, failed(A), B, reason=Reason.TIMEOUT), 3)
    assert observer.receive(payment(IN_FLIGHT, failed(A), B, reason=Reason.TIMEOUT), 3) == DUPLICATE
    assert observer.receive(payment(IN_FLIGHT, failed(A), reason=Reason.TIMEOUT), 3) == STALE
    assert observer.receive(payment(IN_FLIGHT, A, B, reason=Reason.TIMEOUT), 3) == STALE
    assert observer.receive(payment(IN_FLIGHT, failed(A), B), 3) == STALE
    assert observer.receive(payment(INITIATED, failed(A), B, reason=Reason.TIMEOUT), 3) == STALE
    (run,) = observer.tracker.open.values()
    assert (run.outstanding, run.resolved, run.reason) == ({2: B}, {1}, Reason.TIMEOUT)


def test_malformed_snapshot_is_ignored() -> None:
    """Without identity nothing can be counted; negative amounts would make totals fall."""
    observer = Observer()
    assert observer.receive(payment(payment_hash=""), 0) == MALFORMED
    assert observer.receive(payment()._replace(created_ns=0), 0) == MALFORMED
    assert observer.receive(payment()._replace(created_ns=-(10**18)), 0) == MALFORMED
    assert observer.receive(payment()._replace(value_msat=-1), 0) == MALFORMED
    assert observer.receive(payment()._replace(fee_msat=-1), 0) == MALFORMED
    assert observer.receive(payment()._replace(payment_index=2**63), 0) == MALFORMED
    assert observer.receive(payment(IN_FLIGHT, A._replace(amount_msat=-1)), 0) == MALFORMED
    assert observer.receive(payment(IN_FLIGHT, A._replace(fee_msat=-1)), 0) == MALFORMED
    assert observer.tracker.open == {}


def counting_since(*history_indexes: int) -> Observer:
    """Return an observer that begins to count with this history: payments that are over, created a second apart."""
    observer = Observer()
    history = [
        payment(SUCCEEDED, payment_hash=f"{i:064x}", created_s=i - 1000, payment_index=i) for i in history_indexes
    ]
    observer.tracker.begin(history, history_indexes[0] - 1, at(0))
    return observer


def test_history_is_not_counted() -> None:
    """A payment that was over when counting began, whatever its snapshot comes from."""
    observer = counting_since(101, 102)
    old = payment(SUCCEEDED, payment_hash=f"{102:064x}", created_s=102 - 1000, payment_index=102)
    for source in Source:
        assert observer.receive(old, 1, source) == AFTER_TERMINAL
    older = payment(FAILED, payment_hash=OTHER_HASH, created_s=-2000, payment_index=50)
    assert observer.receive(older, 1, Source.LIST) == AFTER_TERMINAL
    assert observer.receive(older, 1, Source.TRACK) == AFTER_TERMINAL


def test_run_in_flight_when_counting_begins_is_started() -> None:
    """With all attempts that its snapshot shows."""
    observer = Observer()
    open_one = payment(IN_FLIGHT, failed(A), B)
    events = observer.apply(observer.tracker.begin([open_one], 9, at(5)))
    assert events[0] == PaymentStarted(open_one.run)
    assert observer.ledger.counters[Counter.ATTEMPTS_STARTED] == {(): 2}
    assert not observer.ledger.histograms[HistogramName.FIRST_ATTEMPT][()].total  # it was not seen from its beginning


def test_old_run_that_the_stream_shows_is_started() -> None:
    """It was in flight when counting began. The present stream has shown it, so lnd needn't be asked for it."""
    observer = counting_since(101, 102)
    old = payment(IN_FLIGHT, A, created_s=-2000, payment_index=50)
    assert observer.receive(old, 1)[0] == PaymentStarted(old.run)
    assert observer.tracker.hashes_to_ask_for(at(200)) == []
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    assert observer.tracker.hashes_to_ask_for(at(200)) == [HASH]


def test_old_run_that_only_an_answer_shows_is_ignored() -> None:
    """It is history, or has been counted."""
    observer = counting_since(101, 102)
    for source in (Source.LIST, Source.TRACK):
        assert observer.receive(payment(IN_FLIGHT, A, created_s=-2000, payment_index=50), 1, source) == AFTER_TERMINAL


def test_late_answer_about_a_forgotten_run_is_ignored() -> None:
    """lnd read the payment in flight; before the answer was received it ended, was counted, and forgotten."""
    observer = Observer()
    new = payment(IN_FLIGHT, A, created_s=1, payment_index=50)
    observer.receive(new, 1)
    observer.receive(payment(SUCCEEDED, settled(A), created_s=1, payment_index=50), 2)
    for number in range(1, 2000):
        later = payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=1 + number, payment_index=200 + number)
        observer.receive(later, 4)
    observer.release(6)
    assert observer.receive(new, 6, Source.TRACK) == AFTER_TERMINAL


def test_live_end_of_an_old_run_is_counted() -> None:
    """It was in flight when counting began, but ended before lnd's scan came to it, on whichever stream."""
    old = payment(SUCCEEDED, settled(A), created_s=-2000, payment_index=50)
    for streams in range(3):
        observer = counting_since(101, 102)
        for _ in range(streams):
            observer.tracker.stream_lost()
            observer.tracker.stream_started()
        assert observer.receive(old, 2)[0] == PaymentStarted(old.run)


def test_old_run_that_was_counted_is_not_started_again() -> None:
    """A stream may send its end minutes after an answer did, and after thousands of other ends."""
    observer = counting_since(101, 102)
    old = payment(IN_FLIGHT, A, created_s=-2000, payment_index=50)
    ended = payment(SUCCEEDED, settled(A), created_s=-2000, payment_index=50)
    observer.receive(old, 2)
    observer.receive(ended, 100)
    for number in range(1, 2000):
        new = payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=number, payment_index=200 + number)
        observer.receive(new, 100)
    observer.release(102)
    assert not observer.tracker.finished.recognise(ended)
    assert observer.receive(ended, 103) == AFTER_TERMINAL


def test_number_of_old_runs_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """lnd's clock was a day ahead when counting began: all runs of that day count as old."""
    monkeypatch.setattr(history, "MAX_SURVIVORS", 50)
    tracker = Tracker()
    tracker.begin([payment(SUCCEEDED, created_s=86_400)], 0, at(0))
    tracker.stream_started()
    observer = Observer(tracker)
    for number in range(1, 100):
        observer.receive(
            payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=number, payment_index=number), number
        )
    assert [run.payment_hash for run in tracker.history.survivors] == [f"{number:064x}" for number in range(50, 100)]


def test_late_update_of_a_finished_run_does_not_end_its_successor() -> None:
    """lnd's clock stepped back between two runs of a hash: by their times the finished one is the later one."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT), 1)
    observer.receive(payment(FAILED, reason=Reason.NO_ROUTE), 2)
    observer.release(4)
    again = payment(IN_FLIGHT, created_s=-5, payment_index=11)
    observer.receive(again, 6)
    assert observer.receive(payment(IN_FLIGHT), 60) == AFTER_TERMINAL
    assert list(observer.tracker.open) == [again.run]


def test_not_found_while_on_hold_is_ignored() -> None:
    """lnd deleted the payment the moment it ended: its second terminal update is still to come."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A), 1)
    observer.receive(payment(FAILED, failed(A), reason=Reason.INCORRECT_PAYMENT_DETAILS), 10)
    assert observer.not_found(10.001) == []
    observer.receive(payment(FAILED, failed(A), reason=Reason.TIMEOUT), 10.01)
    assert [event.ending.reason for event in observer.release(12) if isinstance(event, PaymentFailed)] == [
        Reason.TIMEOUT
    ]


def test_history_from_the_far_future_does_not_make_new_runs_old() -> None:
    """lnd's clock was wrong once."""
    tracker = Tracker()
    tracker.begin([payment(SUCCEEDED, created_s=10**7)], 0, at(0))
    tracker.stream_started()
    observer = Observer(tracker)
    for number in range(1, 100):
        observer.receive(
            payment(SUCCEEDED, payment_hash=f"{number:064x}", created_s=number, payment_index=number), number
        )
    assert tracker.history.survivors == {}


def test_history_from_the_far_future_does_not_hide_new_runs_after_renumbering() -> None:
    """By creation time, too, a run is new although lnd's clock was wrong once."""
    tracker = Tracker()
    history = [
        payment(SUCCEEDED, payment_hash=f"{index:064x}", created_s=created_s, payment_index=index)
        for index, created_s in ((101, 10**7), (102, -30), (103, -20), (104, -10))
    ]
    tracker.begin(history, 100, at(0))
    tracker.stream_started()
    tracker.finished.go_by_time()
    new = payment(payment_index=1, created_s=1)
    assert PaymentStarted(new.run) in Observer(tracker).receive(new, 1)


def test_lower_index_above_the_floor_is_new() -> None:
    """lnd may show a payment later than one with a higher index."""
    observer = counting_since(101, 103)
    late = payment(IN_FLIGHT, payment_index=102, created_s=-898)
    assert observer.receive(late, 1)[0] == PaymentStarted(late.run)


def test_run_is_lost_after_two_answers_a_minute_apart() -> None:
    """NOT_FOUND must be answered twice, at least a minute apart; a snapshot in between makes it begin again."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A), 1)
    assert observer.not_found(10) == []
    assert observer.not_found(69) == []
    observer.receive(payment(IN_FLIGHT, A), 69)
    assert observer.not_found(71) == []
    lost = observer.not_found(131)
    assert lost[-1] == PaymentLost(unfinished(payment()), Lost.DELETED)
    assert observer.not_found(200) == []
    counters = observer.ledger.counters
    assert counters[Counter.ATTEMPTS_UNRESOLVED] == {("deleted",): 0, ("lost",): 1}
    assert counters[Counter.LOST] == {("deleted",): 1, ("retried",): 0, ("database_renewed",): 0}


def test_lost_run_stays_lost() -> None:
    """Even if lnd shows it again."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A), 1)
    observer.not_found(10)
    observer.not_found(70)
    assert observer.receive(payment(IN_FLIGHT, A), 80) == AFTER_TERMINAL
    assert observer.receive(payment(SUCCEEDED, settled(A)), 81) == AFTER_TERMINAL


def test_attempt_that_vanishes_is_unresolved() -> None:
    """lnd deletes failed attempts: one was seen in flight, and isn't in the terminal snapshot any more."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A), 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.make_others_old()
    observer.receive(payment(SUCCEEDED, settled(B, end_s=4)), 40, Source.LIST)
    observer.release(41)
    counters = observer.ledger.counters
    assert counters[Counter.ATTEMPTS_STARTED] == {(): 2}
    assert counters[Counter.ATTEMPTS_SETTLED] == {(): 1}
    assert counters[Counter.ATTEMPTS_UNRESOLVED]["deleted",] == 1
    assert counters[Counter.ATTEMPTS_INCOMPLETE] == {(): 1}


def test_unknown_attempt_status_stays_in_flight() -> None:
    """A status that is new in lnd decodes as in flight."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A._replace(status=AttemptStatus.IN_FLIGHT)), 1)
    assert list(observer.tracker.open[payment().run].outstanding) == [1]
