"""A failed hash that is tried again: lnd erases the old run and begins a new one of the same hash."""

from exporter.payments.event import PaymentFailed, PaymentLost, PaymentStarted, PaymentSucceeded, UpdateIgnored
from exporter.payments.labels import Ignored, Lost, Reason, Source
from exporter.payments.totals import Counter
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, at, flying, payment, settled, unfinished

A, B = flying(1), flying(2, sent_s=6)
OLD_IN_FLIGHT = payment(IN_FLIGHT, A)
OLD_FAILED = payment(FAILED, reason=Reason.NO_ROUTE)
# lnd on the key-value database gives the next index, on native SQL perhaps the same one again.
NEW_INDEX, SAME_INDEX = 11, 10


def ends(observer: Observer) -> list[str]:
    """Return how the runs ended, in the order in which they were counted."""
    kinds = (PaymentSucceeded, PaymentFailed, PaymentLost)
    return [type(event).__name__ for event in observer.events if isinstance(event, kinds)]


def test_retry_after_the_old_run_was_counted() -> None:
    """Both runs count, with either index."""
    for index in (NEW_INDEX, SAME_INDEX):
        observer = Observer()
        observer.receive(OLD_FAILED, 1)
        observer.release(2)
        observer.receive(payment(IN_FLIGHT, created_s=5, payment_index=index), 5)
        observer.receive(payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=index), 7)
        observer.release(8)
        assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]


def test_live_retry_while_the_old_run_is_open() -> None:
    """The old run is lost: its end was missed, and lnd has erased it."""
    for index in (NEW_INDEX, SAME_INDEX):
        observer = Observer()
        observer.receive(OLD_IN_FLIGHT, 1)
        new = payment(IN_FLIGHT, created_s=5, payment_index=index)
        events = observer.receive(new, 5)
        assert PaymentLost(unfinished(OLD_IN_FLIGHT), Lost.RETRIED) in events
        assert PaymentStarted(new.run) in events
        assert observer.ledger.counters[Counter.ATTEMPTS_UNRESOLVED]["lost",] == 1


def test_late_live_end_of_the_old_run_is_counted() -> None:
    """An answer has shown the new run before, under a lower index that was free again."""
    observer = Observer()
    observer.receive(OLD_IN_FLIGHT, 1)
    observer.receive(payment(IN_FLIGHT, created_s=5, payment_index=1), 5, Source.LIST)
    observer.receive(OLD_FAILED, 5.1)
    observer.receive(payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=1), 7)
    observer.release(9)
    assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]


def test_old_run_is_lost_after_two_answers_that_show_the_retry() -> None:
    """An answer may overtake updates that the stream still has to send, so it takes two, a minute apart."""
    observer = Observer()
    observer.receive(OLD_IN_FLIGHT, 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    new = payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=NEW_INDEX)
    observer.make_others_old()
    observer.receive(new, 40, Source.LIST)
    observer.release(50)
    assert ends(observer) == ["PaymentSucceeded"]
    assert observer.tracker.hashes_to_ask_for(at(200)) == [new.payment_hash]
    observer.receive(new, 99, Source.TRACK)
    assert ends(observer) == ["PaymentSucceeded"]
    observer.receive(new, 100, Source.TRACK)
    assert ends(observer) == ["PaymentSucceeded", "PaymentLost"]


def test_answer_shows_the_retry_before_the_stream_sends_the_old_run() -> None:
    """Both runs count, with their ends."""
    observer = Observer()
    new = payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=NEW_INDEX)
    observer.receive(new, 7, Source.LIST)
    observer.receive(payment(), 7.1)
    observer.receive(OLD_IN_FLIGHT, 7.1)
    observer.receive(OLD_FAILED, 7.1)
    observer.receive(payment(IN_FLIGHT, B, created_s=5, payment_index=NEW_INDEX), 7.1)
    observer.receive(new, 7.1)
    observer.release(9)
    assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]
    assert observer.ledger.counters[Counter.STARTED] == {(): 2}


def test_late_update_of_the_old_run_is_ignored() -> None:
    """Before and after the new run has ended."""
    observer = Observer()
    observer.receive(OLD_FAILED, 1)
    observer.receive(payment(IN_FLIGHT, created_s=5, payment_index=NEW_INDEX), 5)
    assert observer.receive(OLD_IN_FLIGHT, 6) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]
    observer.receive(payment(SUCCEEDED, settled(B), created_s=5, payment_index=NEW_INDEX), 7)
    observer.release(9)
    assert observer.receive(OLD_FAILED, 10) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]
    assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]


def test_retry_created_earlier_by_its_time_is_new() -> None:
    """lnd's clock stepped back; the higher index is enough."""
    observer = Observer()
    observer.receive(OLD_FAILED, 1)
    observer.release(2)
    earlier = payment(IN_FLIGHT, created_s=-3600, payment_index=NEW_INDEX)
    assert observer.receive(earlier, 5)[0] == PaymentStarted(earlier.run)


def test_retry_with_the_same_index_and_an_earlier_time() -> None:
    """Nothing shows which run is later; but lnd has one run of each hash, and returns the other one each time."""
    observer = Observer()
    observer.receive(OLD_IN_FLIGHT, 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    again = payment(SUCCEEDED, settled(B), created_s=-5, payment_index=OLD_IN_FLIGHT.payment_index)
    for seconds in (100, 161):
        observer.receive(again, seconds, Source.TRACK)
        observer.release(seconds + 2)
    assert sorted(ends(observer)) == ["PaymentLost", "PaymentSucceeded"]
    assert observer.tracker.open == {}


def test_run_is_not_lost_while_lnd_may_read_its_table() -> None:
    """A new stream may be silent for minutes, and then still send the end."""
    observer = Observer()
    observer.tracker.scan_ns = 180 * 10**9
    observer.receive(payment(IN_FLIGHT), 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    new = payment(IN_FLIGHT, created_s=12, payment_index=NEW_INDEX)
    observer.receive(new, 15, Source.LIST)
    observer.receive(new, 75, Source.TRACK)
    observer.receive(payment(FAILED, reason=Reason.NO_ROUTE), 190)
    observer.receive(new, 190)
    assert ends(observer) == ["PaymentFailed"]
