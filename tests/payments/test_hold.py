"""A run that ended is held for a second, because lnd may overwrite its reason: the rule and its seven cases."""

from exporter.payments import inflight
from exporter.payments.event import EndUnconfirmed, PaymentFailed, PaymentLost, PaymentStarted, UpdateIgnored
from exporter.payments.labels import Age, Ignored, Mode, Purpose, Reason, Source
from exporter.payments.totals import Counter
from tests.payments.build import FAILED, HASH, SUCCEEDED, Observer, at, flying, payment, refused, settled

A = flying(1)
DETAILS, TIMEOUT = Reason.INCORRECT_PAYMENT_DETAILS, Reason.TIMEOUT
FIRST = payment(FAILED, refused(A, end_s=8), reason=DETAILS)
SECOND = payment(FAILED, refused(A, end_s=8), reason=TIMEOUT)


def reasons(observer: Observer) -> list[Reason]:
    """The reasons of the runs that were counted as failed."""
    return [event.ending.reason for event in observer.events if isinstance(event, PaymentFailed)]


def flight() -> Observer:
    """A payment in flight, its HTLC held."""
    observer = Observer()
    observer.hear(payment(), 0)
    observer.hear(payment(payment().status, A), 1)
    return observer


def test_the_reason_of_the_last_terminal_counts() -> None:
    """Case 1: a second terminal within the second replaces the reason."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.hear(SECOND, 8.9)
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]


def test_the_hold_does_not_slide() -> None:
    """Case 2: the second runs from the first terminal; a later one doesn't prolong it."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.hear(SECOND, 8.9)
    assert observer.release(8.999) == []
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]
    assert observer.hear(FIRST, 9.1) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]
    assert reasons(observer) == [TIMEOUT]


def test_a_held_run_is_in_flight_and_nowhere_else() -> None:
    """Case 3: until it is counted a run is in flight, neither given up nor stalled."""
    observer = flight()
    observer.hear(payment(payment().status, A, reason=DETAILS), 7)
    observer.hear(FIRST, 8)
    gauges = inflight.count(observer.tracker.open.values(), at(8.5), None)
    assert gauges.runs[Purpose.PAYMENT, Age.UNDER_1M] == 1
    assert (gauges.given_up, gauges.stalled, gauges.htlcs) == (0, 0, 0)
    observer.release(9)
    gauges = inflight.count(observer.tracker.open.values(), at(9), None)
    assert set(gauges.runs.values()) == {0}


def test_release_counts_all_that_is_due_and_nothing_else() -> None:
    """Case 4: a page that is made after `release` shows exactly the runs whose second is over."""
    observer = flight()
    other = "cd" * 32
    observer.hear(payment(payment_hash=other, payment_index=11), 8)
    observer.hear(FIRST, 8)
    observer.hear(payment(FAILED, reason=TIMEOUT, payment_hash=other, payment_index=11), 8.5)
    observer.release(9.2)
    assert reasons(observer) == [DETAILS]
    observer.release(9.5)
    assert reasons(observer) == [DETAILS, TIMEOUT]


def test_stream_lost_during_the_hold() -> None:
    """Case 5: the last word may have been missed, so lnd is asked; its answer is held in turn, then counted."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.tracker.stream_lost()
    assert observer.release(100) == []
    observer.tracker.stream_started()
    assert observer.tracker.unseen() == [HASH]
    observer.hear(SECOND._replace(attempts=()), 100, Source.TRACK)
    assert observer.tracker.unseen() == []
    assert observer.release(100.9) == []
    observer.release(101)
    assert reasons(observer) == [TIMEOUT]
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert (counted.ending.recovered, counted.ending.attempts) == (False, 1)  # it was seen to end, with all attempts


def test_asked_after_a_restart() -> None:
    """Case 6: a run that was open before and is found ended by asking is recovered: counted after the same second."""
    observer = flight()
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.grow_old()
    observer.hear(SECOND._replace(attempts=()), 50, Source.LIST)
    assert observer.release(50.9) == []
    observer.release(51)
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert counted.ending.recovered
    assert (counted.ending.reason, counted.ending.attempts, counted.ending.duration_ns) == (TIMEOUT, None, None)


def test_a_new_run_releases_the_old_one() -> None:
    """Case 7: a new run of the same hash shows that the old one's last word has been spoken."""
    observer = flight()
    observer.hear(FIRST, 8)
    again = payment(created_s=8.2, payment_index=11)
    events = observer.hear(again, 8.2)
    assert reasons(observer) == [DETAILS]
    assert events[-2] == PaymentStarted(again.run)
    assert [run.run for run in observer.tracker.open.values()] == [again.run]


def test_the_status_of_the_first_terminal_stays() -> None:
    """The reason may be overwritten, the status can't."""
    observer = flight()
    observer.hear(payment(SUCCEEDED, settled(A, end_s=8)), 8)
    observer.hear(payment(FAILED, settled(A, end_s=8), reason=TIMEOUT), 8.1)
    observer.release(9)
    assert observer.ledger.counters[Counter.SUCCEEDED]["invoice", "1k_to_10k_sat"] == 1
    assert reasons(observer) == []


def test_an_answer_that_was_overtaken_changes_nothing() -> None:
    """A page written between two terminals, arriving after both, doesn't bring the first reason back."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.hear(SECOND, 8.01)
    assert observer.hear(FIRST, 8.02, Source.LIST) == [UpdateIgnored(Ignored.DUPLICATE)]
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]


def test_an_answer_after_the_stream_may_know_more() -> None:
    """The stream broke between two terminals; asked in between and again, the later answer has the last word."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.hear(FIRST, 9, Source.LIST)
    observer.hear(SECOND, 9.1, Source.TRACK)
    observer.release(10)
    assert reasons(observer) == [TIMEOUT]


def test_an_answer_from_between_two_terminals() -> None:
    """The stream is new and still silent; the list shows an end that is a moment old: asked once more, then counted."""
    observer = flight()
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.hear(FIRST, 8.005, Source.LIST)
    assert observer.release(9.1) == [EndUnconfirmed(HASH)]
    assert observer.tracker.unseen() == [HASH], "if nobody answers it is asked for again"
    observer.hear(SECOND, 9.2, Source.TRACK)
    observer.release(10.2)
    assert reasons(observer) == [TIMEOUT]


def test_an_answer_in_the_middle_of_a_hold() -> None:
    """The stream broke between two terminals and was back at once: an answer that quick may be too early."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.hear(FIRST, 8.01, Source.LIST)
    assert observer.release(9.1) == [EndUnconfirmed(HASH)]
    observer.hear(SECOND, 9.2, Source.TRACK)
    observer.release(10.2)
    assert reasons(observer) == [TIMEOUT]


def test_the_stream_tells_at_last_of_an_end_that_was_asked_for() -> None:
    """It will tell the second terminal, too: the hold begins anew, and nobody need be asked."""
    observer = flight()
    observer.hear(FIRST, 8.005, Source.LIST)
    observer.hear(FIRST, 8.9)
    assert observer.release(9.1) == []
    observer.hear(SECOND, 9.2)
    observer.release(9.9)
    assert reasons(observer) == [TIMEOUT]


def test_answer_that_overtakes_an_open_stream_is_live() -> None:
    """The stream was there when lnd was asked: it would have shown the end a moment later, with all attempts."""
    observer = flight()
    observer.hear(FIRST._replace(attempts=()), 8.005, Source.LIST)
    observer.hear(FIRST, 8.01)
    observer.release(9.1)
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert (counted.ending.recovered, counted.ending.attempts) == (False, 1)


def test_answer_before_the_first_update_of_a_stream_is_recovered() -> None:
    """Nobody knows whether the stream was there when the payment ended: attempts may be missing."""
    observer = flight()
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.hear(FIRST._replace(attempts=()), 8.005, Source.LIST)
    observer.hear(FIRST._replace(attempts=()), 8.01)
    observer.release(9.1)
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert (counted.ending.recovered, counted.ending.attempts) == (True, None)


def test_the_stream_is_late_and_the_clock_is_wrong() -> None:
    """An answer shows both ends, and looks old to a clock that is ahead; then the stream tells the first, late."""
    observer = flight()
    wall = at(8.1)._replace(wall_ns=at(3600).wall_ns)
    observer.take(observer.tracker.update(SECOND, Source.LIST, wall, wall))
    observer.hear(FIRST, 9.2)
    assert observer.release(9.2) == []
    observer.hear(SECOND, 9.3)
    observer.release(10.3)
    assert reasons(observer) == [TIMEOUT]


def test_an_answer_that_was_asked_for_too_early() -> None:
    """It counts when the question was put, not when a slow answer arrived: lnd may have read it between the two."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.take(observer.tracker.update(FIRST, Source.LIST, at(99), at(8.005)))
    assert observer.release(100) == [EndUnconfirmed(HASH)]
    observer = flight()
    observer.take(observer.tracker.update(FIRST, Source.LIST, at(99), at(8.005)))
    assert observer.release(100) == [EndUnconfirmed(HASH)]


def test_an_answer_that_is_overtaken_by_a_later_one() -> None:
    """A slow answer from between the two ends comes after that to a question that was put when both were written."""
    observer = flight()
    observer.tracker.stream_started(Mode.TRACK)
    observer.hear(FIRST, 8)
    assert observer.release(9.1) == [EndUnconfirmed(HASH)]
    observer.hear(SECOND, 9.2, Source.TRACK)
    observer.take(observer.tracker.update(FIRST, Source.LIST, at(9.5), at(8.005)))
    observer.release(10.6)
    assert reasons(observer) == [TIMEOUT]


def test_an_end_that_is_old_for_lnd() -> None:
    """It is believed at once, whatever our own clock says; while lnd shows nothing newer it is not."""
    for newest_s, wait_s, believed in ((8, 1, False), (30, 1, False), (50, 1, True), (50, 60, False), (200, 60, True)):
        observer = flight()
        observer.tracker.stream_lost()
        observer.tracker.stream_started()
        observer.grow_old(newest_s)
        observer.take(observer.tracker.update(FIRST, Source.LIST, at(99), at(100 - wait_s)))
        said = observer.release(100)
        assert (said == [EndUnconfirmed(HASH)]) is not believed
        assert bool(reasons(observer)) is believed


def test_an_answer_about_a_payment_without_attempts() -> None:
    """Its end is no older than its beginning."""
    observer = Observer()
    observer.hear(payment(FAILED, reason=Reason.NO_ROUTE), 0.2, Source.LIST)
    assert observer.release(1.3) == [EndUnconfirmed(HASH)]


def test_a_process_that_is_always_late() -> None:
    """A hold is made longer, but not for ever."""
    observer = flight()
    observer.hear(FIRST, 8)
    for seconds in range(9, 200):
        observer.tracker.postpone(10**9)
        observer.release(seconds)
    assert reasons(observer) == [DETAILS]


def test_time_in_which_nobody_listened() -> None:
    """If this process stood still, the second terminal may wait in the socket: what is held is held longer."""
    observer = flight()
    observer.hear(FIRST, 8)
    assert observer.tracker.on_hold
    observer.tracker.postpone(5 * 10**9)
    assert observer.release(13.9) == []
    observer.hear(SECOND, 13.9)
    observer.release(14)
    assert reasons(observer) == [TIMEOUT]
    assert not observer.tracker.on_hold


def test_gone_while_held() -> None:
    """A run seen to end, deleted before it could be asked for its last reason, is counted with what is known."""
    observer = flight()
    observer.hear(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.miss(10)
    assert reasons(observer) == [DETAILS]
    assert not [event for event in observer.events if isinstance(event, PaymentLost)]
