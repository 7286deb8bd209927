"""What lnd has said about a payment and finds about it now: all that a verdict is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.payments.detail import PaymentDetail, RoutedAttempt
from exporter.payments.ended import EndedPayment, RunOutcome
from exporter.payments.findings import Invoice, NoRoute, OwnChannel, Route
from exporter.payments.ghosts import missing
from exporter.payments.labels import Cause
from exporter.payments.node import Info
from exporter.payments.payment import NS_PER_S

GHOST_AFTER_NS = 300 * NS_PER_S
"""An HTLC that was sent less long ago is not missed on its channel: lnd lists it when the peer has acknowledged it.

lnd disconnects a peer that doesn't answer at all within a minute and a half, through Tor within four and a half
(`pingInterval`, `pingTimeout` in its peer/brontide.go); then its channels are inactive.
"""


class Found(NamedTuple):
    """The routes that lnd finds now for the whole amount, in one part unless said otherwise. None: not asked."""

    whole: Route | NoRoute | None = None
    """As a payment would find it: channels that have failed lately are avoided."""
    regardless: Route | NoRoute | None = None
    """Without regard to failures; asked only if there was no path."""
    before_recipient: Route | NoRoute | None = None
    """As a payment would find it, but only to the last node before the recipient on the route `avoided`."""
    part: Route | None = None
    """For an equal part of the amount, the largest that finds a route when it is halved as lnd does."""
    parts: int = 1
    """How many such parts make the amount."""

    @property
    def likely(self) -> Route | None:
        """The route that a payment would take now; None if there is none, or it has hardly any chance."""
        return self.whole if isinstance(self.whole, Route) and self.whole.likely else None

    @property
    def avoided(self) -> Route | None:
        """The route that lnd knows, but avoids or gives hardly any chance, because of failures; None without."""
        if isinstance(self.whole, Route):
            return None if self.whole.likely else self.whole
        return self.regardless if isinstance(self.regardless, Route) else None


class Balance(NamedTuple):
    """What the node's own channels can spend now, in msat."""

    active_msat: int
    inactive_msat: int
    largest_msat: int
    """What the fullest active channel can spend."""


class NotAnswered(NamedTuple):
    """A question that lnd hasn't answered."""

    call: str
    """Name of lnd's call."""
    advice: str
    denied: bool
    """True if the macaroon doesn't allow it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All that is known of one payment."""

    detail: PaymentDetail
    """Without secrets."""
    at_ns: int
    """When lnd was asked, by the clock of this machine, nanoseconds since 1970."""
    info: Info | None = None
    channels: tuple[OwnChannel, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Known aliases by identity key."""
    invoice: Invoice | None = None
    found: Found = field(default_factory=Found)
    not_answered: tuple[NotAnswered, ...] = ()
    counted: EndedPayment | None = None
    """What the exporter has seen of a payment that failed, if lnd has no attempt of it (any more)."""

    @property
    def counted_cause(self) -> Cause | None:
        """The cause by which the exporter has counted it; None if it hasn't, or knows no more than lnd does now."""
        counted = self.counted
        if counted is None or counted.outcome != RunOutcome.FAILED or counted.cause not in set(Cause):
            return None
        cause = Cause(counted.cause)
        return None if cause in (Cause.NO_ROUTE, Cause.OTHER) else cause

    @property
    def recipient(self) -> str:
        """Identity key of the recipient; empty if it is hidden, or neither an invoice nor an attempt shows it."""
        if self.invoice:
            return "" if self.invoice.blinded else self.invoice.destination
        routes = [one.hops for one in self.detail.attempts if one.hops]
        if routes:
            return routes[-1][-1].pubkey
        return self.counted.destination if self.counted else ""

    @property
    def pays_self(self) -> bool:
        """True if it is a rebalance: the node pays itself."""
        return self.info is not None and self.recipient == self.info.pubkey != ""

    @property
    def ghosts(self) -> tuple[RoutedAttempt, ...]:
        """Its HTLCs in flight that were sent long ago, and that lnd doesn't list on their channel, which is active."""
        channels = [channel for channel in self.channels or () if channel.active]
        offered = {number: channel.offered for channel in channels for number in channel.ids}
        waiting = {one.attempt.key: one for one in self.detail.attempts if one.in_flight}
        sent = [one.attempt for one in waiting.values()]
        gone = missing(sent, self.detail.payment.payment_hash, offered)
        return tuple(waiting[each.key] for each in gone if self.at_ns - each.attempt_ns >= GHOST_AFTER_NS)

    @property
    def balance(self) -> Balance | None:
        """What the node can spend now; None if lnd hasn't said it."""
        if self.channels is None:
            return None
        active = [channel.spendable_msat for channel in self.channels if channel.active]
        inactive = sum(channel.spendable_msat for channel in self.channels if not channel.active)
        return Balance(sum(active), inactive, max(active, default=0))
