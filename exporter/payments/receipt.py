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
    tells_all: bool = True
    """It sends every terminal update of a payment; `TrackPaymentV2` ends with the first one."""
    first_update_mono_ns: int | None = None
    """When its first update was received, monotonic clock: lnd had registered it by then. None before."""


class Receipt(NamedTuple):
    """How one snapshot was received."""

    source: Source
    at: Moment
    """When it was received."""
    asked: Moment
    """When the request was sent that it answers: lnd may have read it at any time since. For a stream, `at`."""
    subscription: Subscription

    @property
    def live(self) -> bool:
        """True if a stream brought it."""
        return self.source is Source.STREAM

    @property
    def tells_all(self) -> bool:
        """True if a stream brought it that sends every terminal update, in lnd's order."""
        return self.live and self.subscription.tells_all

    @property
    def rank(self) -> tuple[bool, int]:
        """The higher one of two terminal snapshots is believed: such a stream, else the answer requested later."""
        return self.tells_all, self.asked.mono_ns
