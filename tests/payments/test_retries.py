"""A failed hash that is tried again: lnd forgets the old run and begins a new one under the same hash."""

from exporter.payments.event import PaymentFailed, PaymentLost, PaymentStarted, PaymentSucceeded, UpdateIgnored
from exporter.payments.labels import Ignored, Lost, Reason, Source
from exporter.payments.totals import Counter
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, flying, payment, settled

A, B = flying(1), flying(2, sent_s=6)
OLD_IN_FLIGHT = payment(IN_FLIGHT, A)
OLD_FAILED = payment(FAILED, reason=Reason.NO_ROUTE)
# A key-value lnd gives the next index, native SQL may give the same one again.
NEW_INDEX, SAME_INDEX = 11, 10


def ends(observer: Observer) -> list[str]:
    """How the runs ended, in the order in which they were counted."""
    kinds = (PaymentSucceeded, PaymentFailed, PaymentLost)
    return [type(event).__name__ for event in observer.events if isinstance(event, kinds)]


def test_tried_again_after_it_was_counted() -> None:
    """Both runs count, with either index."""
    for index in (NEW_INDEX, SAME_INDEX):
        observer = Observer()
        observer.hear(OLD_FAILED, 1)
        observer.release(2)
        observer.hear(payment(IN_FLIGHT, created_s=5, payment_index=index), 5)
        observer.hear(payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=index), 7)
        observer.release(8)
        assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]


def test_tried_again_with_the_old_run_still_open_here() -> None:
    """Its end was missed and can't be learnt any more: lost."""
    for index in (NEW_INDEX, SAME_INDEX):
        observer = Observer()
        observer.hear(OLD_IN_FLIGHT, 1)
        new = payment(IN_FLIGHT, created_s=5, payment_index=index)
        events = observer.hear(new, 5)
        assert PaymentLost(OLD_IN_FLIGHT.run, Lost.RETRIED) in events
        assert PaymentStarted(new.run) in events
        assert observer.ledger.counters[Counter.ATTEMPTS_UNRESOLVED]["lost",] == 1


def test_the_stream_is_late_with_the_end_of_the_old_run() -> None:
    """An answer has shown the new one, under an index that was free again: what the stream says is of the old one."""
    observer = Observer()
    observer.hear(OLD_IN_FLIGHT, 1)
    observer.hear(payment(IN_FLIGHT, created_s=5, payment_index=1), 5, Source.LIST)
    observer.hear(OLD_FAILED, 5.1)
    observer.hear(payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=1), 7)
    observer.release(9)
    assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]


def test_tried_again_while_nobody_listened() -> None:
    """An answer may overtake what the stream still has to say, so it must be given twice, a minute apart."""
    observer = Observer()
    observer.hear(OLD_IN_FLIGHT, 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    new = payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=NEW_INDEX)
    observer.grow_old()
    observer.hear(new, 40, Source.LIST)
    observer.release(50)
    assert ends(observer) == ["PaymentSucceeded"]
    assert observer.tracker.unseen() == [new.payment_hash]
    observer.hear(new, 99, Source.TRACK)
    assert ends(observer) == ["PaymentSucceeded"]
    observer.hear(new, 100, Source.TRACK)
    assert ends(observer) == ["PaymentSucceeded", "PaymentLost"]


def test_an_answer_overtakes_the_whole_old_run() -> None:
    """A catch-up may show the second try before the stream has delivered the first: both count, with their ends."""
    observer = Observer()
    new = payment(SUCCEEDED, settled(B, end_s=7), created_s=5, payment_index=NEW_INDEX)
    observer.hear(new, 7, Source.LIST)
    observer.hear(payment(), 7.1)
    observer.hear(OLD_IN_FLIGHT, 7.1)
    observer.hear(OLD_FAILED, 7.1)
    observer.hear(payment(IN_FLIGHT, B, created_s=5, payment_index=NEW_INDEX), 7.1)
    observer.hear(new, 7.1)
    observer.release(9)
    assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]
    assert observer.ledger.counters[Counter.STARTED] == {(): 2}


def test_the_old_run_is_not_believed_again() -> None:
    """Late news of an earlier run of the hash is ignored, before and after the new one ended."""
    observer = Observer()
    observer.hear(OLD_FAILED, 1)
    observer.hear(payment(IN_FLIGHT, created_s=5, payment_index=NEW_INDEX), 5)
    assert observer.hear(OLD_IN_FLIGHT, 6) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]
    observer.hear(payment(SUCCEEDED, settled(B), created_s=5, payment_index=NEW_INDEX), 7)
    observer.release(9)
    assert observer.hear(OLD_FAILED, 10) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]
    assert ends(observer) == ["PaymentFailed", "PaymentSucceeded"]


def test_tried_again_after_the_clock_stepped_back() -> None:
    """A higher index is enough to be a later run, even if lnd's clock says otherwise."""
    observer = Observer()
    observer.hear(OLD_FAILED, 1)
    observer.release(2)
    earlier = payment(IN_FLIGHT, created_s=-3600, payment_index=NEW_INDEX)
    assert observer.hear(earlier, 5)[0] == PaymentStarted(earlier.run)


def test_tried_again_with_the_same_index_and_a_clock_that_stepped_back() -> None:
    """No sign says which is later; but lnd has one run of each hash, and names the other one whenever it is asked."""
    observer = Observer()
    observer.hear(OLD_IN_FLIGHT, 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    again = payment(SUCCEEDED, settled(B), created_s=-5, payment_index=OLD_IN_FLIGHT.payment_index)
    for seconds in (100, 161):
        observer.hear(again, seconds, Source.TRACK)
        observer.release(seconds + 2)
    assert sorted(ends(observer)) == ["PaymentLost", "PaymentSucceeded"]
    assert observer.tracker.open == {}


def test_a_large_table_takes_time_to_be_read() -> None:
    """A new stream may be silent for minutes: so long a run isn't lost, for the stream may still tell its end."""
    observer = Observer()
    observer.tracker.scan_ns = 180 * 10**9
    observer.hear(payment(IN_FLIGHT), 1)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    new = payment(IN_FLIGHT, created_s=12, payment_index=NEW_INDEX)
    observer.hear(new, 15, Source.LIST)
    observer.hear(new, 75, Source.TRACK)
    observer.hear(payment(FAILED, reason=Reason.NO_ROUTE), 190)
    observer.hear(new, 190)
    assert ends(observer) == ["PaymentFailed"]
