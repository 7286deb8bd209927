"""Sequences of updates as real lnds send them, with every fact that follows."""

from typing import Any

import pytest

from exporter.payments.event import (
    AttemptFailed,
    AttemptSettled,
    AttemptStarted,
    Ending,
    Event,
    FirstAttemptMade,
    LastFailure,
    PaymentFailed,
    PaymentStarted,
    PaymentSucceeded,
    StatusChanged,
    UpdateDelayed,
    UpdateIgnored,
)
from exporter.payments.labels import Cause, FromStatus, Ignored, Kind, Purpose, Reason, ToStatus
from exporter.payments.payment import Attempt, Payment
from tests.payments.build import (
    FAILED,
    IN_FLIGHT,
    INITIATED,
    PEER,
    RUN,
    SECOND,
    SUCCEEDED,
    Observer,
    failed,
    flying,
    payment,
    refused,
    settled,
)

NEW = StatusChanged(FromStatus.NEW, ToStatus.IN_FLIGHT)
SUCCESS = StatusChanged(FromStatus.IN_FLIGHT, ToStatus.SUCCEEDED)
FAILURE = StatusChanged(FromStatus.IN_FLIGHT, ToStatus.FAILED)


def ending(**changes: Any) -> Ending:
    """Return the ending of a payment of 1000 sat that succeeded with its first attempt after 2 s, with changes."""
    ordinary = Ending(
        run=RUN,
        kind=Kind.INVOICE,
        reason=Reason.NONE,
        value_msat=1_000_000,
        fee_msat=10,
        parts=1,
        duration_ns=2 * SECOND,
        attempts=1,
        recovered=False,
        first_hops=(PEER,),
    )
    return ordinary._replace(**changes)


def last(attempt: Attempt) -> LastFailure:
    """Return a failed attempt as the last failure of its run."""
    assert attempt.code is not None
    assert attempt.source is not None
    return LastFailure(attempt.code, attempt.source, attempt.failed_by, attempt.resolve_ns)


def failure(reason: Reason, **changes: Any) -> Ending:
    """Return the ending of a payment that failed."""
    return ending(reason=reason, fee_msat=0, parts=0, **changes)


A, B, C = flying(1), flying(2, sent_s=3), flying(3, sent_s=3)
DETAILS, TIMEOUT, NO_ROUTE = Reason.INCORRECT_PAYMENT_DETAILS, Reason.TIMEOUT, Reason.NO_ROUTE

SEQUENCES: list[tuple[str, list[tuple[float, Payment]], list[Event]]] = [
    (
        "one attempt, succeeds",
        [(0, payment()), (1, payment(IN_FLIGHT, A)), (2, payment(SUCCEEDED, settled(A)))],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptSettled(settled(A), Purpose.PAYMENT),
            UpdateDelayed(0),
            SUCCESS,
            PaymentSucceeded(ending()),
        ],
    ),
    (
        "first attempt fails, second succeeds",
        [
            (0, payment()),
            (1, payment(IN_FLIGHT, A)),
            (2, payment(IN_FLIGHT, failed(A))),
            (3, payment(IN_FLIGHT, failed(A), B)),
            (4.5, payment(SUCCEEDED, failed(A), settled(B, end_s=4))),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptFailed(failed(A), Purpose.PAYMENT),
            UpdateDelayed(0),
            AttemptStarted(B),
            UpdateDelayed(0),
            AttemptSettled(settled(B, end_s=4), Purpose.PAYMENT),
            UpdateDelayed(SECOND // 2),
            SUCCESS,
            PaymentSucceeded(ending(duration_ns=4 * SECOND, attempts=2, last_failure=last(failed(A)))),
        ],
    ),
    (
        "no route",
        [(0, payment()), (0.5, payment(FAILED, reason=NO_ROUTE))],
        [
            PaymentStarted(RUN),
            NEW,
            FAILURE,
            PaymentFailed(failure(NO_ROUTE, duration_ns=SECOND // 2, attempts=0, first_hops=()), Cause.NO_ROUTE),
        ],
    ),
    (
        "the recipient refuses",
        [
            (0, payment()),
            (1, payment(IN_FLIGHT, A)),
            (2, payment(IN_FLIGHT, A, reason=DETAILS)),
            (2, payment(FAILED, refused(A), reason=DETAILS)),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptFailed(refused(A), Purpose.PAYMENT),
            UpdateDelayed(0),
            FAILURE,
            PaymentFailed(failure(DETAILS, last_failure=last(refused(A))), Cause.RECIPIENT),
        ],
    ),
    (
        "a probe: refused by the recipient, without a payment request",
        [
            (0, payment(invoice=False)),
            (1, payment(IN_FLIGHT, A, invoice=False)),
            (2, payment(FAILED, refused(A), reason=DETAILS, invoice=False)),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptFailed(refused(A), Purpose.OTHER),
            UpdateDelayed(0),
            FAILURE,
            PaymentFailed(failure(DETAILS, kind=Kind.PROBE, last_failure=last(refused(A))), Cause.RECIPIENT),
        ],
    ),
    (
        "three parts, two of which settle in one snapshot",
        [
            (0, payment()),
            (1, payment(IN_FLIGHT, A)),
            (3, payment(IN_FLIGHT, A, B, C)),
            (4, payment(IN_FLIGHT, settled(A, end_s=4), settled(B, end_s=4), C)),
            (5, payment(SUCCEEDED, settled(A, end_s=4), settled(B, end_s=4), settled(C, end_s=5))),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptStarted(B),
            AttemptStarted(C),
            UpdateDelayed(0),
            AttemptSettled(settled(A, end_s=4), Purpose.PAYMENT),
            AttemptSettled(settled(B, end_s=4), Purpose.PAYMENT),
            UpdateDelayed(0),
            AttemptSettled(settled(C, end_s=5), Purpose.PAYMENT),
            UpdateDelayed(0),
            SUCCESS,
            PaymentSucceeded(ending(fee_msat=30, parts=3, duration_ns=5 * SECOND, attempts=3)),
        ],
    ),
    (
        "a hold invoice settled after the payment's timeout: succeeded, with the reason timeout",
        [
            (0, payment()),
            (1, payment(IN_FLIGHT, A)),
            (8, payment(SUCCEEDED, settled(A, end_s=8))),
            (8.01, payment(SUCCEEDED, settled(A, end_s=8), reason=TIMEOUT)),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptSettled(settled(A, end_s=8), Purpose.PAYMENT),
            UpdateDelayed(0),
            SUCCESS,
            PaymentSucceeded(ending(reason=TIMEOUT, duration_ns=8 * SECOND)),
        ],
    ),
    (
        "a hold invoice cancelled after the payment's timeout: the last reason counts",
        [
            (0, payment()),
            (1, payment(IN_FLIGHT, A)),
            (8, payment(IN_FLIGHT, A, reason=DETAILS)),
            (8, payment(FAILED, refused(A, end_s=8), reason=DETAILS)),
            (8.002, payment(FAILED, refused(A, end_s=8), reason=TIMEOUT)),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptFailed(refused(A, end_s=8), Purpose.PAYMENT),
            UpdateDelayed(0),
            FAILURE,
            PaymentFailed(failure(TIMEOUT, duration_ns=8 * SECOND, last_failure=last(refused(A, end_s=8))), Cause.HELD),
        ],
    ),
    (
        "the reason changes while in flight: the last one counts",
        [
            (0, payment()),
            (1, payment(IN_FLIGHT, A)),
            (2, payment(IN_FLIGHT, A, reason=NO_ROUTE)),
            (3, payment(IN_FLIGHT, A, reason=TIMEOUT)),
            (9, payment(FAILED, failed(A, end_s=9), reason=TIMEOUT)),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            AttemptFailed(failed(A, end_s=9), Purpose.PAYMENT),
            UpdateDelayed(0),
            FAILURE,
            PaymentFailed(failure(TIMEOUT, duration_ns=9 * SECOND, last_failure=last(failed(A, end_s=9))), Cause.HELD),
        ],
    ),
    (
        "attempts that are resolved when first seen: no fact is missing if lnd skips an update",
        [(0, payment()), (4, payment(SUCCEEDED, failed(A), settled(B, end_s=4)))],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(failed(A)),
            AttemptFailed(failed(A), Purpose.PAYMENT),
            AttemptStarted(settled(B, end_s=4)),
            AttemptSettled(settled(B, end_s=4), Purpose.PAYMENT),
            UpdateDelayed(0),
            SUCCESS,
            PaymentSucceeded(ending(duration_ns=4 * SECOND, attempts=2, last_failure=last(failed(A)))),
        ],
    ),
    (
        "a node that sends the status INITIATED",
        [(0, payment(INITIATED)), (1, payment(IN_FLIGHT, A)), (2, payment(SUCCEEDED, settled(A)))],
        [
            PaymentStarted(RUN),
            StatusChanged(FromStatus.NEW, ToStatus.INITIATED),
            FirstAttemptMade(SECOND),
            AttemptStarted(A),
            UpdateDelayed(0),
            StatusChanged(FromStatus.INITIATED, ToStatus.IN_FLIGHT),
            AttemptSettled(settled(A), Purpose.PAYMENT),
            UpdateDelayed(0),
            SUCCESS,
            PaymentSucceeded(ending()),
        ],
    ),
    (
        "legacy attempts, all with the id 0, are told apart by their send time",
        [
            (0, payment()),
            (3, payment(IN_FLIGHT, failed(flying(0)), flying(0, sent_s=3))),
            (4, payment(SUCCEEDED, failed(flying(0)), settled(flying(0, sent_s=3), end_s=4))),
        ],
        [
            PaymentStarted(RUN),
            NEW,
            FirstAttemptMade(SECOND),
            AttemptStarted(failed(flying(0))),
            AttemptFailed(failed(flying(0)), Purpose.PAYMENT),
            AttemptStarted(flying(0, sent_s=3)),
            UpdateDelayed(0),
            AttemptSettled(settled(flying(0, sent_s=3), end_s=4), Purpose.PAYMENT),
            UpdateDelayed(0),
            SUCCESS,
            PaymentSucceeded(ending(duration_ns=4 * SECOND, attempts=2, last_failure=last(failed(A)))),
        ],
    ),
    (
        "first seen when it has already ended: all facts but the time to the first attempt",
        [(2, payment(SUCCEEDED, settled(A)))],
        [
            PaymentStarted(RUN),
            AttemptStarted(settled(A)),
            AttemptSettled(settled(A), Purpose.PAYMENT),
            StatusChanged(FromStatus.NEW, ToStatus.SUCCEEDED),
            PaymentSucceeded(ending()),
        ],
    ),
]


@pytest.mark.parametrize(("updates", "facts"), [row[1:] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_sequence_leads_to_exactly_these_facts(updates: list[tuple[float, Payment]], facts: list[Event]) -> None:
    """All updates are live; afterwards nothing is in flight."""
    observer = Observer()
    for seconds, snapshot in updates:
        observer.receive(snapshot, seconds)
    observer.release(updates[-1][0] + 1)
    assert observer.events == facts
    assert observer.tracker.open == {}


@pytest.mark.parametrize("updates", [row[1] for row in SEQUENCES], ids=[row[0] for row in SEQUENCES])
def test_doubled_updates_are_ignored_as_duplicates(updates: list[tuple[float, Payment]]) -> None:
    """The facts are those of the sequence sent once."""
    once, twice = Observer(), Observer()
    for seconds, snapshot in updates:
        once.receive(snapshot, seconds)
        twice.receive(snapshot, seconds)
        assert twice.receive(snapshot, seconds) == [UpdateIgnored(Ignored.DUPLICATE)]
    once.release(99)
    twice.release(99)
    assert [event for event in twice.events if not isinstance(event, UpdateIgnored)] == once.events
