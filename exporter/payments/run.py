"""An open run: the parts of a payment that can't be asked for again, kept until it is counted as finished or lost.

A run is in flight, then its end is on hold or unconfirmed (`Terminal`), then it is counted. `docs/reasons.md` has the
table of its transitions.
"""

from dataclasses import dataclass
from typing import NamedTuple

from exporter.payments.attempts import SeenAttempts
from exporter.payments.balance import Balance
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
from exporter.payments.payment import NS_PER_S, NS_PER_US, Moment, Payment
from exporter.payments.receipt import Receipt
from exporter.payments.terminal import Terminal

# Python 3.11 takes longer to look up the member of an enum, by value much longer.
_SUCCEEDED = Status.SUCCEEDED
_TO_STATUS = {status: ToStatus(status) for status in Status}
_FROM_STATUS = {status: FromStatus(status) for status in (Status.INITIATED, Status.IN_FLIGHT)}

LOST_AFTER_NS = 60 * NS_PER_S
"""A run in flight is lost if lnd answers twice, at least this long apart, that it doesn't know it."""


class NotFound(NamedTuple):
    """An answer of lnd that it doesn't know an open run, which isn't believed yet."""

    since_mono_ns: int
    """When lnd first gave that answer, monotonic clock."""
    cause: Lost
    """Why the run would be lost."""


@dataclass(slots=True, kw_only=True)
class OpenRun(SeenAttempts):
    """One run that is in flight, or has ended and isn't counted yet."""

    payment_index: int
    value_msat: int
    news_mono_ns: int
    """When a snapshot last contained something new, monotonic clock."""
    status: FromStatus = FromStatus.NEW
    """The last status seen while it was in flight; a terminal status is in `terminal`."""
    reason: Reason = Reason.NONE
    """The last failure reason seen while it was in flight."""
    fee_msat: int = 0
    terminal: Terminal | None = None
    """Its end; None while it is in flight."""
    stream: int = 0
    """Number of the last subscription that has shown it; 0 if lnd must be asked for it."""
    missing: NotFound | None = None
    """Set while the last answer about it was that lnd doesn't know it."""
    succeeded_later: bool = False
    """True if a later run of its hash has been counted as succeeded: an answer overtook the stream."""
    ghosts: frozenset[int] = frozenset()
    """Keys of the HTLCs that were on no channel any more when lnd last listed them (`Ghosts`); they may have ended."""
    told_age_s: int = 0
    """The highest limit of age that the log has reported of it, seconds; 0 if none."""
    told_blocks: int | None = None
    """The lowest limit of blocks left that the log has reported of it; None if none."""

    def resume(self, shift_ns: int) -> None:
        """Continue in another process, whose monotonic clock is `shift_ns` ahead: no stream has shown the run there."""
        self.stream = 0
        self.missing = None
        self.ghosts = frozenset()
        self.news_mono_ns += shift_ns
        if self.terminal:
            wall_ns, mono_ns = self.terminal.received
            self.terminal.received = Moment(wall_ns, mono_ns + shift_ns)
            self.terminal.asked_mono_ns += shift_ns
            self.terminal.unconfirm()

    @property
    def given_up(self) -> bool:
        """True if lnd has written a failure reason, and makes no more attempts. It may still succeed."""
        return self.terminal is None and self.reason is not Reason.NONE

    @property
    def lacks_balance(self) -> bool:
        """True if its end was seen live, without any attempt: lnd found too little balance in its active channels."""
        terminal = self.terminal
        if terminal is None or not terminal.live or self.resolved or self.outstanding:
            return False
        return terminal.status is Status.FAILED and terminal.reason is Reason.INSUFFICIENT_BALANCE

    @property
    def on_hold(self) -> bool:
        """True if it has ended and is counted when its hold is over; False if it is in flight or unconfirmed."""
        return self.terminal is not None and self.terminal.held_until_mono_ns is not None

    def precedes(self, payment: Payment) -> bool:
        """Return True if the snapshot is of a later run of this hash; by time, for lnd on SQL reuses indexes."""
        return payment.run.created_us > self.run.created_us

    def receive(self, payment: Payment, receipt: Receipt) -> list[Event]:
        """Take a snapshot of this run, and return the facts that it adds."""
        shown_before = self.stream == receipt.subscription.number
        self.payment_index = payment.payment_index
        self.missing = None
        live = receipt.live
        if live:
            self.stream = receipt.subscription.number
        events = self.learn(payment.attempts)
        self.destination = self.destination or payment.destination
        if self.terminal is not None:
            if not payment.status.ended:
                return events or [UpdateIgnored(Ignored.AFTER_TERMINAL)]
            if self.terminal.confirm(payment, receipt) or events:
                return events
            return [UpdateIgnored(Ignored.DUPLICATE)]
        if events and live and shown_before:  # a subscription's first update of a run may be old
            events.append(UpdateDelayed(max(0, receipt.at.wall_ns - payment.latest_ns)))
        if payment.status.ended:
            self._end(payment, receipt)
        elif not self._advance(payment, events) and not events:
            return [UpdateIgnored(Ignored.STALE if self._is_stale(payment) else Ignored.DUPLICATE)]
        self.news_mono_ns = receipt.at.mono_ns
        return events

    def not_found(self, at: Moment, cause: Lost, scan_ns: int) -> Lost | None:
        """Note that lnd doesn't know this run; return why it is lost, or None while that isn't believed yet.

        It isn't while the run is on hold: then lnd deleted it at once, and its second terminal update may still come.
        Else it is if the run was seen to end, or if lnd answers so twice. In between a stream must have had time to
        show the run: `scan_ns` is how long lnd may read its table before the first update.
        """
        if self.on_hold:
            return None
        if self.missing is None:
            self.missing = NotFound(at.mono_ns, cause)
        waited = at.mono_ns - self.missing.since_mono_ns >= LOST_AFTER_NS + scan_ns
        return self.missing.cause if waited or self.terminal else None

    def close(self, cause: Lost, balance: Balance | None) -> list[Event]:
        """Count it: as finished if it was seen to end, else as lost because of `cause`.

        `balance` is what is known of the node's channels by now; None if nothing is.
        """
        if self.terminal is not None:
            return self._finish(self.terminal, balance)
        events = self.close_outstanding(Unresolved.LOST)
        return [*events, StatusChanged(self.status, ToStatus.LOST), PaymentLost(self._ending(), cause)]

    def _is_stale(self, payment: Payment) -> bool:
        """Return True if a snapshot lacks a status, a reason, an attempt or a resolution that is known."""
        if payment.status is Status.INITIATED and self.status is FromStatus.IN_FLIGHT:
            return True
        if self.reason is not Reason.NONE and payment.reason is Reason.NONE:
            return True
        shown = {attempt.key: attempt.status for attempt in payment.attempts}
        return any(key not in shown for key in self.outstanding) or any(
            shown.get(key, AttemptStatus.IN_FLIGHT) is AttemptStatus.IN_FLIGHT for key in self.resolved
        )

    def _advance(self, payment: Payment, events: list[Event]) -> bool:
        """Take status, reason and fee of a snapshot that isn't terminal; return True if status or reason is new."""
        after, before = _FROM_STATUS[payment.status], self.status
        entered = before is not after and before is not FromStatus.IN_FLIGHT
        if entered:
            events.append(StatusChanged(before, _TO_STATUS[payment.status]))
            self.status = after
        given_up = payment.reason not in (Reason.NONE, self.reason)
        if given_up:
            self.reason = payment.reason
        self.fee_msat = max(self.fee_msat, payment.fee_msat)
        return entered or given_up

    def _end(self, payment: Payment, receipt: Receipt) -> None:
        """Take the first terminal snapshot, and put it on hold."""
        live = receipt.live
        self.terminal = Terminal(
            status=payment.status,
            reason=payment.reason,
            live=live,
            complete=live or payment.shows_failed_attempts,
            received=receipt.at,
            asked_mono_ns=receipt.asked.mono_ns,
            latest_ns=payment.latest_ns or payment.created_ns,
            told=receipt.from_full_stream,
        )
        self.terminal.hold(receipt.at)
        self.fee_msat = payment.fee_msat
        self.pays_self = payment.pays_self is not None and payment.pays_self()  # here only: once a run, on disk later

    def _finish(self, terminal: Terminal, balance: Balance | None) -> list[Event]:
        events = self.close_outstanding(Unresolved.DELETED)
        events.append(StatusChanged(self.status, _TO_STATUS[terminal.status]))
        duration_ns = self._duration_ns(terminal)
        succeeded = terminal.status is _SUCCEEDED
        ending = self._ending(
            terminal.reason,
            self.fee_msat if succeeded else 0,
            duration_ns,
            len(self.resolved) if terminal.complete else None,
            recovered=not terminal.live,
        )
        if succeeded:
            events.append(PaymentSucceeded(ending))
        else:
            held = self.refused or (duration_ns is not None and self.longest_ns * 2 > duration_ns)
            lacked_inactive = (
                balance is not None
                and self.lacks_balance
                and balance.lacked_inactive(self.value_msat, terminal.received.mono_ns)
            )
            cause = payment_cause(terminal.reason, self.failures, held=held, lacked_inactive=lacked_inactive)
            events.append(PaymentFailed(ending, cause, self.succeeded_later))
        return events

    def _ending(
        self,
        reason: Reason = Reason.NONE,
        fee_msat: int = 0,
        duration_ns: int | None = None,
        attempts: int | None = None,
        *,
        recovered: bool = True,
    ) -> Ending:
        """Return what is known; by default without its end."""
        return Ending(  # by position: names take twice as long
            self.run,
            self.kind,
            reason,
            self.value_msat,
            fee_msat,
            self.settled,
            duration_ns,
            attempts,
            recovered,
            self.first_hops,
            self.destination,
            self.last_failure,
            self.group,
        )

    def _duration_ns(self, terminal: Terminal) -> int | None:
        """Return the time from creation to end: to the last resolution, without one to the receipt of a live terminal.

        None for a recovered failure whose attempts lnd has deleted: its end time isn't known anywhere.
        """
        created_ns = self.run.created_us * NS_PER_US
        known = terminal.complete or terminal.status is _SUCCEEDED
        if self.last_resolve_ns and known:
            return max(0, self.last_resolve_ns - created_ns)
        return max(0, terminal.received.wall_ns - created_ns) if terminal.live else None
