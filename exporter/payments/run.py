"""An open run: what has been seen of a payment that isn't counted as finished yet, and can't be asked for again.

A run is in flight, then its end is on hold or unconfirmed (`Terminal`), until it is counted as finished or lost.
`docs/reasons.md` has the table of its transitions.
"""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.payments.attempts import SeenAttempts
from exporter.payments.cause import payment_cause
from exporter.payments.event import (
    Ending,
    Event,
    PaymentFailed,
    PaymentLost,
    PaymentSucceeded,
    StatusChanged,
    UpdateDelayed,
    UpdateIgnored,
)
from exporter.payments.labels import (
    AttemptStatus,
    FromStatus,
    Ignored,
    Lost,
    Reason,
    Status,
    ToStatus,
    Unresolved,
)
from exporter.payments.payment import US_PER_NS, Moment, Payment
from exporter.payments.receipt import Receipt
from exporter.payments.terminal import Terminal

GONE_NS = 60_000_000_000
"""A run in flight is lost when lnd answers twice, at least this long apart, that it doesn't know it."""


class NotFound(NamedTuple):
    """lnd answered that it doesn't know an open run, which isn't believed yet."""

    since_mono_ns: int
    """When it did so first, monotonic clock."""
    cause: Lost


@dataclass(slots=True, kw_only=True)
class OpenRun(SeenAttempts):
    """One run in flight, or ended and not counted yet."""

    payment_index: int
    value_msat: int
    news_mono_ns: int
    """When a snapshot last said something new, monotonic clock."""
    status: FromStatus = FromStatus.NEW
    reason: Reason = Reason.NONE
    fee_msat: int = 0
    terminal: Terminal | None = None
    stream: int = 0
    """Number of the last subscription that has shown it; 0 if lnd must be asked for it."""
    missing: NotFound | None = None
    """Set once lnd has answered that it doesn't know it."""
    told_age_s: int = 0
    """The highest limit of its age that the log has reported, seconds."""
    told_blocks: int | None = None
    """The lowest limit of blocks left that the log has reported; None if none."""

    def resume(self, shift_ns: int) -> None:
        """Go on in another process, whose monotonic clock is `shift_ns` ahead: no stream has shown it yet."""
        self.stream = 0
        self.missing = None
        self.news_mono_ns += shift_ns
        if self.terminal:
            wall_ns, mono_ns = self.terminal.received
            self.terminal.received = Moment(wall_ns, mono_ns + shift_ns)
            self.terminal.asked_mono_ns += shift_ns
            self.terminal.unconfirm()

    @property
    def given_up(self) -> bool:
        """A failure reason is written, though it may yet succeed."""
        return self.terminal is None and self.reason is not Reason.NONE

    @property
    def on_hold(self) -> bool:
        """True while it has ended, and is counted when its hold is over."""
        return self.terminal is not None and self.terminal.held_until_mono_ns is not None

    def precedes(self, payment: Payment) -> bool:
        """Return True if a snapshot is of a later run of the same hash; by time, for lnd on SQL reuses indexes."""
        return payment.run.created_us > self.run.created_us

    def receive(self, payment: Payment, receipt: Receipt) -> list[Event]:
        """Take a snapshot of this run; return what it says that wasn't known."""
        shown = self.stream == receipt.subscription.number
        self.payment_index = payment.payment_index
        self.missing = None
        if receipt.live:
            self.stream = receipt.subscription.number
        events = self.learn(payment.attempts)
        if self.terminal is not None:
            if payment.status.ended:
                if self.terminal.confirm(payment, receipt) or events:
                    return events
                return [UpdateIgnored(Ignored.DUPLICATE)]
            return events or [UpdateIgnored(Ignored.AFTER_TERMINAL)]
        if events and receipt.live and shown:  # a subscription's first update of a run may be old
            events.append(UpdateDelayed(max(0, receipt.at.wall_ns - payment.latest_ns)))
        changed = self._end(payment, receipt) if payment.status.ended else self._advance(payment, events)
        if not changed and not events:
            return [UpdateIgnored(Ignored.STALE if self._knows_more(payment) else Ignored.DUPLICATE)]
        self.news_mono_ns = receipt.at.mono_ns
        return events

    def not_found(self, at: Moment, cause: Lost, scan_ns: int) -> Lost | None:
        """Take lnd's answer that it doesn't know this run; return why it is gone if that is to be believed.

        It is if the run was seen to end, or if lnd answers so twice. In between there must be time for a stream to show
        the run: `scan_ns` is how long lnd may read its table before the first update.
        """
        if self.missing is None:
            self.missing = NotFound(at.mono_ns, cause)
        waited = at.mono_ns - self.missing.since_mono_ns >= GONE_NS + scan_ns
        return self.missing.cause if waited or self.terminal else None

    def close(self, cause: Lost) -> list[Event]:
        """Count it: as finished if it was seen to end, else as lost."""
        if self.terminal is not None:
            return self._finish(self.terminal)
        events = self.give_up(Unresolved.LOST)
        return [*events, StatusChanged(self.status, ToStatus.LOST), PaymentLost(self.run, cause)]

    def _knows_more(self, payment: Payment) -> bool:
        """Return True if the snapshot is older than this: it lacks an attempt, a resolution, a reason or a status."""
        if payment.status is Status.INITIATED and self.status is FromStatus.IN_FLIGHT:
            return True
        if self.reason is not Reason.NONE and payment.reason is Reason.NONE:
            return True
        shown = {attempt.key: attempt.status for attempt in payment.attempts}
        return any(key not in shown for key in self.outstanding) or any(
            shown.get(key, AttemptStatus.IN_FLIGHT) is AttemptStatus.IN_FLIGHT for key in self.resolved
        )

    def _advance(self, payment: Payment, events: list[Event]) -> bool:
        """Note status, reason and fee of a run in flight; return True if status or reason is new."""
        after, before = FromStatus(payment.status), self.status
        entered = before is not after and before is not FromStatus.IN_FLIGHT
        if entered:
            events.append(StatusChanged(before, ToStatus(payment.status)))
            self.status = after
        given_up = payment.reason not in (Reason.NONE, self.reason)
        if given_up:
            self.reason = payment.reason
        self.fee_msat = max(self.fee_msat, payment.fee_msat)
        return entered or given_up

    def _end(self, payment: Payment, receipt: Receipt) -> bool:
        """Note the first terminal snapshot, and hold it; always True, for that is news."""
        kept = any(attempt.status is AttemptStatus.FAILED for attempt in payment.attempts)
        self.terminal = Terminal(
            status=payment.status,
            reason=payment.reason,
            live=receipt.live,
            complete=receipt.live or kept,
            received=receipt.at,
            asked_mono_ns=receipt.asked.mono_ns,
            latest_ns=payment.latest_ns or payment.created_ns,
            told=receipt.tells_all,
        )
        self.terminal.hold(receipt.at)
        self.fee_msat = payment.fee_msat
        self.pays_self = self.pays_self or payment.pays_self
        return True

    def _finish(self, terminal: Terminal) -> list[Event]:
        events = self.give_up(Unresolved.DELETED)
        events.append(StatusChanged(self.status, ToStatus(terminal.status)))
        duration_ns = self._duration_ns(terminal)
        ending = Ending(
            run=self.run,
            kind=self.kind,
            reason=terminal.reason,
            value_msat=self.value_msat,
            fee_msat=self.fee_msat if terminal.status is Status.SUCCEEDED else 0,
            parts=self.settled,
            duration_ns=duration_ns,
            attempts=len(self.resolved) if terminal.complete else None,
            recovered=not terminal.live,
        )
        if terminal.status is Status.SUCCEEDED:
            events.append(PaymentSucceeded(ending))
        else:
            held = self.refused or (duration_ns is not None and self.longest_ns * 2 > duration_ns)
            events.append(PaymentFailed(ending, payment_cause(terminal.reason, self.failures, held=held)))
        return events

    def _duration_ns(self, terminal: Terminal) -> int | None:
        """Creation to end: the latest resolution of an attempt, without one the receipt of a live terminal.

        A recovered failure whose attempts lnd has deleted has no end time anywhere.
        """
        created_ns = self.run.created_us * US_PER_NS
        known = terminal.complete or terminal.status is Status.SUCCEEDED
        if self.last_resolve_ns and known:
            return max(0, self.last_resolve_ns - created_ns)
        return max(0, terminal.received.wall_ns - created_ns) if terminal.live else None
