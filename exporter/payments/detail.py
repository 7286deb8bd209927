"""One payment as a person follows it: the snapshot that is counted, and the routes of its attempts."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exporter.payments.labels import AttemptStatus, FailureSource
from exporter.payments.payment import Attempt, Payment


class Hop(NamedTuple):
    """One hop of a route (`lnrpc.Hop`)."""

    pubkey: str
    """Identity key, hex as lnd sent it; a blinded one on a blinded path (`pub_key`)."""
    channel_id: int
    """The channel that leads to it (`chan_id`)."""
    amount_msat: int
    """What it forwards, or receives (`amt_to_forward_msat`)."""
    fee_msat: int
    """What it keeps (`fee_msat`)."""
    expiry_height: int
    """Block height at which the HTLC that leaves it expires (`expiry`)."""


@dataclass(frozen=True, slots=True)
class RoutedAttempt:
    """One HTLC attempt with its route."""

    attempt: Attempt
    hops: tuple[Hop, ...] = ()
    source_index: int | None = None
    """Who failed it: 0 this node, n the n-th hop (`failure_source_index`); None unless it failed with a reason."""
    preimage: str = field(default="", repr=False)
    """64 hex digits once it is settled; empty unless secrets were asked for."""
    deleted: bool = False
    """Seen in flight, and shown by lnd no longer: it ended while nobody listened, and lnd has deleted how."""

    @property
    def in_flight(self) -> bool:
        """True for an HTLC that is outstanding."""
        return self.attempt.status is AttemptStatus.IN_FLIGHT and not self.deleted

    @property
    def duration_ns(self) -> int | None:
        """Nanoseconds that it took, by lnd's clock; None while it is in flight, or if nobody knows."""
        attempt = self.attempt
        return max(0, attempt.resolve_ns - attempt.attempt_ns) if attempt.resolve_ns else None

    @property
    def culprit(self) -> Hop | None:
        """The hop that failed it; None if it was none, or nobody can tell."""
        at = (FailureSource.FIRST_HOP, FailureSource.INTERMEDIATE, FailureSource.RECIPIENT)
        return self.hops[self.source_index - 1] if self.source_index and self.attempt.source in at else None


@dataclass(frozen=True, slots=True)
class Detail:
    """One update of a payment (`lnrpc.Payment`)."""

    payment: Payment
    attempts: tuple[RoutedAttempt, ...] = ()
    """In lnd's order: as they were sent."""
    preimage: str = field(default="", repr=False)
    """64 hex digits once it has succeeded; empty unless secrets were asked for."""
    payment_request: str = field(default="", repr=False)
    """Empty if there is none, or unless secrets were asked for."""

    @property
    def in_flight(self) -> int:
        """HTLCs outstanding."""
        return sum(one.in_flight for one in self.attempts)

    def elapsed_ns(self, now_ns: int) -> int | None:
        """Nanoseconds since lnd created the payment (`now_ns` is since 1970), or until the last of its attempts ended.

        None for one that has ended and has no attempts: lnd doesn't say when.
        """
        payment = self.payment
        until_ns = payment.latest_ns if payment.status.ended else now_ns
        return max(0, until_ns - payment.created_ns) if until_ns else None

    def after(self, before: "Detail") -> "Detail":
        """This update, with the attempts that an earlier one had: lnd deletes failed ones once the payment has ended.

        An end is one: of an update that follows only the reason counts, and nothing if it is of another run.
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
