"""Snapshots in, facts out: what does this say that we did not know.

The laws: a run ends at most once; an attempt ends at most once; a snapshot that is repeated, late or out of
order changes nothing. See `docs/design.md` for why each rule is there.
"""

from collections.abc import Sequence

from exporter.payments.event import (
    Event,
    PaymentDoubted,
    PaymentStarted,
    UpdateDelayed,
    UpdateIgnored,
    UpdateReceived,
)
from exporter.payments.hold import Holds
from exporter.payments.labels import Ignored, Lost, Mode, Reason, Source
from exporter.payments.memory import Memory
from exporter.payments.payment import US_PER_NS, Moment, Payment, Run
from exporter.payments.run import Missing, OpenRun, Word

AHEAD_US = 7 * 86_400_000_000
"""By so much our clock may be behind when counting begins; what lnd made later still it made with a wrong clock."""
SURVIVORS = 5_000
"""More than any node had in flight when counting began; lnd's clock, if it was days ahead then, makes more old."""
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
        self.holds = Holds()
        """Open runs that ended: while there are any, `release` must be called from time to time."""
        self._stream = 0
        self._tells_all = True  # the stream tells every terminal update, not only the first of a run
        self._spoke_mono_ns: int | None = None  # when this stream said its first word: by then it was there
        self._newest_ns = 0  # lnd's time of the newest thing that it has shown since this stream began
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
                events += self._start(payment, Word(Source.LIST, at, at))
        return events

    def add(self, run: OpenRun) -> None:
        """Take a run for open."""
        self.open[run.run] = run
        self._of_hash.setdefault(run.run.payment_hash, []).append(run)

    def stream_started(self, mode: Mode = Mode.FIREHOSE) -> None:
        """A new stream was subscribed to: its first word of a run may be old.

        Streams of single payments end with the first terminal update, and so don't tell all.
        """
        self._stream, self._tells_all = self._stream + 1, mode is not Mode.TRACK
        self._newest_ns, self._spoke_mono_ns = 0, None

    def stream_lost(self) -> None:
        """The stream is gone: a second terminal update may be missed, so runs on hold must be asked again."""
        self.holds.clear()

    def unseen(self) -> list[str]:
        """Hashes of the open runs of which the present stream has said nothing: lnd must be asked."""
        return [
            payment_hash
            for payment_hash, runs in self._of_hash.items()
            if any(run.run not in self.holds if run.terminal else run.stream != self._stream for run in runs)
        ]

    def unheard(self, payment_hash: str) -> None:
        """The stream says nothing more of a payment: lnd must be asked."""
        for run in self._of_hash.get(payment_hash, ()):
            run.stream = 0

    def shown(self, run: OpenRun) -> bool:
        """True if the present stream has told of it: then it will tell of its end."""
        return run.stream == self._stream

    def update(self, payment: Payment, source: Source, at: Moment, asked: Moment | None = None) -> list[Event]:
        """Take one snapshot; whoever calls also calls `release` from time to time.

        `asked` is when the question was put that it answers; lnd may have read the answer any time since.
        """
        word = Word(source, at, asked or at)
        events: list[Event] = [UpdateReceived(source, at.wall_ns)]
        if payment.malformed:
            return [*events, UpdateIgnored(Ignored.MALFORMED)]
        self._newest_ns = max(self._newest_ns, payment.latest_ns, payment.created_ns)
        if source is Source.STREAM and self._spoke_mono_ns is None:
            self._spoke_mono_ns = at.mono_ns
        if source is not Source.STREAM or payment.run not in self.memory.indexes:  # else it is late, and says nothing
            events += self._retire_others(payment, word)
        run = self.open.get(payment.run)
        return events + (self._known(run, payment, word) if run else self._unknown(payment, word))

    def repair(self, payment: Payment, at: Moment) -> list[Event]:
        """Count a run that ended, that is neither open nor counted: whatever the floor says, it was missed."""
        if payment.run in self.open or self.memory.is_over(payment):
            return []
        return [UpdateReceived(Source.LIST, at.wall_ns), *self._start(payment, Word(Source.LIST, at, at))]

    def missing(self, payment_hash: str, at: Moment, cause: Lost = Lost.DELETED) -> list[Event]:
        """Lnd answered that it doesn't know this hash (NOT_FOUND)."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment_hash, ())):
            if run.run not in self.holds:  # lnd may have deleted it at once; its last word is still to come
                events += self._missed(run, at, cause)
        return events

    def release(self, at: Moment) -> list[Event]:
        """Count the runs whose hold is over; those that must be asked about once more are doubted."""
        events: list[Event] = []
        for key in self.holds.due(at):
            run = self.open[key]
            if run.terminal and run.terminal.may_change(self._newest_ns, at):
                self.holds.end(key)
                events.append(PaymentDoubted(key.payment_hash))
            else:
                events += self._retire(run, Lost.DELETED)
        return events

    def _retire_others(self, payment: Payment, word: Word) -> list[Event]:
        """A run of a hash shows that others are over: lnd keeps one of each hash, and erases it for the next."""
        events: list[Event] = []
        for run in list(self._of_hash.get(payment.payment_hash, ())):
            if run.run == payment.run:
                continue
            if word.source is Source.STREAM:
                if run.is_before(payment):
                    events += self._retire(run, Lost.RETRIED)  # all that was to be said of it has been said
            elif run.run not in self.holds and (word.source is Source.TRACK or run.is_before(payment)):
                events += self._missed(run, word.at, Lost.RETRIED)  # an answer may overtake what the stream has to say
        return events

    def _missed(self, run: OpenRun, at: Moment, cause: Lost) -> list[Event]:
        """Lnd doesn't know a run any more: believed when it is said twice, or when the run was seen to end."""
        if run.missing is None:
            run.missing = Missing(at.mono_ns, cause)
        if at.mono_ns - run.missing.since_mono_ns < GONE_NS + self.scan_ns and not run.terminal:
            return []
        return self._retire(run, run.missing.cause)

    def _retire(self, run: OpenRun, lost: Lost) -> list[Event]:
        """Count a run as finished if it was seen to end, else as lost."""
        del self.open[run.run]
        self.holds.end(run.run)
        same = self._of_hash[run.run.payment_hash]
        same.remove(run)
        if not same:
            del self._of_hash[run.run.payment_hash]
        self.memory.add(run.run, run.payment_index)
        return run.finish(run.terminal) if run.terminal else run.lose(lost)

    def _unknown(self, payment: Payment, word: Word) -> list[Event]:
        """Judge a run that isn't open: finished before, new, or history."""
        over = self.memory.is_over(payment) or payment.run in self.survivors
        # A stream shows what is in flight, or was when it was opened: an old run has outlived the beginning, then.
        outlived = word.source is Source.STREAM and self._is_old(payment.run)
        if not over and (self.memory.is_new(payment) or outlived):
            return self._start(payment, word)
        return [UpdateIgnored(Ignored.AFTER_TERMINAL)]

    def _start(self, payment: Payment, word: Word) -> list[Event]:
        run = OpenRun(
            run=payment.run,
            payment_index=payment.payment_index,
            value_msat=payment.value_msat,
            from_beginning=not payment.attempts and not payment.status.ended,
            news_mono_ns=word.at.mono_ns,
            invoice=payment.invoice,
        )
        self.add(run)
        if self._is_old(run.run):
            self.survivors[run.run] = None
            if len(self.survivors) > SURVIVORS:
                del self.survivors[next(iter(self.survivors))]
        self.memory.saw(payment.run)
        return [PaymentStarted(run.run), *self._known(run, payment, word)]

    def _is_old(self, run: Run) -> bool:
        """True if it existed when counting began."""
        return run.created_us <= self.history_us

    def _known(self, run: OpenRun, payment: Payment, word: Word) -> list[Event]:
        """Learn from a snapshot of an open run."""
        run.payment_index = payment.payment_index
        run.missing = None
        live = word.source is Source.STREAM and run.stream == self._stream
        if word.source is Source.STREAM:
            run.stream = self._stream
        if run.terminal:
            return self._again(run, payment, word)
        events = run.learn(payment.attempts)
        if live and events:
            events.append(UpdateDelayed(max(0, word.at.wall_ns - payment.latest_ns)))
        if not self._progress(run, payment, word, events) and not events:
            return [UpdateIgnored(Ignored.STALE if run.knows_more(payment) else Ignored.DUPLICATE)]
        run.news_mono_ns = word.at.mono_ns
        return events

    def _progress(self, run: OpenRun, payment: Payment, word: Word, events: list[Event]) -> bool:
        """Follow status and reason; add what that tells to `events`. True if anything is new."""
        if payment.status.ended:
            told = word.source is Source.STREAM and self._tells_all
            terminal = run.end(payment, word, told=told)
            self.holds.begin(run.run, terminal, word.at)
            return True
        entered = run.enter(payment.status)
        events += entered
        renamed = payment.reason not in (Reason.NONE, run.reason)
        if renamed:
            run.reason = payment.reason
        run.fee_msat = max(run.fee_msat, payment.fee_msat)
        return bool(entered) or renamed

    def _again(self, run: OpenRun, payment: Payment, word: Word) -> list[Event]:
        """Take a snapshot of a run that ended: another terminal one may give its reason, any may show an attempt."""
        terminal, events = run.terminal, run.learn(payment.attempts)
        if terminal is None or not payment.status.ended:
            return events or [UpdateIgnored(Ignored.AFTER_TERMINAL)]
        asked = run.run not in self.holds
        tells = word.source is Source.STREAM and self._tells_all
        if asked or (tells and not terminal.told):  # asked again, or told by the stream at last: wait
            self.holds.begin(run.run, terminal, word.at)
            terminal.told = tells
            # An answer came before the word of a stream that was there: live, then, and with all attempts.
            if tells and self._spoke_mono_ns is not None and self._spoke_mono_ns < terminal.asked_mono_ns:
                terminal.live = terminal.complete = True
        # An answer may have been written before the live update, or the answer to a later question, that overtook it.
        later = terminal.asked_late and word.asked.mono_ns < terminal.asked_mono_ns
        overtaken = later or (self._tells_all and terminal.live and self.shown(run))
        terminal.asked_mono_ns = max(terminal.asked_mono_ns, word.asked.mono_ns)
        if terminal.reason is not payment.reason and (word.source is Source.STREAM or not overtaken):
            terminal.reason = payment.reason
            return events
        return events if events or asked else [UpdateIgnored(Ignored.DUPLICATE)]
