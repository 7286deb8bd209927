"""A run that ended is held for a second, because lnd may overwrite its reason: the rule and its exceptions."""

from exporter.payments import inflight
from exporter.payments.event import EndUnconfirmed, PaymentFailed, PaymentLost, PaymentStarted, UpdateIgnored
from exporter.payments.labels import Age, Ignored, Mode, Purpose, Reason, Source
from exporter.payments.totals import Counter
from tests.payments.build import FAILED, HASH, SUCCEEDED, Observer, at, flying, payment, refused, settled

A = flying(1)
DETAILS, TIMEOUT = Reason.INCORRECT_PAYMENT_DETAILS, Reason.TIMEOUT
# The two terminal updates that lnd writes within milliseconds.
FIRST = payment(FAILED, refused(A, end_s=8), reason=DETAILS)
SECOND = payment(FAILED, refused(A, end_s=8), reason=TIMEOUT)


def reasons(observer: Observer) -> list[Reason]:
    """Return the reasons of the runs that were counted as failed."""
    return [event.ending.reason for event in observer.events if isinstance(event, PaymentFailed)]


def one_in_flight() -> Observer:
    """Return an observer with a payment in flight, which has one HTLC outstanding."""
    observer = Observer()
    observer.receive(payment(), 0)
    observer.receive(payment(payment().status, A), 1)
    return observer


def test_second_terminal_replaces_the_reason() -> None:
    """If it is received within the second."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.receive(SECOND, 8.9)
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]


def test_second_terminal_does_not_prolong_the_hold() -> None:
    """The second runs from the first terminal update; after it nothing changes the reason."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.receive(SECOND, 8.9)
    assert observer.release(8.999) == []
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]
    assert observer.receive(FIRST, 9.1) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]
    assert reasons(observer) == [TIMEOUT]


def test_run_on_hold_is_in_flight() -> None:
    """Until it is counted it is in flight, but neither given up nor stalled."""
    observer = one_in_flight()
    observer.receive(payment(payment().status, A, reason=DETAILS), 7)
    observer.receive(FIRST, 8)
    gauges = inflight.count(observer.tracker.open.values(), at(8.5), None)
    assert gauges.runs[Purpose.PAYMENT, Age.UNDER_1M] == 1
    assert (gauges.given_up, gauges.stalled, gauges.htlcs) == (0, 0, 0)
    observer.release(9)
    gauges = inflight.count(observer.tracker.open.values(), at(9), None)
    assert set(gauges.runs.values()) == {0}


def test_release_counts_exactly_the_runs_whose_hold_is_over() -> None:
    """Each run's second is its own."""
    observer = one_in_flight()
    other = "cd" * 32
    observer.receive(payment(payment_hash=other, payment_index=11), 8)
    observer.receive(FIRST, 8)
    observer.receive(payment(FAILED, reason=TIMEOUT, payment_hash=other, payment_index=11), 8.5)
    observer.release(9.2)
    assert reasons(observer) == [DETAILS]
    observer.release(9.5)
    assert reasons(observer) == [DETAILS, TIMEOUT]


def test_end_is_unconfirmed_when_the_stream_is_lost() -> None:
    """The second terminal update may be missed, so lnd is asked; its answer is on hold for a second, then counted."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.tracker.stream_lost()
    assert observer.release(100) == []
    observer.tracker.stream_started()
    assert observer.tracker.hashes_to_ask_for(at(200)) == [HASH]
    observer.receive(SECOND._replace(attempts=()), 100, Source.TRACK)
    assert observer.tracker.hashes_to_ask_for(at(200)) == []
    assert observer.release(100.9) == []
    observer.release(101)
    assert reasons(observer) == [TIMEOUT]
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert (counted.ending.recovered, counted.ending.attempts) == (False, 1)  # its end was seen live, with all attempts


def test_end_learnt_by_asking_is_recovered() -> None:
    """The run was open before the stream was lost; its end is on hold for a second, too."""
    observer = one_in_flight()
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.make_others_old()
    observer.receive(SECOND._replace(attempts=()), 50, Source.LIST)
    assert observer.release(50.9) == []
    observer.release(51)
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert counted.ending.recovered
    assert (counted.ending.reason, counted.ending.attempts, counted.ending.duration_ns) == (TIMEOUT, None, None)


def test_new_run_of_the_hash_ends_the_hold() -> None:
    """The stream sends no more updates of the old run."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    again = payment(created_s=8.2, payment_index=11)
    events = observer.receive(again, 8.2)
    assert reasons(observer) == [DETAILS]
    assert events[-2] == PaymentStarted(again.run)
    assert [run.run for run in observer.tracker.open.values()] == [again.run]


def test_second_terminal_does_not_change_the_status() -> None:
    """Only the reason may be overwritten."""
    observer = one_in_flight()
    observer.receive(payment(SUCCEEDED, settled(A, end_s=8)), 8)
    observer.receive(payment(FAILED, settled(A, end_s=8), reason=TIMEOUT), 8.1)
    observer.release(9)
    assert observer.ledger.counters[Counter.SUCCEEDED]["invoice", "1k_to_10k_sat"] == 1
    assert reasons(observer) == []


def test_answer_does_not_replace_the_reason_of_a_live_terminal() -> None:
    """lnd read it between the two terminal updates, and it was received after both."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.receive(SECOND, 8.01)
    late = observer.tracker.update(FIRST, Source.LIST, at(8.02), at(8.005))
    assert observer.apply(late) == [UpdateIgnored(Ignored.DUPLICATE)]
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]


def test_later_answer_replaces_the_reason_after_the_stream_was_lost() -> None:
    """The stream broke between the two terminal updates; lnd was asked in between, and again."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.receive(FIRST, 9, Source.LIST)
    observer.receive(SECOND, 9.1, Source.TRACK)
    observer.release(10)
    assert reasons(observer) == [TIMEOUT]


def test_answer_with_a_recent_end_is_asked_for_again() -> None:
    """The new stream is still silent, and lnd may have read the answer between the two terminal updates."""
    observer = one_in_flight()
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.receive(FIRST, 8.005, Source.LIST)
    assert observer.release(9.1) == [EndUnconfirmed(HASH)]
    assert observer.tracker.hashes_to_ask_for(at(200)) == [HASH], "without an answer it is asked for again"
    observer.receive(SECOND, 9.2, Source.TRACK)
    observer.release(10.2)
    assert reasons(observer) == [TIMEOUT]


def test_answer_right_after_the_stream_was_lost_is_asked_for_again() -> None:
    """The stream broke between the two terminal updates and was back at once: the answer may be from between them."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.receive(FIRST, 8.01, Source.LIST)
    assert observer.release(9.1) == [EndUnconfirmed(HASH)]
    observer.receive(SECOND, 9.2, Source.TRACK)
    observer.release(10.2)
    assert reasons(observer) == [TIMEOUT]


def test_live_terminal_after_an_answer_restarts_the_hold() -> None:
    """The stream will send the second terminal update, too: lnd needn't be asked again."""
    observer = one_in_flight()
    observer.receive(FIRST, 8.005, Source.LIST)
    observer.receive(FIRST, 8.9)
    assert observer.release(9.1) == []
    observer.receive(SECOND, 9.2)
    observer.release(9.9)
    assert reasons(observer) == [TIMEOUT]


def test_answer_that_overtakes_an_open_stream_is_live() -> None:
    """The stream was open when lnd was asked: it sends the end a moment later, with all attempts."""
    observer = one_in_flight()
    observer.receive(FIRST._replace(attempts=()), 8.005, Source.LIST)
    observer.receive(FIRST, 8.01)
    observer.release(9.1)
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert (counted.ending.recovered, counted.ending.attempts) == (False, 1)


def test_answer_requested_after_the_stream_sent_an_end_knows_more() -> None:
    """The stream's second terminal update is late; the answer shows it already."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.apply(observer.tracker.update(SECOND, Source.LIST, at(8.9), at(8.5)))
    observer.release(9)
    assert reasons(observer) == [TIMEOUT]


def test_answer_after_the_stream_of_a_single_payment_knows_more() -> None:
    """That stream ends with the first terminal update; what was requested after it was opened may show the second."""
    observer = one_in_flight()
    observer.tracker.stream_started(Mode.TRACK)
    observer.apply(observer.tracker.update(FIRST, Source.STREAM, at(8), at(2)))
    observer.apply(observer.tracker.update(SECOND, Source.LIST, at(8.1), at(7.9)))
    observer.release(9)
    observer.not_found(9.1)
    assert reasons(observer) == [TIMEOUT]


def test_answer_before_the_first_update_of_a_stream_is_recovered() -> None:
    """It isn't known whether the stream was open when the payment ended: attempts may be missing."""
    observer = one_in_flight()
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.receive(FIRST._replace(attempts=()), 8.005, Source.LIST)
    observer.receive(FIRST._replace(attempts=()), 8.01)
    observer.release(9.1)
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert (counted.ending.recovered, counted.ending.attempts) == (True, None)


def test_late_stream_and_wrong_clock() -> None:
    """An answer shows the second terminal update and looks old, for our clock is ahead; then the stream sends both."""
    observer = one_in_flight()
    wall = at(8.1)._replace(wall_ns=at(3600).wall_ns)
    observer.apply(observer.tracker.update(SECOND, Source.LIST, wall, wall))
    observer.receive(FIRST, 9.2)
    assert observer.release(9.2) == []
    observer.receive(SECOND, 9.3)
    observer.release(10.3)
    assert reasons(observer) == [TIMEOUT]


def test_slow_answer_is_judged_by_when_it_was_requested() -> None:
    """lnd may have read it between the two terminal updates, however late it is received."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.apply(observer.tracker.update(FIRST, Source.LIST, at(99), at(8.005)))
    assert observer.release(100) == [EndUnconfirmed(HASH)]
    observer = one_in_flight()
    observer.apply(observer.tracker.update(FIRST, Source.LIST, at(99), at(8.005)))
    assert observer.release(100) == [EndUnconfirmed(HASH)]


def test_answer_requested_earlier_does_not_replace_the_reason() -> None:
    """It is received after one that was requested later, when both terminal updates were written."""
    observer = one_in_flight()
    observer.tracker.stream_started(Mode.TRACK)
    observer.receive(FIRST, 8)
    assert observer.release(9.1) == [EndUnconfirmed(HASH)]
    observer.receive(SECOND, 9.2, Source.TRACK)
    observer.apply(observer.tracker.update(FIRST, Source.LIST, at(9.5), at(8.005)))
    observer.release(10.6)
    assert reasons(observer) == [TIMEOUT]


def test_end_is_believed_if_lnd_has_shown_newer_things() -> None:
    """Newer by 30 s and as long as the answer took, by lnd's own times: our clock doesn't matter."""
    for newest_s, wait_s, believed in ((8, 1, False), (30, 1, False), (50, 1, True), (50, 60, False), (200, 60, True)):
        observer = one_in_flight()
        observer.tracker.stream_lost()
        observer.tracker.stream_started()
        observer.make_others_old(newest_s)
        observer.apply(observer.tracker.update(FIRST, Source.LIST, at(99), at(100 - wait_s)))
        facts = observer.release(100)
        assert (facts == [EndUnconfirmed(HASH)]) is not believed
        assert bool(reasons(observer)) is believed


def test_recent_end_without_attempts_is_asked_for_again() -> None:
    """Without attempts the time of its creation decides."""
    observer = Observer()
    observer.receive(payment(FAILED, reason=Reason.NO_ROUTE), 0.2, Source.LIST)
    assert observer.release(1.3) == [EndUnconfirmed(HASH)]


def test_hold_is_not_extended_for_ever() -> None:
    """A process that is always late must count, too."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    for seconds in range(9, 200):
        observer.tracker.postpone(10**9)
        observer.release(seconds)
    assert reasons(observer) == [DETAILS]


def test_hold_is_extended_while_the_process_stands_still() -> None:
    """The second terminal update may wait in the socket meanwhile."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    assert observer.tracker.on_hold
    observer.tracker.postpone(5 * 10**9)
    assert observer.release(13.9) == []
    observer.receive(SECOND, 13.9)
    observer.release(14)
    assert reasons(observer) == [TIMEOUT]
    assert not observer.tracker.on_hold


def test_deleted_before_its_end_was_confirmed() -> None:
    """The run was seen to end: it is counted with the reason that is known, and not as lost."""
    observer = one_in_flight()
    observer.receive(FIRST, 8)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.not_found(10)
    assert reasons(observer) == [DETAILS]
    assert not [event for event in observer.events if isinstance(event, PaymentLost)]
