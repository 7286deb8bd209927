"""Facts in the past tense: all that the counters are made of.

The tracker finds the facts about payments; the rest come from whoever follows a node. `Event` is the closed
list of them, and a type checker proves that the ledger handles each.
"""

from typing import NamedTuple, TypeAlias

from exporter.payments.labels import (
    CallOutcome,
    Cause,
    FromStatus,
    Ignored,
    Interruption,
    Kind,
    Lost,
    Method,
    Purpose,
    Reason,
    Source,
    ToStatus,
    Unresolved,
)
from exporter.payments.payment import Attempt, Run


class UpdateReceived(NamedTuple):
    """A snapshot arrived, whatever it said."""

    source: Source
    wall_ns: int


class UpdateIgnored(NamedTuple):
    """A snapshot told nothing new."""

    cause: Ignored


class UpdateDelayed(NamedTuple):
    """Time from a new attempt or resolution, by lnd's clock, to our receipt, by ours; never negative."""

    delay_ns: int


class PaymentStarted(NamedTuple):
    """A run was seen for the first time."""

    run: Run


class EndUnconfirmed(NamedTuple):
    """The end of a run was read just after lnd wrote it: lnd must be asked for it again. Counts nothing."""

    payment_hash: str


class StatusChanged(NamedTuple):
    """A run changed its status; the last change is told when the run is counted."""

    before: FromStatus
    after: ToStatus


class FirstAttemptMade(NamedTuple):
    """A run seen from its beginning sent its first HTLC: the time that took by lnd's clock, never negative."""

    after_ns: int


class AttemptStarted(NamedTuple):
    """An HTLC attempt was seen for the first time."""

    attempt: Attempt


class AttemptSettled(NamedTuple):
    """An HTLC attempt delivered its part."""

    attempt: Attempt


class AttemptFailed(NamedTuple):
    """An HTLC attempt failed."""

    attempt: Attempt
    purpose: Purpose


class AttemptUnresolved(NamedTuple):
    """The end of an attempt that was seen in flight can no longer be learnt."""

    attempt: Attempt
    cause: Unresolved


class Ending(NamedTuple):
    """What is known of a run when it is counted as finished."""

    run: Run
    kind: Kind
    reason: Reason
    """The reason of the last terminal update; `none` on an ordinary success."""
    value_msat: int
    fee_msat: int
    parts: int
    """Settled HTLCs."""
    duration_ns: int | None
    """Creation to end by lnd's clock, never negative; None if it can't be known."""
    attempts: int | None
    """HTLC attempts of the whole run; None unless all were seen."""
    recovered: bool
    """True if the end was learnt by asking."""


class PaymentSucceeded(NamedTuple):
    """A run delivered its amount."""

    ending: Ending


class PaymentFailed(NamedTuple):
    """A run ended without delivering."""

    ending: Ending
    cause: Cause


class PaymentLost(NamedTuple):
    """lnd no longer knows a run that was open here: its end can't be learnt."""

    run: Run
    cause: Lost


class StreamInterrupted(NamedTuple):
    """The stream of updates was lost."""

    cause: Interruption


class LndCalled(NamedTuple):
    """A call to lnd ended."""

    method: Method
    outcome: CallOutcome


class CaughtUp(NamedTuple):
    """A page of the payments that may have been missed was read."""

    payments: int


class ChannelsListed(NamedTuple):
    """lnd told with which peers it has channels."""

    peers: frozenset[str]
    """Identity keys, bounded by the node's channels."""


Event: TypeAlias = (
    UpdateReceived
    | UpdateIgnored
    | UpdateDelayed
    | PaymentStarted
    | EndUnconfirmed
    | StatusChanged
    | FirstAttemptMade
    | AttemptStarted
    | AttemptSettled
    | AttemptFailed
    | AttemptUnresolved
    | PaymentSucceeded
    | PaymentFailed
    | PaymentLost
    | StreamInterrupted
    | LndCalled
    | CaughtUp
    | ChannelsListed
)
