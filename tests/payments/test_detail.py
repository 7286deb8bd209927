"""Updates of a payment that `track` follows: lnd deletes attempts, or overwrites the reason."""

from exporter.payments.detail import Hop, PaymentDetail, RoutedAttempt
from exporter.payments.labels import FailureSource, Reason
from exporter.payments.payment import Payment
from tests.payments.build import FAILED, IN_FLIGHT, SECOND, SUCCEEDED, T0, failed, flying, payment, settled

HOPS = tuple(Hop(key * 33, 1, 1_000_000, 5, 800_000) for key in ("02", "03", "04"))


def detail(snapshot: Payment) -> PaymentDetail:
    """Return an update with the routes of its attempts."""
    attempts = tuple(RoutedAttempt(one, HOPS, None if one.source is None else 2) for one in snapshot.attempts)
    return PaymentDetail(snapshot, attempts)


def test_deleted_attempts_are_kept() -> None:
    """lnd deletes failed attempts when the payment has ended; the others are taken from the new update."""
    lost, won = failed(flying(1)), flying(2, sent_s=3)
    before = detail(payment(IN_FLIGHT, lost, won))
    after = detail(payment(SUCCEEDED, settled(won, end_s=4))).after(before)
    assert [one.attempt for one in after.attempts] == [lost, settled(won, end_s=4)]
    assert after.payment.status is SUCCEEDED
    assert after.after(before).attempts == after.attempts, "nothing is kept twice"


def test_attempt_that_vanished_in_flight_is_deleted() -> None:
    """It isn't known how it ended, unless lnd sends it again."""
    before = detail(payment(IN_FLIGHT, failed(flying(1)), flying(2, sent_s=3)))
    after = detail(payment(FAILED, reason=Reason.TIMEOUT)).after(before)
    assert [(one.attempt.attempt_id, one.deleted, one.in_flight) for one in after.attempts] == [
        (1, False, False),
        (2, True, False),
    ]
    assert after.attempts[1].duration_ns is after.elapsed_ns(T0 + 7 * SECOND) is None
    without = detail(payment(IN_FLIGHT)).after(before)
    assert before.after(without).attempts == before.attempts
    assert detail(payment(IN_FLIGHT)).after(without).attempts == without.attempts, "it stays deleted"


def test_second_end_changes_only_the_reason() -> None:
    """As the exporter counts it."""
    first = detail(payment(FAILED, failed(flying()), reason=Reason.INCORRECT_PAYMENT_DETAILS))
    last = detail(payment(FAILED, reason=Reason.TIMEOUT)).after(first)
    assert (last.payment.reason, last.attempts) == (Reason.TIMEOUT, first.attempts)
    assert detail(payment(IN_FLIGHT, reason=Reason.TIMEOUT)).after(first) == first, "an end is one"


def test_later_run_of_the_hash() -> None:
    """It replaces a run in flight, but not one that has ended."""
    before = detail(payment(IN_FLIGHT, failed(flying())))
    again = detail(payment(IN_FLIGHT, created_s=9))
    assert again.after(before) == again
    ended = detail(payment(FAILED, failed(flying()), reason=Reason.NO_ROUTE))
    assert again.after(ended) == ended


def test_elapsed_time_and_durations() -> None:
    """To now, or to the end of the last attempt; never negative, for clocks differ."""
    assert detail(payment()).elapsed_ns(T0 + 7 * SECOND) == 7 * SECOND
    assert detail(payment()).elapsed_ns(T0 - 1) == 0
    assert detail(payment(SUCCEEDED, settled(flying()))).elapsed_ns(T0 + 7 * SECOND) == 2 * SECOND
    assert detail(payment(FAILED, reason=Reason.NO_ROUTE)).elapsed_ns(T0 + 7 * SECOND) is None
    assert RoutedAttempt(flying()).duration_ns is None
    assert RoutedAttempt(settled(flying())).duration_ns == SECOND
    assert RoutedAttempt(settled(flying(sent_s=5))).duration_ns == 0


def test_culprit_is_the_hop_of_lnds_index() -> None:
    """None if it was this node, or isn't known."""
    culprits = {source: RoutedAttempt(failed(flying(), source=source), HOPS, 2).failing_hop for source in FailureSource}
    assert culprits[FailureSource.INTERMEDIATE] == HOPS[1]
    assert culprits[FailureSource.SELF] is culprits[FailureSource.UNKNOWN] is None
    assert RoutedAttempt(flying(), HOPS).failing_hop is None
    assert detail(payment(IN_FLIGHT, flying(), failed(flying(2)))).in_flight == 1


def test_secrets_are_not_in_the_repr() -> None:
    """So that no log and no traceback shows them."""
    secret = "5e" * 32
    assert secret not in repr(PaymentDetail(payment(), (RoutedAttempt(flying(), preimage=secret),), secret, secret))
