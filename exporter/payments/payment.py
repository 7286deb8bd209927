"""Snapshots: one message of lnd about one payment, reduced to what is counted.

lnd repeats all attempts in every message, so snapshots are flat and small. They contain no preimage and no route, and
a payment request only within `Payment.pays_self` and `Payment.payee_among`, which show it to nobody.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from exporter.payments.labels import AttemptStatus, Code, FailureSource, Kind, Reason, Status

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1000
"""Nanoseconds in a microsecond."""
LARGEST_INDEX = 2**63 - 1
"""The largest `payment_index` that lnd's databases and our state file can store."""


_FAILED = AttemptStatus.FAILED


class Moment(NamedTuple):
    """An instant on both clocks. Callers pass it in: the core never reads a clock."""

    wall_ns: int
    """Nanoseconds since 1970, UTC. Comparable with lnd's times, but may step."""
    mono_ns: int
    """Nanoseconds of a monotonic clock. For waiting; comparable only within one process."""


class Run(NamedTuple):
    """The identity of one run of a payment: a hash that failed may be tried again, with a new creation time."""

    payment_hash: str
    """64 hex digits, lower case (`Payment.payment_hash`); the set id of an AMP payment."""
    created_us: int
    """Microseconds since 1970 (`Payment.creation_time_ns`): native SQL on Postgres is no more precise."""


class Attempt(NamedTuple):
    """One HTLC attempt (`lnrpc.HTLCAttempt`)."""

    attempt_id: int
    """Unique over all payments of a node (`attempt_id`); 0 for all legacy attempts, which `key` tells apart."""
    status: AttemptStatus
    attempt_ns: int
    """When it was sent, lnd's clock, nanoseconds since 1970 (`attempt_time_ns`)."""
    resolve_ns: int = 0
    """When it was settled or failed, lnd's clock; 0 while in flight (`resolve_time_ns`)."""
    amount_msat: int = 0
    """The amount locked in the first channel, fees included (`Route.total_amt_msat`)."""
    fee_msat: int = 0
    """The part of `amount_msat` that is fees (`Route.total_fees_msat`)."""
    hops: int = 0
    """Length of the route (`len(Route.hops)`)."""
    peer: str = ""
    """Identity key of the first hop, hex (`Hop.pub_key`); empty without a route."""
    expiry_height: int = 0
    """Block height at which lnd must resolve it on chain (`Route.total_time_lock`); 0 if unknown."""
    hint: Kind | None = None
    """The payment's kind as far as the last hop shows it: `rebalance`, `amp` or `keysend`; None if it doesn't."""
    code: Code | None = None
    """Why it failed (`Failure.code`); None unless it failed with a reason."""
    source: FailureSource | None = None
    """Where it failed (`Failure.failure_source_index`); None unless it failed with a reason."""
    before_recipient: bool = False
    """True if it failed at the node before the recipient, which may be the first hop; never at this node itself."""
    failed_by: str = ""
    """Identity key, hex, of the node that failed it, if that is neither this node, the first hop nor the recipient."""
    channel_id: int = 0
    """This node's channel with the first hop (`Hop.chan_id`), where an HTLC with the payment's hash is offered.

    0 without a route, and for AMP, whose HTLCs have hashes of their own.
    """
    back_peer: str = ""
    """Identity key of the peer through which a rebalance comes back: the hop before this node; empty for others."""

    @property
    def key(self) -> int:
        """Unique within a node: the id, or for legacy attempts the negative send time in microseconds."""
        return self.attempt_id or -(self.attempt_ns // NS_PER_US)


class Payment(NamedTuple):
    """One whole snapshot of a payment (`lnrpc.Payment`)."""

    payment_hash: str
    """64 hex digits, lower case; empty if lnd sent something else: then the snapshot is malformed."""
    created_ns: int
    """Nanoseconds since 1970, lnd's clock (`creation_time_ns`, before lnd 0.8 `creation_date`)."""
    payment_index: int
    """Position in lnd's list (`payment_index`). It makes reading fast; it is not an identity."""
    status: Status
    reason: Reason = Reason.NONE
    """May be set on a payment that is still in flight, and on one that succeeded (`failure_reason`)."""
    value_msat: int = 0
    """The amount without fees (`value_msat`)."""
    fee_msat: int = 0
    """Sum over the attempts settled so far (`fee_msat`)."""
    invoice: bool = False
    """True if it has a payment request."""
    pays_self: Callable[[], bool] | None = None
    """Checks whether its payment request is payable to this very node. That takes long: do it once a run.

    None if the request isn't needed for that: it has attempts, or hasn't ended; or if the node's key isn't known.
    """
    attempts: tuple[Attempt, ...] = ()
    destination: str = ""
    """Identity key of the recipient, hex: the last hop (`Hop.pub_key`) of the last attempt.

    Empty without attempts and on blinded paths, where lnd sends a key that is no node's.
    """

    payee_among: Callable[[Collection[str]], str] | None = None
    """Finds which of some identity keys its payment request pays; empty if none. That takes long: do it once a run.

    None if the request isn't needed for that: it has attempts, or hasn't ended, or there is no request.
    """

    @property
    def run(self) -> Run:
        """The identity of this run."""
        return Run(self.payment_hash, self.created_ns // NS_PER_US)

    def without_destination(self) -> "Payment":
        """Return it without the keys of the recipient and of nodes on the way to it, except the first hops."""
        attempts = tuple(each._replace(failed_by="") if each.failed_by else each for each in self.attempts)
        return self._replace(destination="", attempts=attempts)

    @property
    def malformed(self) -> bool:
        """True if it has no identity, or numbers that would make a total fall or can't be stored. No lnd sends that."""
        if (
            not self.payment_hash
            or not NS_PER_US <= self.created_ns <= LARGEST_INDEX
            or not 0 <= self.payment_index <= LARGEST_INDEX
            or self.value_msat < 0
            or self.fee_msat < 0
        ):
            return True
        # Loops, here and below: a generator takes three times as long for the few attempts that most payments have.
        for attempt in self.attempts:  # noqa: SIM110
            if attempt.amount_msat < 0 or attempt.fee_msat < 0:
                return True
        return False

    @property
    def shows_failed_attempts(self) -> bool:
        """True if some of its attempts failed: if it has ended, lnd has kept all of them."""
        for attempt in self.attempts:  # noqa: SIM110
            if attempt.status is _FAILED:
                return True
        return False

    @property
    def latest_ns(self) -> int:
        """Lnd's time of the last thing that happened to its attempts, nanoseconds since 1970; 0 without attempts."""
        latest_ns = 0
        for attempt in self.attempts:
            latest_ns = max(latest_ns, attempt.attempt_ns, attempt.resolve_ns)
        return latest_ns
