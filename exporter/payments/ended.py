"""A payment that ended, as the list of ended payments keeps it, and the newest of them that are not on disk yet."""

from collections import deque
from enum import StrEnum
from typing import NamedTuple

from exporter.payments.event import Ending, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import Kind, Reason
from exporter.payments.payment import NS_PER_US, Run

End = PaymentSucceeded | PaymentFailed | PaymentLost
"""The facts by which a run ends: each counts one run in `succeeded_total`, `failed_total` or `lost_total`."""


class RunOutcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    """lnd doesn't know it any more, so it isn't known how it ended."""


class EndedPayment(NamedTuple):
    """One run that was counted as finished or lost.

    Its words are label values; they are plain text here, because a list on disk may have one that is newer than this
    program.
    """

    number: int
    """The how many-th run it is that was counted for this node: the sum of the three totals after it."""
    counted_us: int
    """When it was counted, our clock, microseconds since 1970."""
    run: Run
    outcome: str
    """An `RunOutcome`."""
    reason: str
    """A `Reason`: that of a failure, or why lnd had given up a payment that then succeeded; else `none`."""
    cause: str
    """A `Cause` if it failed, a `Lost` if it was lost, empty if it succeeded."""
    kind: str
    """A `Kind`."""
    value_msat: int
    """Without fees."""
    fee_msat: int
    """0 unless it succeeded."""
    parts: int
    """Number of settled HTLCs."""
    attempts: int | None
    """Number of HTLC attempts of the whole run; None unless all were seen."""
    duration_ns: int | None
    """From creation to end, lnd's clock; None if the end time isn't known anywhere."""
    recovered: bool
    """True if its end was learnt by asking lnd: it may have ended long before it was counted."""
    first_hops: tuple[str, ...] = ()
    """`Ending.first_hops`."""
    destination: str = ""
    """`Ending.destination`."""
    failure_code: str = ""
    """Why the HTLC that failed last did: a `Code`; empty if none was seen to fail."""
    failure_source: str = ""
    """Which node failed it: a `FailureSource`."""
    failed_by: str = ""
    """Identity key of that node, if it was neither this one, the first hop nor the recipient."""

    @property
    def late(self) -> bool:
        """True if it succeeded although lnd had given it up."""
        return self.outcome == RunOutcome.SUCCEEDED and self.reason != Reason.NONE

    @property
    def ended_us(self) -> int | None:
        """When it ended, lnd's clock, microseconds since 1970; None if that isn't known anywhere."""
        return None if self.duration_ns is None else self.run.created_us + self.duration_ns // NS_PER_US


def is_unexplained(event: End) -> bool:
    """Return True for an end that lnd can be asked about: without a route and without any attempt, seen live.

    Without an invoice nobody knows the recipient, and which peers a rebalance had to use isn't known either.
    """
    ending = event.ending
    return (
        isinstance(event, PaymentFailed)
        and ending.reason in (Reason.NO_ROUTE, Reason.TIMEOUT)
        and ending.attempts == 0
        and ending.kind is Kind.INVOICE
        and not ending.recovered
    )


def describe_end(event: End, number: int, now_ns: int) -> EndedPayment:
    """Return the entry for a run that is counted now, nanoseconds since 1970, as the `number`-th."""
    ending = event.ending
    match event:
        case PaymentSucceeded():
            return _entry(ending, number, now_ns, RunOutcome.SUCCEEDED, "")
        case PaymentFailed():
            return _entry(ending, number, now_ns, RunOutcome.FAILED, event.cause)
        case PaymentLost():
            return _entry(ending, number, now_ns, RunOutcome.LOST, event.cause)


def _entry(ending: Ending, number: int, now_ns: int, outcome: RunOutcome, cause: str) -> EndedPayment:
    failure = ending.last_failure
    return EndedPayment(
        number=number,
        counted_us=now_ns // NS_PER_US,
        run=ending.run,
        outcome=outcome,
        reason=ending.reason,
        cause=cause,
        kind=ending.kind,
        value_msat=ending.value_msat,
        fee_msat=ending.fee_msat,
        parts=ending.parts,
        attempts=ending.attempts,
        duration_ns=ending.duration_ns,
        recovered=ending.recovered,
        first_hops=ending.first_hops,
        destination=ending.destination,
        failure_code=failure.code if failure else "",
        failure_source=failure.source if failure else "",
        failed_by=failure.failed_by if failure else "",
    )


class NewlyEnded:
    """The newest runs that ended and are not in the list on disk yet.

    As many as that list holds, at most: with more the disk has failed for long, and the list would drop the older ones
    at the next write anyway. So the bound loses nothing; 10,000 take about 10 MB.
    """

    def __init__(self, length: int = 0) -> None:
        """Start without any; `length` is that of the list on disk, 0 without one."""
        self.counted = 0
        """Number of runs counted as succeeded, failed or lost so far."""
        self._unwritten: deque[EndedPayment] = deque(maxlen=length)

    def __len__(self) -> int:
        """Return how many are not on disk."""
        return len(self._unwritten)

    def limit(self, length: int) -> None:
        """Set the length of the list on disk."""
        self._unwritten = deque(self._unwritten, maxlen=length)

    @property
    def wanted(self) -> bool:
        """True if there is a list on disk."""
        return self._unwritten.maxlen != 0

    def add(self, entry: EndedPayment) -> None:
        """Add an entry, the newest."""
        self._unwritten.append(entry)

    def unwritten(self) -> tuple[EndedPayment, ...]:
        """Return the entries that are not on disk, oldest first."""
        return tuple(self._unwritten)

    def written(self, number: int) -> None:
        """Note that all up to this number are on disk."""
        while self._unwritten and self._unwritten[0].number <= number:
            self._unwritten.popleft()
