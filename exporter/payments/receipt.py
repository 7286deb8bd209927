"""How a snapshot was received: by which subscription or answer, and when."""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.payments.labels import Source
from exporter.payments.payment import Moment


@dataclass(slots=True)
class Subscription:
    """The present subscription to payment updates: one `TrackPayments`, or a `TrackPaymentV2` for each payment."""

    number: int = 0
    """Subscriptions of a process are numbered from 1; 0 before the first."""
    full: bool = True
    """True if it sends every terminal update of a payment. `TrackPaymentV2` doesn't: it ends with the first one."""
    first_update_mono_ns: int | None = None
    """When its first update was received, monotonic clock: lnd had registered it by then. None before."""


class Receipt(NamedTuple):
    """How one snapshot was received."""

    source: Source
    at: Moment
    """When it was received."""
    asked: Moment
    """When the request for it was sent; lnd may have read the payment at any time since. For a full stream, `at`."""
    subscription: Subscription

    @property
    def live(self) -> bool:
        """True if it came from a stream."""
        return self.source is Source.STREAM

    @property
    def from_full_stream(self) -> bool:
        """True if it came from a stream that sends every terminal update, in the order in which lnd wrote them."""
        return self.live and self.subscription.full
