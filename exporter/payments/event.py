"""Facts in the past tense, from which the ledger counts.

`Tracker` returns the facts about payments, `exporter/follow` reports the others. `Event` is the closed list of them:
the type checker proves that the ledger handles each.
"""

from typing import NamedTuple, TypeAlias

from exporter.payments.labels import (
    CallOutcome,
    Cause,
    Code,
    FailureSource,
    FromStatus,
    Ignored,
    Interruption,
    Kind,
    Lost,
    Method,
    Purpose,
    Reason,
    RouteCheck,
    Source,
    ToStatus,
    Unresolved,
)
from exporter.payments.payment import Attempt, Run


class UpdateReceived(NamedTuple):
    """A snapshot was received, whatever it contained."""

    source: Source
    wall_ns: int
    """When, by our clock, nanoseconds since 1970."""


class UpdateIgnored(NamedTuple):
    """A snapshot contained nothing new."""

    cause: Ignored


class UpdateDelayed(NamedTuple):
    """A live update contained a new attempt or resolution."""

    delay_ns: int
    """From the time of the attempt or resolution, lnd's clock, to the receipt, our clock; never negative."""


class PaymentStarted(NamedTuple):
    """A run was seen for the first time."""

    run: Run


class EndUnconfirmed(NamedTuple):
    """lnd may have been asked for the end of a run too early: it must be asked again. Counts nothing."""

    payment_hash: str


class BalanceLacked(NamedTuple):
    """A run has ended for lack of balance: the node's channels tell why, if lnd is asked at once. Counts nothing."""


class StatusChanged(NamedTuple):
    """A run changed its status. The change to a final status is reported when the run is counted."""

    before: FromStatus
    after: ToStatus


class FirstAttemptMade(NamedTuple):
    """A run that was seen from its beginning sent its first HTLC."""

    after_ns: int
    """From the creation of the run, by lnd's clock; never negative."""


class AttemptStarted(NamedTuple):
    """An HTLC attempt was seen for the first time."""

    attempt: Attempt


class AttemptSettled(NamedTuple):
    """An HTLC attempt was settled."""

    attempt: Attempt
    purpose: Purpose
    """Purpose of the payment, as far as it was known at that time."""


class AttemptFailed(NamedTuple):
    """An HTLC attempt failed."""

    attempt: Attempt
    purpose: Purpose
    """Purpose of the payment, as far as it was known at that time."""


class AttemptUnresolved(NamedTuple):
    """An attempt that was seen in flight is over, and it can't be learnt any more how it ended."""

    attempt: Attempt
    cause: Unresolved


class LastFailure(NamedTuple):
    """The failure of the HTLC attempt of a run that failed last."""

    code: Code
    source: FailureSource
    failed_by: str = ""
    """`Attempt.failed_by`."""
    resolve_ns: int = 0
    """When it failed, lnd's clock, nanoseconds since 1970."""


class Ending(NamedTuple):
    """The facts about a run that is counted as finished."""

    run: Run
    kind: Kind
    reason: Reason
    """Of the last terminal update; `none` on an ordinary success."""
    value_msat: int
    fee_msat: int
    parts: int
    """Number of settled HTLCs."""
    duration_ns: int | None
    """From creation to end, never negative; None if the end time isn't known anywhere."""
    attempts: int | None
    """Number of HTLC attempts of the whole run; None unless all were seen."""
    recovered: bool
    """True if the end was learnt by asking lnd, False if it was seen live."""
    first_hops: tuple[str, ...] = ()
    """Identity keys of direct peers, at most `MAX_FIRST_HOPS`.

    Those through which HTLCs settled, the largest amount first; if none did, those that were tried, the last one first.
    """
    destination: str = ""
    """Identity key of the recipient; empty if no attempt showed it, or if it isn't to be kept."""
    last_failure: LastFailure | None = None
    group: str = ""
    """Name of the group of destinations that the recipient is in; empty if it is in none, or isn't known."""


class FailedRuns(NamedTuple):
    """Failed runs of one hash that were counted under the same labels. Words on disk may be newer than this program."""

    kind: str
    """A `Kind`."""
    amount_band: str
    """An `AmountBand`."""
    reason: str
    """A `Reason`."""
    number: int


class PaymentSucceeded(NamedTuple):
    """A run succeeded."""

    ending: Ending
    made_good: tuple[FailedRuns, ...] = ()
    """The runs of its hash that had failed before and are remembered: to the person who pays they were no failures."""


class PaymentFailed(NamedTuple):
    """A run failed."""

    ending: Ending
    cause: Cause
    made_good: bool = False
    """True if a later run of its hash has been counted as succeeded: its end was learnt too late."""


class PaymentLost(NamedTuple):
    """A run that was open here isn't known to lnd any more: it can't be learnt how it ended."""

    ending: Ending
    """As far as it was seen: without end and reason."""
    cause: Lost


class NoRouteChecked(NamedTuple):
    """lnd was asked why a payment had found no route."""

    verdict: RouteCheck


class StreamInterrupted(NamedTuple):
    """A session ended: the stream of updates was lost."""

    cause: Interruption


class LndCalled(NamedTuple):
    """A call to lnd ended; a stream is one call."""

    method: Method
    outcome: CallOutcome


class CatchUpPageRead(NamedTuple):
    """A catch-up read a page of payments."""

    payments: int
    """Number of payments on it."""


class ChannelsListed(NamedTuple):
    """lnd returned the list of the node's channels."""

    peers: frozenset[str]
    """Identity keys of the peers with a channel; as many as the node has channels, at most."""


Event: TypeAlias = (
    UpdateReceived
    | UpdateIgnored
    | UpdateDelayed
    | PaymentStarted
    | EndUnconfirmed
    | BalanceLacked
    | StatusChanged
    | FirstAttemptMade
    | AttemptStarted
    | AttemptSettled
    | AttemptFailed
    | AttemptUnresolved
    | PaymentSucceeded
    | PaymentFailed
    | PaymentLost
    | NoRouteChecked
    | StreamInterrupted
    | LndCalled
    | CatchUpPageRead
    | ChannelsListed
)
