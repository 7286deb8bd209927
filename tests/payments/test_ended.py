"""What the list of ended payments needs of a run: its first hops, its recipient, and the attempt that failed last."""

from exporter.payments.attempts import MAX_FIRST_HOPS
from exporter.payments.ended import EndedPayment, NewlyEnded, RunOutcome, describe_end
from exporter.payments.event import Ending, LastFailure, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import Cause, Code, FailureSource, Kind, Lost, Reason
from exporter.payments.payment import Attempt
from tests.payments.build import FAILED, IN_FLIGHT, PEER, RUN, SUCCEEDED, T0, Observer, failed, flying, payment, settled

DESTINATION, ROUTER = "03" + "33" * 32, "02" + "44" * 32


def peer(number: int) -> str:
    """Return the key of a peer."""
    return f"02{number:064x}"


def through(number: int, attempt: Attempt) -> Attempt:
    """Return the attempt with another first hop."""
    return attempt._replace(peer=peer(number))


def ending(observer: Observer) -> Ending:
    """Return what is known of the run that ended."""
    (found,) = [e.ending for e in observer.events if isinstance(e, PaymentSucceeded | PaymentFailed | PaymentLost)]
    return found


def ended(*snapshots: tuple[float, tuple[Attempt, ...]], status: object = SUCCEEDED) -> Ending:
    """Return the ending of a run that had these attempts at these times, of which the last are final."""
    observer = Observer()
    for seconds, attempts in snapshots[:-1]:
        observer.receive(payment(IN_FLIGHT, *attempts), seconds)
    seconds, attempts = snapshots[-1]
    reason = Reason.NO_ROUTE if status is FAILED else Reason.NONE
    observer.receive(payment(status, *attempts, reason=reason), seconds)  # type: ignore[arg-type]
    observer.release(seconds + 1)
    return ending(observer)


def test_paid_through_several_peers() -> None:
    """The one that carried most is first; one that only failed isn't among them."""
    small, large, large_too = flying(1, msat=5), flying(2, msat=7), flying(3, msat=1)
    parts = (through(1, settled(small)), through(2, settled(large)), through(2, settled(large_too)))
    assert ended((2, (through(9, failed(flying(4))), *parts))).first_hops == (peer(2), peer(1))


def test_tried_through_several_peers() -> None:
    """The last one that was tried is first, however often each was; only some of many are remembered."""
    tries = [failed(through(number, flying(place))) for place, number in enumerate([1, 2, 3, 1], 1)]
    assert ended((2, tuple(tries)), status=FAILED).first_hops == (peer(1), peer(3), peer(2))
    many = tuple(failed(through(number, flying(number))) for number in range(1, 20))
    assert ended((2, many), status=FAILED).first_hops == tuple(peer(n) for n in range(19, 19 - MAX_FIRST_HOPS, -1))


def test_attempt_that_failed_last() -> None:
    """By lnd's time, not in the order in which attempts began or were received."""
    early = failed(flying(2), Code.FEE_INSUFFICIENT, FailureSource.FIRST_HOP, end_s=3)
    late = failed(flying(1), end_s=4)._replace(failed_by=ROUTER)
    expected = LastFailure(Code.TEMPORARY_CHANNEL_FAILURE, FailureSource.INTERMEDIATE, ROUTER, late.resolve_ns)
    for snapshots in (
        [(5, (late, early))],
        [(4, (late, flying(2))), (5, (late, early))],
        [(3, (flying(1), early)), (5, (late, early))],
    ):
        assert ended(*snapshots, status=FAILED).last_failure == expected
    assert ended((5, (early, settled(flying(1))))).last_failure == LastFailure(
        Code.FEE_INSUFFICIENT, FailureSource.FIRST_HOP, "", early.resolve_ns
    )


def test_recipient_is_remembered() -> None:
    """lnd deletes failed attempts at the end: a later snapshot doesn't show it any more."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, failed(flying(1)))._replace(destination=DESTINATION), 1)
    observer.receive(payment(FAILED, reason=Reason.NO_ROUTE), 2)
    observer.release(3)
    assert ending(observer).destination == DESTINATION


def test_entries() -> None:
    """Of each outcome; what doesn't apply is empty."""
    facts = Ending(RUN, Kind.INVOICE, Reason.TIMEOUT, 1000, 5, 2, 3_000_000_001, 4, recovered=True)
    common = EndedPayment(
        9, T0 // 1000 + 1, RUN, "succeeded", "timeout", "", "invoice", 1000, 5, 2, 4, 3_000_000_001, recovered=True
    )
    succeeded = describe_end(PaymentSucceeded(facts), 9, T0 + 1999)
    assert succeeded == common
    assert (succeeded.late, succeeded.ended_us) == (True, RUN.created_us + 3_000_000)
    failure = facts._replace(
        first_hops=(PEER,),
        destination=DESTINATION,
        last_failure=LastFailure(Code.FEE_INSUFFICIENT, FailureSource.INTERMEDIATE, ROUTER),
    )
    assert describe_end(PaymentFailed(failure, Cause.ROUTE_POLICY), 9, T0 + 1999) == common._replace(
        outcome="failed",
        cause="route_policy",
        first_hops=(PEER,),
        destination=DESTINATION,
        failure_code="fee_insufficient",
        failure_source="intermediate",
        failed_by=ROUTER,
    )
    lost = describe_end(PaymentLost(facts._replace(duration_ns=None), Lost.RETRIED), 9, T0 + 1999)
    assert lost == common._replace(outcome="lost", cause="retried", duration_ns=None)
    assert (lost.late, lost.ended_us, lost.outcome) == (False, None, RunOutcome.LOST)


def test_limit_keeps_the_newest() -> None:
    """Whatever it was before."""
    found = NewlyEnded(5)
    for number in range(1, 8):
        found.add(describe_end(PaymentLost(ending_of_nothing(), Lost.DELETED), number, T0))
    found.limit(2)
    assert [entry.number for entry in found.unwritten()] == [6, 7]
    found.limit(0)
    assert (len(found), found.wanted) == (0, False)


def ending_of_nothing() -> Ending:
    """Return an ending of which nothing is known."""
    return Ending(RUN, Kind.UNKNOWN, Reason.NONE, 0, 0, 0, None, None, recovered=True)
