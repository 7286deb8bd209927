"""Snapshots in, facts out: find the run that a snapshot shows, and decide whether a run that isn't open is new.

Three laws hold: a run ends at most once; an attempt ends at most once; a snapshot that is repeated, late or out of
order changes nothing. `docs/reasons.md` gives the reason for each rule.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from exporter.payments.balance import Balance
from exporter.payments.destinations import Recipients
from exporter.payments.event import (
    BalanceLacked,
    EndUnconfirmed,
    Event,
    PaymentStarted,
    UpdateIgnored,
    UpdateReceived,
)
from exporter.payments.failed_hashes import FailedHashes
from exporter.payments.finished import FinishedRuns
from exporter.payments.ghosts import Ghosts
from exporter.payments.history import History
from exporter.payments.inflight import InFlightCounter
from exporter.payments.labels import Ignored, Lost, Mode, Source, Status
from exporter.payments.payment import NS_PER_US, Moment, Payment, Run
from exporter.payments.receipt import Receipt, Subscription
from exporter.payments.run import OpenRun
from exporter.payments.terminal import Terminal
from exporter.payments.texts import OpenTexts


class Tracker:
    """The open runs of one node, and the finished ones that are remembered.

    There are as many open runs as lnd has payments in flight, each with the attempts that lnd repeats in every message.
    """

    def __init__(self) -> None:
        """Start without any run; counting begins with `begin`, or where another process saved it."""
        self.open: dict[Run, OpenRun] = {}
        """The runs that are not counted as finished or lost yet."""
        self.texts = OpenTexts(self.open)
        """Of these runs. What `OpenRun.resume` sets anew doesn't count as a change."""
        self.in_flight = InFlightCounter(self.open)
        """The gauges of these runs."""
        self.on_hold: OrderedDict[Run, Terminal] = OrderedDict()
        """The ends of the open runs that are on hold, in the order in which their holds end: see `release`."""
        self.finished = FinishedRuns()
        self.failed = FailedHashes()
        self.ghosts = Ghosts()
        self.balance: Balance | None = None
        """What `ListChannels` last answered to this process; None before the first answer."""
        self._of_hash: dict[str, list[OpenRun]] = {}  # the open runs by hash, seldom more than one
        self._subscription = Subscription()
        self._newest_ns = 0  # lnd's newest time in any snapshot since this subscription began
        # Open runs that an answer showed in flight when lnd had registered the subscription: it will tell their ends.
        self._expected: set[Run] = set()
        self.history = History()
        self.scan_ns = 0
        """How long lnd may read its payments table before a new stream sends its first update."""
        self.begun = False
        """True once counting has begun: it is known where history ends."""
        self.recipients = Recipients()
        """What the open runs remember of who the recipient is."""

    def begin(self, newest: Sequence[Payment], floor_index: int, at: Moment) -> list[Event]:
        """Begin to count: of the payments in `newest` those that are over are history, the others are started.

        `newest` are all payments above `floor_index`, in ascending order of their index.
        """
        events: list[Event] = []
        self.begun = True
        self.finished.go_by_index(floor_index)
        newest = [payment for payment in newest if not payment.malformed]
        credible_us = self.history.end_with(newest, at.wall_ns)
        if floor_index:
            # By time, only runs younger than the lower half of these are above the floor: of the runs that are never
            # read some may have been created when the lowest of these were.
            self.finished.forgotten_us.extend(credible_us[: len(credible_us) // 2])
        for payment in newest:
            if payment.status.ended:
                self.finished.add(payment.run, payment.payment_index)
            else:
                events += self._start(payment, self._receipt(Source.LIST, at))
        return events

    def add(self, run: OpenRun) -> None:
        """Add an open run."""
        if not self.recipients.kept:
            run.drop_destination()
        self.open[run.run] = run
        self.texts.changed(run.run)
        self.in_flight.changed(run.run)
        self._of_hash.setdefault(run.run.payment_hash, []).append(run)

    def stream_started(self, mode: Mode = Mode.FIREHOSE) -> None:
        """Begin another subscription. Its first update of a run may be old."""
        self._subscription = Subscription(self._subscription.number + 1, full=mode is not Mode.TRACK)
        self._newest_ns = 0
        self._expected.clear()

    def stream_lost(self) -> None:
        """End the subscription: all ends on hold become unconfirmed, for a second terminal update may be missed."""
        for terminal in self.on_hold.values():
            terminal.unconfirm()
        self.on_hold.clear()

    def postpone(self, by_ns: int) -> None:
        """Extend all holds: this process stood still until now, and second terminal updates may wait in the socket.

        They still end in order: a hold that begins now ends after those that are extended, for they began before.
        """
        for terminal in self.on_hold.values():
            terminal.postpone(by_ns)

    def hashes_to_ask_for(self, at: Moment) -> list[str]:
        """Return the payment hashes that lnd must be asked for at present: see `must_ask`."""
        return [payment_hash for payment_hash in self._of_hash if self.must_ask(payment_hash, at)]

    def must_ask(self, payment_hash: str, at: Moment) -> bool:
        """Return True if lnd must be asked for this hash.

        It has an open run whose end is unconfirmed, or one in flight that the present subscription hasn't shown, unless
        the stream is only late.
        """
        return any(
            not run.on_hold
            if run.terminal
            else not self.is_on_stream(run)
            and not (
                run.run in self._expected
                and self._subscription.is_late(run.run.created_us * NS_PER_US, run.news_mono_ns, at)
            )
            for run in self._of_hash.get(payment_hash, ())
        )

    def unconfirmed_indexes(self, hashes: Iterable[str]) -> list[int]:
        """Return, ascending, under which indexes lnd last showed the runs of these hashes whose end is unconfirmed."""
        runs = (run for payment_hash in hashes for run in self._of_hash.get(payment_hash, ()))
        return sorted(run.payment_index for run in runs if run.terminal and not run.on_hold)

    def stream_ended(self, payment_hash: str) -> None:
        """Note that no stream shows this payment any more: lnd must be asked for it."""
        for run in self._of_hash.get(payment_hash, ()):
            run.stream = 0

    def is_on_stream(self, run: OpenRun) -> bool:
        """Return True if the present subscription has shown the run: then it will show its end, too."""
        return run.stream == self._subscription.number

    def update(self, payment: Payment, source: Source, at: Moment, asked: Moment | None = None) -> list[Event]:
        """Take one snapshot, received at `at`, and return the facts that it adds.

        `asked` is when the request for it was sent, for lnd may have read the payment at any time since; None for a
        stream.
        """
        events: list[Event] = [UpdateReceived(source, at.wall_ns)]
        if payment.malformed:
            return [*events, UpdateIgnored(Ignored.MALFORMED)]
        receipt, run = self._receipt(source, at, asked), payment.run
        newest_ns = max(payment.latest_ns, payment.created_ns)
        self._newest_ns = max(self._newest_ns, newest_ns)
        if receipt.live:
            self._subscription.note_update(newest_ns, at)
        if not receipt.live or run not in self.finished.indexes:  # a late update shows nothing about other runs
            events += self._close_others(payment, receipt)
        if (known := self.open.get(run)) is not None:
            return events + self._receive(known, payment, receipt)
        if self._is_new(payment, receipt):
            return events + self._start(payment, receipt)
        return [*events, UpdateIgnored(Ignored.AFTER_TERMINAL)]

    def repair(self, payment: Payment, at: Moment) -> list[Event]:
        """Count a run, whatever the floor says, unless it is open or remembered: the audit found it missing."""
        if payment.run in self.open or self.finished.recognise(payment):
            return []
        return [UpdateReceived(Source.LIST, at.wall_ns), *self._start(payment, self._receipt(Source.LIST, at))]

    def not_found(self, payment_hash: str, at: Moment, cause: Lost = Lost.DELETED) -> list[Event]:
        """Take lnd's answer that it doesn't know this hash: its runs are lost if that is to be believed."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment_hash, ())):
            events += self._not_found(run, at, cause)
        return events

    def release(self, at: Moment) -> list[Event]:
        """Count the runs whose hold is over, except those whose end lnd must be asked for once more."""
        events: list[Event] = []
        while self.on_hold:
            run, terminal = next(iter(self.on_hold.items()))
            if not terminal.is_due(at):
                break
            if not terminal.may_change(self._newest_ns, at):
                events += self._close(self.open[run], Lost.DELETED)
            elif self._subscription.is_late(terminal.latest_ns, terminal.received.mono_ns, at):
                terminal.hold(at)
                self.on_hold.move_to_end(run)
            else:
                self.on_hold.pop(run).unconfirm()
                events.append(EndUnconfirmed(run.payment_hash))
        return events

    def _receipt(self, source: Source, at: Moment, asked: Moment | None = None) -> Receipt:
        return Receipt(source, at, asked or at, self._subscription)

    def _is_new(self, payment: Payment, receipt: Receipt) -> bool:
        """Return True if a run that isn't open must be counted: it is neither history nor counted already."""
        if self.finished.recognise(payment) or payment.run in self.history.survivors:
            return False
        self.finished.check_numbering(payment)
        # A stream shows runs that are in flight, or were when it began. An old one was in flight when counting began.
        return self.finished.is_new(payment) or (receipt.live and self.history.is_old(payment.run))

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
        self.history.note_start(run.run)
        self.finished.note_created(payment.run)
        return [PaymentStarted(run.run), *self._receive(run, payment, receipt)]

    def _receive(self, run: OpenRun, payment: Payment, receipt: Receipt) -> list[Event]:
        payment = self.recipients.note(run, payment)
        before = run.terminal and run.terminal.held_until_mono_ns
        events = run.receive(payment, receipt)
        self.texts.changed(run.run)
        self.in_flight.changed(run.run)
        if run.terminal is None and receipt.after_first_update:
            self._expected.add(run.run)
        if run.terminal is not None and run.terminal.held_until_mono_ns != before:  # its hold has begun, or begun again
            self.on_hold[run.run] = run.terminal
            self.on_hold.move_to_end(run.run)
            if run.lacks_balance:
                events.append(BalanceLacked())
        return events

    def _close_others(self, payment: Payment, receipt: Receipt) -> list[Event]:
        """Close the other open runs of a hash: lnd keeps one run of each hash, and erases it for the next."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment.payment_hash, ())):
            if run.run == payment.run:
                continue
            if receipt.live:
                if run.precedes(payment):
                    events += self._close(run, Lost.RETRIED)  # the stream has sent all that there was of it
            elif receipt.source is Source.TRACK or run.precedes(payment):
                events += self._not_found(run, receipt.at, Lost.RETRIED)  # an answer may overtake the stream
        return events

    def _not_found(self, run: OpenRun, at: Moment, cause: Lost) -> list[Event]:
        lost = run.not_found(at, cause, self.scan_ns)
        return self._close(run, lost) if lost else []

    def _close(self, run: OpenRun, cause: Lost) -> list[Event]:
        """Count a run as finished if it was seen to end, else as lost because of `cause`; remember it from now on."""
        del self.open[run.run]
        self.texts.closed(run.run)
        self.in_flight.closed(run.run)
        self.on_hold.pop(run.run, None)
        self._expected.discard(run.run)
        same_hash = self._of_hash[run.run.payment_hash]
        same_hash.remove(run)
        if run.terminal and run.terminal.status is Status.SUCCEEDED:
            for other in same_hash:
                other.succeeded_later = True
                self.texts.changed(other.run)
        if not same_hash:
            del self._of_hash[run.run.payment_hash]
        self.finished.add(run.run, run.payment_index)
        return self.failed.note(run.close(cause, self.balance))
