"""A payment request is checked once for each run that is counted, however often lnd shows it, and never for others."""

from exporter.payments.event import PaymentFailed
from exporter.payments.labels import Kind, Purpose, Reason, Source
from exporter.payments.payment import Payment
from exporter.payments.tracker import Tracker
from exporter.store import codec
from tests.payments.build import FAILED, HASH, IN_FLIGHT, OTHER_HASH, Observer, at, failed, flying, payment


class Check:
    """Answers whether a payment request pays this node, and counts how often it is asked."""

    def __init__(self, answer: bool = True) -> None:  # noqa: FBT001, FBT002
        """Start without any question."""
        self.answer = answer
        self.asked = 0

    def __call__(self) -> bool:
        """Answer."""
        self.asked += 1
        return self.answer


def unattempted(check: Check, payment_hash: str = HASH, reason: Reason = Reason.NO_ROUTE) -> Payment:
    """Return a payment that ended without an attempt."""
    return payment(FAILED, reason=reason, payment_hash=payment_hash)._replace(pays_self=check)


def kinds(observer: Observer) -> list[Kind]:
    """Return the kinds of all payments that were counted as failed."""
    return [event.ending.kind for event in observer.events if isinstance(event, PaymentFailed)]


def test_repeated_ends_are_checked_once() -> None:
    """By the stream twice, with another reason, by an answer and by lists, before and after it is counted."""
    observer, check = Observer(), Check()
    observer.receive(payment(IN_FLIGHT), 1)
    assert check.asked == 0
    observer.receive(unattempted(check), 2)
    observer.receive(unattempted(check, reason=Reason.ERROR), 2.1)
    for source in Source:
        observer.receive(unattempted(check), 2.5, source)
    observer.release(9)
    for source in Source:
        observer.receive(unattempted(check), 10, source)
    assert observer.tracker.repair(unattempted(check), at(11)) == []
    assert (kinds(observer), check.asked) == ([Kind.REBALANCE], 1)


def test_history_is_not_checked() -> None:
    """It is over when counting begins."""
    tracker, check = Tracker(), Check()
    tracker.begin([unattempted(check)], 0, at(0))
    observer = Observer(tracker)
    observer.receive(unattempted(check), 1, Source.LIST)
    assert (kinds(observer), check.asked) == ([], 0)


def test_payment_that_the_audit_found_is_checked_once() -> None:
    """It is counted as any other."""
    observer, check = Observer(), Check()
    observer.apply(observer.tracker.repair(unattempted(check), at(1)))
    observer.make_others_old()
    observer.release(9)
    assert (kinds(observer), check.asked) == ([Kind.REBALANCE], 1)


def test_payment_that_pays_another_is_checked_once() -> None:
    """Its kind is invoice."""
    observer, check = Observer(), Check(answer=False)
    for seconds in (1, 2, 3):
        observer.receive(unattempted(check), seconds)
    observer.release(9)
    assert (kinds(observer), check.asked) == ([Kind.INVOICE], 1)


def test_attempts_seen_earlier_change_nothing() -> None:
    """lnd deleted them when the payment ended; the request shows whom it pays."""
    observer, check = Observer(), Check()
    observer.receive(payment(IN_FLIGHT, flying()), 1)
    observer.receive(payment(IN_FLIGHT, failed(flying())), 2)
    observer.receive(unattempted(check), 3)
    observer.release(9)
    assert (kinds(observer), check.asked) == ([Kind.REBALANCE], 1)


def test_restart_keeps_the_answer() -> None:
    """An end on hold is saved with it: lnd may have deleted the payment, so that it can't be asked again."""
    observer, checks = Observer(), (Check(), Check(answer=False))
    for check, payment_hash in zip(checks, (HASH, OTHER_HASH), strict=True):
        observer.receive(unattempted(check, payment_hash), 1)
    saved = [codec.decode_run(codec._json(run)) for run in observer.tracker.open.values()]
    assert [run.pays_self for run in saved] == [True, False]
    tracker = Tracker()
    for run in saved:
        run.resume(0)
        tracker.add(run)
    tracker.begun = True
    later = Observer(tracker)
    later.not_found(2)
    later.receive(unattempted(checks[1], OTHER_HASH), 2, Source.TRACK)
    later.release(9)
    assert (kinds(later), [check.asked for check in checks]) == ([Kind.REBALANCE, Kind.INVOICE], [1, 1])


def test_payment_on_hold_has_its_purpose() -> None:
    """The gauge of what is in flight shows it as a rebalance, as soon as it has ended."""
    observer = Observer()
    observer.receive(unattempted(Check()), 1)
    assert [run.purpose for run in observer.tracker.open.values()] == [Purpose.REBALANCE]
