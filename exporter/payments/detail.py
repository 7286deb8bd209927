"""One payment as `track` shows it: the snapshot that the exporter would count, and the routes of its attempts."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exporter.payments.labels import AttemptStatus, FailureSource
from exporter.payments.payment import Attempt, Payment


class Hop(NamedTuple):
    """One hop of a route (`lnrpc.Hop`)."""

    pubkey: str
    """Identity key, hex as lnd sent it; the blinded key on a blinded path (`pub_key`)."""
    channel_id: int
    """The channel that leads to it (`chan_id`)."""
    amount_msat: int
    """The amount that it forwards, or receives (`amt_to_forward_msat`)."""
    fee_msat: int
    """The fee that it keeps (`fee_msat`)."""
    expiry_height: int
    """Block height at which the HTLC that leaves it expires (`expiry`)."""


@dataclass(frozen=True, slots=True)
class RoutedAttempt:
    """One HTLC attempt with its route."""

    attempt: Attempt
    hops: tuple[Hop, ...] = ()
    source_index: int | None = None
    """Where it failed: 0 this node, n the n-th hop (`failure_source_index`); None unless it failed with a reason."""
    preimage: str = field(default="", repr=False)
    """64 hex digits once it is settled; empty unless secrets were asked for."""
    deleted: bool = False
    """True if it was seen in flight, and lnd doesn't send it any more: it ended, but it can't be learnt how."""

    @property
    def in_flight(self) -> bool:
        """True if its HTLC is outstanding."""
        return self.attempt.status is AttemptStatus.IN_FLIGHT and not self.deleted

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds until it was resolved, lnd's clock; None while it is in flight, or if that isn't known."""
        attempt = self.attempt
        return max(0, attempt.resolve_ns - attempt.attempt_ns) if attempt.resolve_ns else None

    @property
    def failing_hop(self) -> Hop | None:
        """The hop at which it failed; None if it was this node, or isn't known."""
        at = (FailureSource.FIRST_HOP, FailureSource.INTERMEDIATE, FailureSource.RECIPIENT)
        return self.hops[self.source_index - 1] if self.source_index and self.attempt.source in at else None


@dataclass(frozen=True, slots=True)
class PaymentDetail:
    """One update of a payment (`lnrpc.Payment`)."""

    payment: Payment
    attempts: tuple[RoutedAttempt, ...] = ()
    """In the order in which they were sent."""
    preimage: str = field(default="", repr=False)
    """64 hex digits once it has succeeded; empty unless secrets were asked for."""
    payment_request: str = field(default="", repr=False)
    """Empty if there is none, or unless secrets were asked for."""

    @property
    def in_flight(self) -> int:
        """Number of HTLCs outstanding."""
        return sum(one.in_flight for one in self.attempts)

    def elapsed_ns(self, now_ns: int) -> int | None:
        """Return the nanoseconds from creation to `now_ns` (since 1970), or to the last end of an attempt if it ended.

        None if it ended and has no attempts: then lnd doesn't send when.
        """
        payment = self.payment
        until_ns = payment.latest_ns if payment.status.ended else now_ns
        return max(0, until_ns - payment.created_ns) if until_ns else None

    def after(self, before: "PaymentDetail") -> "PaymentDetail":
        """Return this update with the attempts of an earlier one: lnd deletes failed ones once the payment has ended.

        If the payment had ended before, return the earlier update, with the reason of this one if it is an end of the
        same run, too.
        """
        same = self.payment.run == before.payment.run
        if before.payment.status.ended:
            again = same and self.payment.status.ended
            return replace(before, payment=before.payment._replace(reason=self.payment.reason)) if again else before
        if not same:
            return self
        known = {one.attempt.key for one in self.attempts}
        gone = (
            replace(one, deleted=one.deleted or one.in_flight)
            for one in before.attempts
            if one.attempt.key not in known
        )
        attempts = (*gone, *self.attempts)
        return replace(self, attempts=tuple(sorted(attempts, key=lambda one: one.attempt.attempt_ns)))
