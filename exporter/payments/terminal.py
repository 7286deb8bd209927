"""The end of a run that was seen, but isn't counted yet: lnd may still overwrite its reason."""

from dataclasses import dataclass

from exporter.payments.labels import Reason, Status
from exporter.payments.payment import NS_PER_S, Moment, Payment
from exporter.payments.receipt import Receipt

HOLD_NS = NS_PER_S
"""How long a run that ended is held before it is counted. The longest seen until the second terminal update: 23 ms."""
RECENT_NS = 30 * NS_PER_S
"""An end is final if it is older than lnd's newest time by this, plus how long ago lnd was asked."""
MAX_POSTPONED = 20
"""A hold is extended at most this many times because the process stood still."""


@dataclass(slots=True)
class Terminal:
    """The end of a run. It is on hold for a second, or unconfirmed: then lnd must be asked for it again."""

    status: Status
    """Of the first terminal update: it never changes."""
    reason: Reason
    """Of the last terminal update: lnd's database keeps this one."""
    live: bool
    """True if the first terminal update came from the stream."""
    complete: bool
    """True if all attempts are known: the end came from the stream, or lnd has kept the failed ones."""
    received: Moment
    asked_mono_ns: int
    """When the last request that returned it was sent, monotonic clock; when it was received, if from the stream."""
    latest_ns: int
    """lnd's time of the last thing that happened to the run, nanoseconds since 1970."""
    told: bool
    """True if the present subscription sends every terminal update, and has sent one of this run."""
    postponed: int = 0
    """Number of times its hold was extended: a hold that began earlier was extended as often, or more."""
    held_until_mono_ns: int | None = None
    """When it will be counted, monotonic clock; None while it is unconfirmed, as after a restart."""

    def hold(self, at: Moment) -> None:
        """Put it on hold: it is counted a second from `at`. All holds take as long, so they end as they began."""
        self.held_until_mono_ns, self.postponed = at.mono_ns + HOLD_NS, 0

    def postpone(self, by_ns: int) -> None:
        """Extend the hold: the process stood still, and a second terminal update may wait in the socket.

        At most `MAX_POSTPONED` times, so that a process that is always late counts at last.
        """
        if self.held_until_mono_ns is not None and self.postponed < MAX_POSTPONED:
            self.postponed += 1
            self.held_until_mono_ns += by_ns

    def is_due(self, at: Moment) -> bool:
        """Return True if its hold is over."""
        return self.held_until_mono_ns is not None and self.held_until_mono_ns <= at.mono_ns

    def unconfirm(self) -> None:
        """Make it unconfirmed: a second terminal update may have been missed, so lnd must be asked before it counts."""
        self.held_until_mono_ns, self.told = None, False

    def confirm(self, payment: Payment, receipt: Receipt) -> bool:
        """Take another terminal snapshot of the run; return True if it contains something new.

        The reason of the snapshot that was requested later is kept. An update from a full stream counts as requested
        when it is received: lnd had written it by then, and the stream sends all of them in order. The hold starts
        again if the end was unconfirmed, and at the first terminal update from a full stream.
        """
        unconfirmed = self.held_until_mono_ns is None
        if unconfirmed or (receipt.from_full_stream and not self.told):
            self.hold(receipt.at)
            first_mono_ns = receipt.subscription.first_update_mono_ns
            # The stream was open when lnd was asked, the answer only came first: so the end is live, and complete.
            if receipt.from_full_stream and first_mono_ns is not None and first_mono_ns < self.asked_mono_ns:
                self.live = self.complete = True
        new_reason = receipt.asked.mono_ns >= self.asked_mono_ns and self.reason is not payment.reason
        if new_reason:
            self.reason = payment.reason
        self.told = self.told or receipt.from_full_stream
        self.asked_mono_ns = max(self.asked_mono_ns, receipt.asked.mono_ns)
        return unconfirmed or new_reason

    def may_change(self, newest_ns: int, at: Moment) -> bool:
        """Return True if lnd may have been asked between the two terminal updates, and must be asked once more.

        Not if it came from a full stream: that sends both (perhaps late, for lnd reads its whole table before the first
        update). Not if it was requested a second after it was first received: that answer shows the second update, too.
        Not if it is old compared with `newest_ns`, lnd's time of the newest thing that it has shown.
        """
        if self.told or self.asked_mono_ns >= self.received.mono_ns + HOLD_NS:
            return False
        return newest_ns - self.latest_ns < RECENT_NS + at.mono_ns - self.asked_mono_ns
