"""The end of a run, seen but not counted yet: lnd may still overwrite its reason."""

from dataclasses import dataclass

from exporter.payments.labels import Reason, Status
from exporter.payments.payment import Moment, Payment
from exporter.payments.receipt import Receipt

HOLD_NS = 1_000_000_000
"""A run that ended is held this long before it is counted: the second terminal update came within 23 ms."""
RECENT_NS = 30_000_000_000
"""An end that is older than the newest thing that lnd shows, by this and as long as we waited, is final."""
MOST_POSTPONED = 20
"""A hold is extended at most this many times because the process stood still."""


@dataclass(slots=True)
class Terminal:
    """The end of a run. It is on hold for a second, or unconfirmed: then lnd must be asked for it again."""

    status: Status
    """Of the first terminal update: it stays."""
    reason: Reason
    """Of the last terminal update: it is what lnd's database keeps."""
    live: bool
    """The first terminal update came by the stream."""
    complete: bool
    """It shows all attempts: it came by the stream, or lnd has kept the failed ones."""
    received: Moment
    asked_mono_ns: int
    """When the last request was sent that it answers, monotonic clock; receipt, if it came by the stream."""
    latest_ns: int
    """lnd's time of the last thing that happened to it, nanoseconds since 1970: soon afterwards it may change again."""
    told: bool
    """The present subscription sends every terminal update, and has sent one of this run."""
    postponed: int = 0
    """How often its hold was extended."""
    held_until_mono_ns: int | None = None
    """When it is counted, monotonic clock; None while it is unconfirmed."""

    def hold(self, at: Moment) -> None:
        """Count it in a second from now."""
        self.held_until_mono_ns = at.mono_ns + HOLD_NS

    def postpone(self, by_ns: int) -> None:
        """Extend the hold: the process stood still, and a second terminal update may wait in the socket.

        A process that is always late must count, too, so this happens `MOST_POSTPONED` times at most.
        """
        if self.held_until_mono_ns is not None and self.postponed < MOST_POSTPONED:
            self.postponed += 1
            self.held_until_mono_ns += by_ns

    def is_due(self, at: Moment) -> bool:
        """Return True if its hold is over."""
        return self.held_until_mono_ns is not None and self.held_until_mono_ns <= at.mono_ns

    def unconfirm(self) -> None:
        """Don't count it before lnd has been asked again: another terminal update may have been missed."""
        self.held_until_mono_ns, self.told = None, False

    def confirm(self, payment: Payment, receipt: Receipt) -> bool:
        """Take another terminal snapshot; return True if it says something new.

        Of two snapshots the one of the higher rank gives the reason. The hold begins anew when an unconfirmed end is
        confirmed, and when the stream sends the first of its own terminal updates.
        """
        unconfirmed = self.held_until_mono_ns is None
        if unconfirmed or (receipt.tells_all and not self.told):
            self.hold(receipt.at)
            first_mono_ns = receipt.subscription.first_update_mono_ns
            # The answer overtook the update of a stream that was open already: live, then, and with all attempts.
            if receipt.tells_all and first_mono_ns is not None and first_mono_ns < self.asked_mono_ns:
                self.live = self.complete = True
        renamed = receipt.rank >= (self.told, self.asked_mono_ns) and self.reason is not payment.reason
        if renamed:
            self.reason = payment.reason
        self.told = self.told or receipt.tells_all
        self.asked_mono_ns = max(self.asked_mono_ns, receipt.asked.mono_ns)
        return unconfirmed or renamed

    def may_change(self, newest_ns: int, at: Moment) -> bool:
        """Return True if lnd may have been asked between the two terminal updates, and must be asked once more.

        A stream sends both, if late: lnd reads its whole table before the first update. What was asked for a second
        after the first shows the second, too. So does an end that is old compared with `newest_ns`, lnd's time of the
        newest thing that it has shown.
        """
        if self.told or self.asked_mono_ns >= self.received.mono_ns + HOLD_NS:
            return False
        return newest_ns - self.latest_ns < RECENT_NS + at.mono_ns - self.asked_mono_ns
