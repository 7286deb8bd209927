"""How a snapshot was received: by which subscription or answer, and when."""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.payments.labels import Source
from exporter.payments.payment import NS_PER_S, Moment

_STREAM = Source.STREAM  # Python 3.11 takes longer to look up the member of an enum than a global name

LAG_NS = 5 * NS_PER_S
"""What a stream shows may be this much older, by lnd's clock, than what it has shown already."""
QUIET_NS = NS_PER_S
"""A stream that sent nothing for this long has sent all that there was. This process ran: see `Account`."""
LONGEST_LAG_NS = 300 * NS_PER_S
"""What a stream hasn't shown by then is requested, however late the stream seems."""


@dataclass(slots=True)
class Subscription:
    """The present subscription to payment updates: one `TrackPayments`, or a `TrackPaymentV2` for each payment."""

    number: int = 0
    """Subscriptions of a process are numbered from 1; 0 before the first."""
    full: bool = True
    """True if it sends every terminal update of a payment. `TrackPaymentV2` doesn't: it ends with the first one."""
    first_update_mono_ns: int | None = None
    """When its first update was received, monotonic clock: lnd had registered it by then. None before."""
    last_update_mono_ns: int = -QUIET_NS
    """When its last update was received, monotonic clock; long ago before the first one."""
    newest_ns: int = 0
    """lnd's newest time in any of its updates, nanoseconds since 1970."""

    def note_update(self, newest_ns: int, at: Moment) -> None:
        """Note an update that was received at `at`; `newest_ns` is the newest of lnd's times in it."""
        if self.first_update_mono_ns is None:
            self.first_update_mono_ns = at.mono_ns
        self.last_update_mono_ns = at.mono_ns
        self.newest_ns = max(self.newest_ns, newest_ns)

    def is_late(self, happened_ns: int, received_mono_ns: int, at: Moment) -> bool:
        """Return True if it will probably show what an answer, received at `received_mono_ns`, has shown already.

        That happened at `happened_ns`, lnd's clock. This process reads slower than lnd sends if updates still arrive,
        and the stream hasn't come that far. lnd is asked if the stream turns out not to tell.
        """
        return (
            self.full
            and at.mono_ns - self.last_update_mono_ns < QUIET_NS
            and happened_ns > self.newest_ns - LAG_NS
            and at.mono_ns - received_mono_ns < LONGEST_LAG_NS
        )


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
        return self.source is _STREAM

    @property
    def from_full_stream(self) -> bool:
        """True if it came from a stream that sends every terminal update, in the order in which lnd wrote them."""
        return self.source is _STREAM and self.subscription.full

    @property
    def after_first_update(self) -> bool:
        """True for an answer that was requested after the stream's first update: lnd had registered it by then."""
        first_mono_ns = self.subscription.first_update_mono_ns
        return not self.live and first_mono_ns is not None and first_mono_ns < self.asked.mono_ns
