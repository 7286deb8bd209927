"""One run of `backfill`: all payments of a node through the timeline to the output."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec.structs import replace

from exporter.backfill import savepoint
from exporter.backfill.border import SeamError
from exporter.backfill.ledger import PastLedger
from exporter.backfill.orders import Order
from exporter.backfill.output import Output
from exporter.backfill.reader import CHECKED, HistoryReader
from exporter.backfill.recorder import Recorder, Span
from exporter.backfill.savepoint import SavePoint
from exporter.backfill.table import SeriesTable
from exporter.backfill.timeline import EARLIEST_NS, Restart, Timeline
from exporter.config import Config
from exporter.follow.catch_up import IndexedRun
from exporter.metrics.past import PastMetrics
from exporter.payments.destinations import Recipients
from exporter.payments.labels import AttemptStatus
from exporter.payments.payment import NS_PER_S, Moment, Payment, Run
from exporter.text import format_duration

STEPS_S = (60, 120, 300)
"""Choices of the time between two samples."""
MANY_STEPS = 45_000
"""With more samples of a series than that the next longer step is chosen: a month of minutes."""
FOREVER_NS = 1 << 63
FUTURE_NS = 3600 * NS_PER_S
"""By how much lnd's clock may be ahead of ours, nanoseconds: more is a clock that nobody has set."""


class Work:
    """Reads, counts and writes the past of one node."""

    def __init__(  # noqa: PLR0917 - what the command has built
        self,
        config: Config,
        reader: HistoryReader,
        order: Order,
        output: Output,
        now: Callable[[], Moment],
        note: Callable[[str], None],
    ) -> None:
        """Prepare; `reader` isn't connected, `now` reads both clocks, `note` tells a person something at once."""
        self._config = config
        self._options = config.backfill
        self._reader = reader
        self._order = order
        self._output = output
        self._now = now
        self._note = note
        self._ledger = PastLedger(config.max_peers)
        self._saved: SavePoint | None = None  # where an earlier run was broken off
        self._next_index = 1  # of the first payment that this run hasn't read
        self._undecided = frozenset[Run]()  # of the runs that the earlier one read
        self._malformed = 0
        self._recorder: Recorder | None = None
        self._began_s = now().mono_ns / NS_PER_S

    async def run(self) -> None:
        """Do all of it. Raises `ConfigError`, `LndError`, `SinkError`, `SeamError`, `StoreError`."""
        info = await self._reader.connect()
        saved = self._output.saved_of(info.pubkey)
        newest = (await self._reader.newest()).payments
        self._check_clock(newest)
        attempts = saved.attempts if saved else any(map(keeps_attempts, newest))
        self._note(self._order.intro)
        if saved is not None and not await self._reader.lists(saved.last_read):
            raise self._output.renumbered()
        step_ns = saved.step_ns if saved else await self._begin()
        restart = saved.restart if saved else Restart(1, 0)
        timeline = Timeline(self._ledger, step_ns, counted=saved.counted if saved else 0, reached_ns=restart.reached_ns)
        self._next_index = restart.payment_index
        if saved is not None:
            self._saved, self._undecided = saved, frozenset(saved.order.kept)
            self._reader.last_read.extend(saved.last_read)
            savepoint.restore(self._ledger, saved)
        self._ledger.destinations.use({*self._config.destinations.values()})
        recorder = self._open(info.pubkey, timeline, attempts=attempts)
        if saved is not None:
            await recorder.continue_()
        async with aclosing(self._reader.pages(restart.payment_index - 1)) as pages:
            async for page in pages:
                latest_ns = self._order.latest_ns()
                for payment in page.payments:
                    self._take(payment, recorder, latest_ns)
                await recorder.write_closed()
        for payment in await self._rest():
            recorder.take(payment, self._order.latest_ns(), again=False)
        await recorder.finish(self._order.ends_ns(), reset=self._order.reset)
        self._output.save_written()
        self._order.conclude(self._ledger)
        if self._reader.last_read:
            self._output.save(replace(self._save_point(info.pubkey, timeline, attempts=attempts), done=True))

    def _open(self, pubkey: str, timeline: Timeline, *, attempts: bool) -> Recorder:
        """Open the output, and return what writes to it; `attempts` tells whether lnd keeps failed attempts."""
        recipients = Recipients()
        recipients.groups = self._config.destinations
        labels = {**self._options.labels, "node": self._config.nodes[0].name}
        metrics = PastMetrics(self._ledger, labels, self._config.without, attempts=attempts)
        self._recorder = Recorder(
            timeline,
            SeriesTable(metrics, self._ledger),
            self._output.open(timeline.step_ns),
            span=self._span(),
            save=lambda: self._output.save(self._save_point(pubkey, timeline, attempts=attempts)),
            recipients=recipients,
        )
        return self._recorder

    def summary(self) -> Iterator[str]:
        """Yield lines for people: what was read and written, and what may surprise."""
        recorder, reader = self._recorder, self._reader
        assert recorder is not None, "`run` comes before"
        took_s = self._now().mono_ns / NS_PER_S - self._began_s
        name = self._config.nodes[0].name
        yield (
            f"{name}: {recorder.recorded:,} of {max(recorder.recorded, reader.payments):,} payments are history,"
            f" read in {took_s:.1f} s, of which lnd took {reader.lnd_s:.1f} s."
        )
        if recorder.first_ms:
            first, last = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (recorder.first_ms, recorder.last_ms))
            step = format_duration(recorder.timeline.step_ns // NS_PER_S)
            yield f"  samples from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, each {step}"
        if self._malformed:
            yield f"  left out: {self._malformed:,} payments without hash or time, or with negative amounts"
        if late := recorder.timeline.late:
            yield f"  counted later than they happened, because lnd's clock went back: {late:,} facts"

    def _take(self, payment: Payment, recorder: Recorder, latest_ns: int) -> None:
        self._next_index = payment.payment_index + 1
        if payment.malformed:
            self._malformed += 1
            return
        saved = self._saved
        again = (
            saved is not None
            and payment.payment_index <= saved.last_read[-1].payment_index
            and payment.run not in self._undecided
        )
        if self._order.is_history(payment):
            recorder.take(payment, latest_ns, again=again)

    async def _rest(self) -> Sequence[Payment]:
        if self._order.waits:
            self._note("All is read. Waiting until the exporter has written its state once more, a minute or two.")
        return await self._order.rest(self._next_index - 1)

    def _span(self) -> Span:
        now_ns, since_s, until_s = self._now().wall_ns, self._options.since_s, self._options.until_s
        return Span(
            0 if since_s is None else now_ns - since_s * NS_PER_S,
            FOREVER_NS if until_s is None else now_ns - until_s * NS_PER_S,
        )

    def _check_clock(self, newest: Sequence[Payment]) -> None:
        """Raise `SeamError` if all payments are from the future: then nothing could be put in the order of time."""
        now_ns = self._now().wall_ns
        if newest and min(payment.created_ns for payment in newest) > now_ns + FUTURE_NS:
            raise SeamError(
                f"lnd's newest payments were all created after the present time of this machine,"
                f" {datetime.fromtimestamp(now_ns / NS_PER_S, UTC):%Y-%m-%d %H:%M} UTC: set the clock"
            )

    async def _begin(self) -> int:
        """Say how much there is; return the time between two samples: the one asked for, or one by the span."""
        now_ns = self._now().wall_ns
        oldest = await self._reader.oldest(EARLIEST_NS, now_ns)
        begins_ns = max(self._span().since_ns, oldest.created_ns if oldest else now_ns)
        span_s = (now_ns - begins_ns) // NS_PER_S
        chosen_s = next((step_s for step_s in STEPS_S if span_s <= step_s * MANY_STEPS), STEPS_S[-1])
        step_s = self._options.step_s or chosen_s
        since = datetime.fromtimestamp(begins_ns / NS_PER_S, UTC)
        each = format_duration(step_s)
        self._note(f"Samples since {since:%Y-%m-%d}, one each {each}: {span_s // step_s:,} for each series.")
        for line in self._output.limits_of(span_s, self._order.latest_ns()):
            self._note(line)
        return step_s * NS_PER_S

    def _last_read(self) -> Sequence[IndexedRun]:
        """Return the last payments that were read, by this run or by the earlier one, whichever came further."""
        read, saved = [*self._reader.last_read][-CHECKED:], self._saved
        return saved.last_read if saved and read[-1].payment_index < saved.last_read[-1].payment_index else read

    def _save_point(self, pubkey: str, timeline: Timeline, *, attempts: bool) -> SavePoint:
        counters, histograms = savepoint.totals_of(self._ledger)
        return SavePoint(
            version=savepoint.VERSION,
            pubkey=pubkey,
            settings=self._output.settings,
            step_ns=timeline.step_ns,
            attempts=attempts,
            counted=timeline.counted,
            restart=timeline.restart(self._next_index),
            last_read=self._last_read(),
            order=self._order.state(),
            counters=counters,
            histograms=histograms,
            peers=[*self._ledger.peers.used_ns.items()],
            outstanding=self._ledger.peers.outstanding,
        )


def keeps_attempts(payment: Payment) -> bool:
    """Return True if lnd kept a failed attempt that it deletes by default, which it does when a payment ends.

    It never deletes those of `SendToRoute`, which has no invoice.
    """
    kept = payment.status.ended and payment.invoice
    return kept and any(attempt.status is AttemptStatus.FAILED for attempt in payment.attempts)
