"""Snapshots in, facts out: finds the run that a snapshot shows, and decides whether one that isn't open is new.

The laws: a run ends at most once; an attempt ends at most once; a snapshot that is repeated, late or out of
order changes nothing. See `docs/reasons.md` for why each rule is there.
"""

from collections.abc import Sequence

from exporter.payments.event import (
    EndUnconfirmed,
    Event,
    PaymentStarted,
    UpdateIgnored,
    UpdateReceived,
)
from exporter.payments.labels import Ignored, Lost, Mode, Source
from exporter.payments.memory import Memory
from exporter.payments.payment import US_PER_NS, Moment, Payment, Run
from exporter.payments.receipt import Receipt, Subscription
from exporter.payments.run import OpenRun
from exporter.payments.terminal import Terminal

AHEAD_US = 7 * 86_400_000_000
"""How far our clock may be behind when counting begins; a run created later than that had a wrong clock in lnd."""
SURVIVORS = 5_000
"""More than any node had in flight when counting began; lnd's clock, if it was days ahead then, makes more old."""


class Tracker:
    """All that is known of one node's payments.

    Open runs are as many as lnd has in flight, with the attempts that lnd repeats of them; of finished runs
    `memory.REMEMBERED` are kept.
    """

    def __init__(self) -> None:
        """Begin with no history: `begin` tells where it ends."""
        self.open: dict[Run, OpenRun] = {}
        self.on_hold: dict[Run, Terminal] = {}
        """The ends of the open runs that are on hold: while there are any, call `release` from time to time."""
        self.memory = Memory()
        self._of_hash: dict[str, list[OpenRun]] = {}  # the open runs; of one hash seldom more than one
        self._subscription = Subscription()
        self._newest_ns = 0  # lnd's time of the newest thing that it has shown since this subscription began
        self.history_us = 0
        """Creation of the newest run that existed when counting began, microseconds since 1970."""
        self.survivors: dict[Run, None] = {}
        """Runs as old that have been started here, at most `SURVIVORS`: they are not forgotten with the others."""
        self.scan_ns = 0
        """How long lnd may read its table before a new stream says the first word."""
        self.begun = False
        """Counting has begun: it is known where history ends."""

    def begin(self, newest: Sequence[Payment], floor_index: int, at: Moment) -> list[Event]:
        """Start counting: `newest` is all that lnd knows above `floor_index`. What is over is history."""
        events: list[Event] = []
        self.begun = True
        self.memory.trust_indexes(floor_index)
        # lnd's clock, if it was far ahead once, makes nothing old; if it is so by less, ours may be behind.
        now_us = at.wall_ns // US_PER_NS
        sane = (payment.run.created_us for payment in newest if payment.run.created_us < now_us + AHEAD_US)
        self.history_us = max(sane, default=now_us if newest else 0)
        if floor_index:
            # What is below is never seen, and older, but for what was created at the same time as the lowest of these.
            self.memory.forgotten_us.extend(payment.run.created_us for payment in newest[: len(newest) // 2])
        for payment in newest:
            if payment.malformed:
                continue
            if payment.status.ended:
                self.memory.add(payment.run, payment.payment_index)
            else:
                events += self._start(payment, self._receipt(Source.LIST, at))
        return events

    def add(self, run: OpenRun) -> None:
        """Take a run for open."""
        self.open[run.run] = run
        self._of_hash.setdefault(run.run.payment_hash, []).append(run)

    def stream_started(self, mode: Mode = Mode.FIREHOSE) -> None:
        """Begin another subscription: its first update of a run may be old."""
        self._subscription = Subscription(self._subscription.number + 1, tells_all=mode is not Mode.TRACK)
        self._newest_ns = 0

    def stream_lost(self) -> None:
        """End the subscription: a second terminal update may be missed, so no end on hold is certain any more."""
        for terminal in self.on_hold.values():
            terminal.unconfirm()
        self.on_hold.clear()

    def postpone(self, by_ns: int) -> None:
        """Extend all holds, because this process stood still: a second terminal update may wait in the socket."""
        for terminal in self.on_hold.values():
            terminal.postpone(by_ns)

    def unseen(self) -> list[str]:
        """Return the hashes of the open runs that lnd must be asked for.

        Those are in flight and no stream has shown them since the present subscription began, or their end is
        unconfirmed.
        """
        return [
            payment_hash
            for payment_hash, runs in self._of_hash.items()
            if any(not run.on_hold if run.terminal else not self.is_shown(run) for run in runs)
        ]

    def stream_ended(self, payment_hash: str) -> None:
        """Note that no stream shows a payment any more: lnd must be asked for it."""
        for run in self._of_hash.get(payment_hash, ()):
            run.stream = 0

    def is_shown(self, run: OpenRun) -> bool:
        """Return True if the present subscription has shown it: then it will show its end."""
        return run.stream == self._subscription.number

    def update(self, payment: Payment, source: Source, at: Moment, asked: Moment | None = None) -> list[Event]:
        """Take one snapshot, received at `at`; call `release` from time to time, too.

        `asked` is when the request was sent that it answers; lnd may have read the answer at any time since.
        """
        events: list[Event] = [UpdateReceived(source, at.wall_ns)]
        if payment.malformed:
            return [*events, UpdateIgnored(Ignored.MALFORMED)]
        receipt = self._receipt(source, at, asked)
        self._newest_ns = max(self._newest_ns, payment.latest_ns, payment.created_ns)
        if receipt.live and self._subscription.first_update_mono_ns is None:
            self._subscription.first_update_mono_ns = at.mono_ns
        if not receipt.live or payment.run not in self.memory.indexes:  # else it is late, and says nothing
            events += self._close_others(payment, receipt)
        if (run := self.open.get(payment.run)) is not None:
            return events + self._receive(run, payment, receipt)
        if self._is_new(payment, receipt):
            return events + self._start(payment, receipt)
        return [*events, UpdateIgnored(Ignored.AFTER_TERMINAL)]

    def repair(self, payment: Payment, at: Moment) -> list[Event]:
        """Count a run that ended, that is neither open nor counted: whatever the floor says, it was missed."""
        if payment.run in self.open or self.memory.recognise(payment):
            return []
        return [UpdateReceived(Source.LIST, at.wall_ns), *self._start(payment, self._receipt(Source.LIST, at))]

    def not_found(self, payment_hash: str, at: Moment, cause: Lost = Lost.DELETED) -> list[Event]:
        """Take lnd's answer that it doesn't know this hash."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment_hash, ())):
            if not run.on_hold:  # lnd may have deleted it at once: its last update is still to come
                events += self._not_found(run, at, cause)
        return events

    def release(self, at: Moment) -> list[Event]:
        """Count the runs whose hold is over, but for those that lnd must be asked for once more."""
        events: list[Event] = []
        for run in [run for run, terminal in self.on_hold.items() if terminal.is_due(at)]:
            if self.on_hold[run].may_change(self._newest_ns, at):
                self.on_hold.pop(run).unconfirm()
                events.append(EndUnconfirmed(run.payment_hash))
            else:
                events += self._close(self.open[run], Lost.DELETED)
        return events

    def _receipt(self, source: Source, at: Moment, asked: Moment | None = None) -> Receipt:
        return Receipt(source, at, asked or at, self._subscription)

    def _is_new(self, payment: Payment, receipt: Receipt) -> bool:
        """Return True for a run that must be counted; one that isn't open may be history, or counted already."""
        if self.memory.recognise(payment) or payment.run in self.survivors:
            return False
        self.memory.check_numbering(payment)
        # A stream shows what is in flight, or was when it began: an old run was in flight when counting began, then.
        return self.memory.is_new(payment) or (receipt.live and self._is_old(payment.run))

    def _is_old(self, run: Run) -> bool:
        """Return True if it existed when counting began."""
        return run.created_us <= self.history_us

    def _start(self, payment: Payment, receipt: Receipt) -> list[Event]:
        run = OpenRun(
            run=payment.run,
            payment_index=payment.payment_index,
            value_msat=payment.value_msat,
            from_beginning=not payment.attempts and not payment.status.ended,
            news_mono_ns=receipt.at.mono_ns,
            invoice=payment.invoice,
        )
        self.add(run)
        if self._is_old(run.run):
            self.survivors[run.run] = None
            if len(self.survivors) > SURVIVORS:
                del self.survivors[next(iter(self.survivors))]
        self.memory.saw(payment.run)
        return [PaymentStarted(run.run), *self._receive(run, payment, receipt)]

    def _receive(self, run: OpenRun, payment: Payment, receipt: Receipt) -> list[Event]:
        events = run.receive(payment, receipt)
        if run.terminal is not None and run.on_hold:
            self.on_hold[run.run] = run.terminal
        return events

    def _close_others(self, payment: Payment, receipt: Receipt) -> list[Event]:
        """Close the other runs of a hash: lnd keeps one of each hash, and erases it for the next."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment.payment_hash, ())):
            if run.run == payment.run:
                continue
            if receipt.live:
                if run.precedes(payment):
                    events += self._close(run, Lost.RETRIED)  # the stream has sent all that there was of it
            elif not run.on_hold and (receipt.source is Source.TRACK or run.precedes(payment)):
                events += self._not_found(run, receipt.at, Lost.RETRIED)  # an answer may overtake the stream
        return events

    def _not_found(self, run: OpenRun, at: Moment, cause: Lost) -> list[Event]:
        believed = run.not_found(at, cause, self.scan_ns)
        return self._close(run, believed) if believed else []

    def _close(self, run: OpenRun, cause: Lost) -> list[Event]:
        """Count a run as finished if it was seen to end, else as lost; from now on it is remembered."""
        del self.open[run.run]
        self.on_hold.pop(run.run, None)
        same = self._of_hash[run.run.payment_hash]
        same.remove(run)
        if not same:
            del self._of_hash[run.run.payment_hash]
        self.memory.add(run.run, run.payment_index)
        return run.close(cause)
