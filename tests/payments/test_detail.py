"""What becomes of a payment that is followed when lnd forgets part of it, or says another last word."""

from exporter.payments.detail import Detail, Hop, RoutedAttempt
from exporter.payments.labels import FailureSource, Reason
from exporter.payments.payment import Payment
from tests.payments.build import FAILED, IN_FLIGHT, SECOND, SUCCEEDED, T0, failed, flying, payment, settled

HOPS = tuple(Hop(key * 33, 1, 1_000_000, 5, 800_000) for key in ("02", "03", "04"))


def detail(snapshot: Payment) -> Detail:
    """An update with the routes of its attempts."""
    attempts = tuple(RoutedAttempt(one, HOPS, None if one.source is None else 2) for one in snapshot.attempts)
    return Detail(snapshot, attempts)


def test_failed_attempts_are_kept() -> None:
    """lnd deletes them when the payment has ended; what is still told of the others counts."""
    lost, won = failed(flying(1)), flying(2, sent_s=3)
    before = detail(payment(IN_FLIGHT, lost, won))
    after = detail(payment(SUCCEEDED, settled(won, end_s=4))).after(before)
    assert [one.attempt for one in after.attempts] == [lost, settled(won, end_s=4)]
    assert after.payment.status is SUCCEEDED
    assert after.after(before).attempts == after.attempts, "nothing is kept twice"


def test_what_was_in_flight_when_the_line_was_lost() -> None:
    """lnd deletes it, too; how it ended isn't known then, unless lnd shows it again."""
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


def test_a_second_end_changes_the_reason_only() -> None:
    """As the exporter counts it: status of the first, reason of the last."""
    first = detail(payment(FAILED, failed(flying()), reason=Reason.INCORRECT_PAYMENT_DETAILS))
    last = detail(payment(FAILED, reason=Reason.TIMEOUT)).after(first)
    assert (last.payment.reason, last.attempts) == (Reason.TIMEOUT, first.attempts)
    assert detail(payment(IN_FLIGHT, reason=Reason.TIMEOUT)).after(first) == first, "an end is one"


def test_another_run_of_the_same_hash() -> None:
    """It begins anew, but doesn't take the place of one that has ended."""
    before = detail(payment(IN_FLIGHT, failed(flying())))
    again = detail(payment(IN_FLIGHT, created_s=9))
    assert again.after(before) == again
    ended = detail(payment(FAILED, failed(flying()), reason=Reason.NO_ROUTE))
    assert again.after(ended) == ended


def test_how_long_it_took() -> None:
    """So far, or until the last attempt ended; without one lnd doesn't say, and clocks may differ."""
    assert detail(payment()).elapsed_ns(T0 + 7 * SECOND) == 7 * SECOND
    assert detail(payment()).elapsed_ns(T0 - 1) == 0
    assert detail(payment(SUCCEEDED, settled(flying()))).elapsed_ns(T0 + 7 * SECOND) == 2 * SECOND
    assert detail(payment(FAILED, reason=Reason.NO_ROUTE)).elapsed_ns(T0 + 7 * SECOND) is None
    assert RoutedAttempt(flying()).duration_ns is None
    assert RoutedAttempt(settled(flying())).duration_ns == SECOND
    assert RoutedAttempt(settled(flying(sent_s=5))).duration_ns == 0


def test_who_failed_it() -> None:
    """The hop of lnd's index; nobody where it was this node, or can't be told."""
    culprits = {source: RoutedAttempt(failed(flying(), source=source), HOPS, 2).culprit for source in FailureSource}
    assert culprits[FailureSource.INTERMEDIATE] == HOPS[1]
    assert culprits[FailureSource.SELF] is culprits[FailureSource.UNKNOWN] is None
    assert RoutedAttempt(flying(), HOPS).culprit is None
    assert detail(payment(IN_FLIGHT, flying(), failed(flying(2)))).in_flight == 1


def test_secrets_are_not_printed() -> None:
    """Not even by mistake."""
    secret = "5e" * 32
    assert secret not in repr(Detail(payment(), (RoutedAttempt(flying(), preimage=secret),), secret, secret))
