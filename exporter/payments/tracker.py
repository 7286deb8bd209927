"""Snapshots in, facts out: what does this say that we did not know.

The laws: a run ends at most once; an attempt ends at most once; a snapshot that is repeated, late or out of
order changes nothing. See `docs/design.md` for why each rule is there.
"""

from collections.abc import Sequence
from itertools import takewhile

from exporter.payments.event import (
    Event,
    PaymentDoubted,
    PaymentStarted,
    UpdateDelayed,
    UpdateIgnored,
    UpdateReceived,
)
from exporter.payments.labels import AttemptStatus, FromStatus, Ignored, Lost, Reason, Source, Status
from exporter.payments.memory import Memory
from exporter.payments.payment import Moment, Payment, Run
from exporter.payments.run import Missing, OpenRun

HOLD_NS = 1_000_000_000
"""A run that ended is held this long before it is counted: the second terminal update came within 23 ms."""
RECENT_NS = 30_000_000_000
"""An answer that shows an end younger than this may have been written before the second terminal update."""
GONE_NS = 60_000_000_000
"""A run is lost when lnd says twice, at least this long apart, that it doesn't know it."""


class Tracker:
    """All that is known of one node's payments.

    Open runs are as many as lnd has in flight, with the attempts that lnd repeats of them; of finished runs
    `memory.REMEMBERED` are kept.
    """

    def __init__(self) -> None:
        """Begin with no history: `begin` tells where it ends."""
        self.open: dict[Run, OpenRun] = {}
        self.memory = Memory()
        self._of_hash: dict[str, list[OpenRun]] = {}  # the same runs; of one hash seldom more than one
        self._held: dict[Run, int] = {}  # open runs on hold, by the monotonic time when each is due: in that order
        self._stream = 0
        self.history_us = 0
        """Creation of the newest run that existed when counting began, microseconds since 1970."""
        self.survivors: set[Run] = set()
        """Runs that were in flight then and have been started here; they are never forgotten."""
        self.begun = False
        """Counting has begun: it is known where history ends."""

    def begin(self, newest: Sequence[Payment], floor_index: int, at: Moment) -> list[Event]:
        """Start counting: `newest` is all that lnd knows above `floor_index`. What is over is history."""
        events: list[Event] = []
        self.begun = True
        self.memory.trust_indexes(floor_index)
        self.history_us = max((payment.run.created_us for payment in newest), default=0)
        for payment in newest:
            if payment.status.ended:
                self.memory.add(payment.run, payment.payment_index)
            else:
                events += self._start(payment, Source.LIST, at)
        return events

    def add(self, run: OpenRun) -> None:
        """Take a run for open."""
        self.open[run.run] = run
        self._of_hash.setdefault(run.run.payment_hash, []).append(run)

    def stream_started(self) -> None:
        """A new stream was subscribed to: its first word of a run may be old."""
        self._stream += 1

    def stream_lost(self) -> None:
        """The stream is gone: a second terminal update may be missed, so runs on hold must be asked again."""
        self._held.clear()

    @property
    def holding(self) -> bool:
        """Runs are on hold: `release` must be called from time to time."""
        return bool(self._held)

    def postpone(self, by_ns: int) -> None:
        """Hold longer what is on hold: its second terminal update may have come, and nobody was there to read it."""
        self._held = {run: due_mono_ns + by_ns for run, due_mono_ns in self._held.items()}

    def unseen(self) -> list[str]:
        """Hashes of the open runs of which the present stream has said nothing: lnd must be asked."""
        return [
            payment_hash
            for payment_hash, runs in self._of_hash.items()
            if any(run.run not in self._held if run.terminal else run.stream != self._stream for run in runs)
        ]

    def update(self, payment: Payment, source: Source, at: Moment) -> list[Event]:
        """Take one snapshot; whoever calls also calls `release` from time to time."""
        events: list[Event] = [UpdateReceived(source, at.wall_ns)]
        if payment.malformed:
            return [*events, UpdateIgnored(Ignored.MALFORMED)]
        events += self._retire_earlier(payment, source, at)
        run = self.open.get(payment.run)
        if run is not None:
            return events + self._known(run, payment, source, at)
        return events + self._unknown(payment, source, at)

    def repair(self, payment: Payment, at: Moment) -> list[Event]:
        """Count a run that ended, that is neither open nor counted: whatever the floor says, it was missed."""
        if payment.run in self.open or self.memory.is_over(payment):
            return []
        return [UpdateReceived(Source.LIST, at.wall_ns), *self._start(payment, Source.LIST, at)]

    def missing(self, payment_hash: str, at: Moment, cause: Lost = Lost.DELETED) -> list[Event]:
        """Lnd answered that it doesn't know this hash (NOT_FOUND)."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment_hash, ())):
            events += self._missed(run, at, cause)
        return events

    def release(self, at: Moment) -> list[Event]:
        """Count the runs whose hold is over; those that must be asked about once more are doubted."""
        events: list[Event] = []
        for key in list(takewhile(lambda key: self._held[key] <= at.mono_ns, self._held)):
            run = self.open[key]
            if run.terminal and run.terminal.unsure:
                run.terminal.unsure = False
                del self._held[key]
                events.append(PaymentDoubted(key.payment_hash))
            else:
                events += self._retire(run, Lost.DELETED)
        return events

    def _retire_earlier(self, payment: Payment, source: Source, at: Moment) -> list[Event]:
        """A run of a hash shows that earlier runs of it are over: lnd has erased them."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment.payment_hash, ())):
            if not _is_later(payment, run):
                continue
            if source is Source.STREAM:
                events += self._retire(run, Lost.RETRIED)  # all that was to be said of them has been said
            elif run.run not in self._held:
                events += self._missed(run, at, Lost.RETRIED)  # an answer may overtake what the stream has to say
        return events

    def _missed(self, run: OpenRun, at: Moment, cause: Lost) -> list[Event]:
        """Lnd doesn't know a run any more: believed when it is said twice, or when the run was seen to end."""
        if run.missing is None:
            run.missing = Missing(at.mono_ns, cause)
        if at.mono_ns - run.missing.since_mono_ns < GONE_NS and not run.terminal:
            return []
        return self._retire(run, run.missing.cause)

    def _retire(self, run: OpenRun, lost: Lost) -> list[Event]:
        """Count a run as finished if it was seen to end, else as lost."""
        del self.open[run.run]
        self._held.pop(run.run, None)
        same = self._of_hash[run.run.payment_hash]
        same.remove(run)
        if not same:
            del self._of_hash[run.run.payment_hash]
        self.memory.add(run.run, run.payment_index)
        return run.finish(run.terminal) if run.terminal else run.lose(lost)

    def _unknown(self, payment: Payment, source: Source, at: Moment) -> list[Event]:
        """Judge a run that isn't open: finished before, new, or history."""
        if self.memory.is_over(payment):
            return [UpdateIgnored(Ignored.AFTER_TERMINAL)]
        if self.memory.is_new(payment):
            return self._start(payment, source, at)
        if not payment.status.ended:
            # Before it was shown it may have ended: only an answer to a question about it can be believed.
            if source is not Source.TRACK:
                return [PaymentDoubted(payment.payment_hash)]
            events = self._start(payment, source, at)
            self.open[payment.run].stream = self._stream  # which has shown it, and raised the doubt
            return events
        if source is Source.STREAM and self._is_old(payment.run) and payment.run not in self.survivors:
            # It was open when counting began, and no stream had shown it yet.
            return self._start(payment, source, at)
        return [UpdateIgnored(Ignored.AFTER_TERMINAL)]

    def _start(self, payment: Payment, source: Source, at: Moment) -> list[Event]:
        run = OpenRun(
            run=payment.run,
            payment_index=payment.payment_index,
            value_msat=payment.value_msat,
            from_beginning=not payment.attempts and not payment.status.ended,
            news_mono_ns=at.mono_ns,
            invoice=payment.invoice,
        )
        self.add(run)
        if self._is_old(run.run):
            self.survivors.add(run.run)
        self.memory.saw(payment.run)
        return [PaymentStarted(run.run), *self._known(run, payment, source, at)]

    def _is_old(self, run: Run) -> bool:
        """True if it existed when counting began."""
        return run.created_us <= self.history_us

    def _known(self, run: OpenRun, payment: Payment, source: Source, at: Moment) -> list[Event]:
        """Learn from a snapshot of an open run."""
        run.payment_index = payment.payment_index
        run.missing = None
        live = source is Source.STREAM and run.stream == self._stream
        if source is Source.STREAM:
            run.stream = self._stream
        if run.terminal:
            return self._again(run, payment, source, at)
        events = run.learn(payment.attempts)
        if live and events:
            events.append(UpdateDelayed(max(0, at.wall_ns - payment.latest_ns)))
        changed = self._progress(run, payment, source, at, events)
        if not changed and not events:
            return [UpdateIgnored(Ignored.STALE if _says_less(run, payment) else Ignored.DUPLICATE)]
        run.news_mono_ns = at.mono_ns
        return events

    def _progress(self, run: OpenRun, payment: Payment, source: Source, at: Moment, events: list[Event]) -> bool:
        """Follow status and reason; add what that tells to `events`. True if anything is new."""
        if payment.status.ended:
            # The stream may be slow to tell what comes after: lnd reads its whole table before it says the first word.
            recent = at.wall_ns - payment.latest_ns < RECENT_NS
            run.end(payment, source, at, unsure=recent and source is not Source.STREAM)
            self._held[run.run] = at.mono_ns + HOLD_NS
            return True
        entered = run.enter(payment.status)
        events += entered
        renamed = payment.reason not in (Reason.NONE, run.reason)
        if renamed:
            run.reason = payment.reason
        run.fee_msat = max(run.fee_msat, payment.fee_msat)
        return bool(entered) or renamed

    def _again(self, run: OpenRun, payment: Payment, source: Source, at: Moment) -> list[Event]:
        """Take a snapshot of a run on hold: only another terminal one can say anything."""
        terminal = run.terminal
        if terminal is None or not payment.status.ended:
            return [UpdateIgnored(Ignored.AFTER_TERMINAL)]
        events = run.learn(payment.attempts)
        asked = run.run not in self._held
        heard = terminal.unsure and source is Source.STREAM
        if asked or heard:  # asked again, or told by the stream at last: wait again for what may follow
            self._held.pop(run.run, None)
            self._held[run.run] = at.mono_ns + HOLD_NS
            # An answer that comes a second after the first terminal shows the second one, if there is any.
            early = at.mono_ns < terminal.received.mono_ns + HOLD_NS
            terminal.unsure = early and source is not Source.STREAM
        # An answer may have been written before the live update that overtook it.
        overtaken = terminal.live and source is not Source.STREAM and run.stream == self._stream
        if terminal.reason is not payment.reason and not overtaken:
            terminal.reason = payment.reason
            return events
        return events if events or asked else [UpdateIgnored(Ignored.DUPLICATE)]


def _is_later(payment: Payment, run: OpenRun) -> bool:
    """True if a snapshot is of a later run of the same hash.

    Either sign is enough: an index may be used again, and a clock may step back.
    """
    return payment.run > run.run or (payment.run != run.run and payment.payment_index > run.payment_index)


def _says_less(run: OpenRun, payment: Payment) -> bool:
    """True if the snapshot is older than what is known: it lacks an attempt, a resolution, a reason or a status."""
    if payment.status is Status.INITIATED and run.status is FromStatus.IN_FLIGHT:
        return True
    if run.reason is not Reason.NONE and payment.reason is Reason.NONE:
        return True
    shown = {attempt.key: attempt.status for attempt in payment.attempts}
    return any(key not in shown for key in run.outstanding) or any(
        shown.get(key, AttemptStatus.IN_FLIGHT) is AttemptStatus.IN_FLIGHT for key in run.resolved
    )
