"""The command `backfill`: reads the past of one node from lnd and writes it."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from exporter.backfill import savepoint
from exporter.backfill.files import FilesSink
from exporter.backfill.ledger import PastLedger
from exporter.backfill.reader import HistoryReader
from exporter.backfill.recorder import Recorder, Span
from exporter.backfill.savepoint import SavePoint
from exporter.backfill.sink import Sink, SinkError
from exporter.backfill.stdout import StdoutSink
from exporter.backfill.table import SeriesTable
from exporter.backfill.timeline import SLACK_NS, Restart, Timeline
from exporter.config import Config, ConfigError, Problem
from exporter.lnd.client import Client, LndError
from exporter.metrics.past import PastMetrics
from exporter.payments.destinations import Recipients
from exporter.payments.labels import AttemptStatus
from exporter.payments.node import Info
from exporter.payments.payment import NS_PER_MS, NS_PER_S, Moment, Payment, Run
from exporter.progress import best_display

OK, FAILED = 0, 1
SAVE_POINT = "progress.json"
"""The file in the output directory from which reading continues."""
HEAD_S = 3 * 3600
"""Prometheus' head may reach back so far: a block that overlaps it costs data of all targets at a restart."""
STEPS_S = (60, 120, 300)
"""Choices of the time between two samples."""
MANY_STEPS = 45_000
"""With more samples of a series than that the next longer step is chosen."""
LARGEST_NS = 1 << 63


async def backfill(config: Config, client: Client, now: Callable[[], Moment]) -> int:
    """Write the past, close the client and return the exit code. Raises `ConfigError`."""
    (node,) = config.nodes
    work = Backfill(config, client, now)
    try:
        await work.run()
    except (LndError, SinkError) as error:
        again = " Run the command again to continue." * (config.backfill.output is not None)
        print(f"{node.preface}{error.advice if isinstance(error, LndError) else error}.{again}", file=sys.stderr)
        return FAILED
    finally:
        await work.close()
        await client.close()
    return OK


class Backfill:
    """One run of the command."""

    def __init__(self, config: Config, client: Client, now: Callable[[], Moment]) -> None:
        """Prepare; `client` isn't connected, `now` reads both clocks."""
        self._config = config
        self._options = config.backfill
        self._now = now
        (self._node,) = config.nodes
        self._reader = HistoryReader(self._node.name, client, now, best_display(config.log.format, "reading the past"))
        self._sink: Sink | None = None
        self._undecided: dict[Run, int] = {}
        self._last_read: tuple[int, Run] | None = None
        self._payments = 0

    async def run(self) -> None:
        """Do all of it. Raises `ConfigError`, `LndError`, `SinkError`."""
        saved = self._read_save_point()
        if saved is not None and saved.done:
            print(f"{self._options.output} is complete: nothing is left to do.", file=sys.stderr)
            return
        info = await self._reader.connect()
        if saved is not None and saved.pubkey != info.pubkey:
            raise self._other("is of another node.")
        newest = await self._reader.calls.newest_payments()
        attempts = saved.attempts if saved else any(map(_keeps_attempts, newest.payments))
        step_s = await self._step_s()
        ledger = PastLedger(self._config.max_peers)
        recipients = Recipients()
        recipients.groups = self._config.destinations
        restart = Restart(1, 0)
        if saved is not None:
            savepoint.restore(ledger, saved)
            restart = saved.restart
            self._undecided = {run: index for index, run in saved.undecided}
        ledger.destinations.use({*self._config.destinations.values()})
        timeline = Timeline(
            ledger, step_s * NS_PER_S, counted=saved.counted if saved else 0, reached_ns=restart.reached_ns
        )
        labels = {**self._options.labels, "node": self._node.name}
        table = SeriesTable(PastMetrics(ledger, labels, self._config.without, attempts=attempts), ledger)
        self._sink = sink = self._open_sink(step_s * 1000)
        recorder = Recorder(
            timeline,
            table,
            sink,
            span=self._span(),
            save=lambda: self._save(info, timeline, ledger, attempts=attempts),
            recipients=recipients,
        )
        if saved is not None:
            await recorder.continue_()
        async for page in self._reader.pages(restart.payment_index - 1):
            latest_ns = self._now().wall_ns
            for payment in page.payments:
                self._take(payment, recorder, latest_ns)
            await recorder.write_closed()
        await recorder.finish(self._now().wall_ns - SLACK_NS, reset=False)
        if self._options.output is not None:
            self._save(info, timeline, ledger, attempts=attempts, done=True)

    async def close(self) -> None:
        """Close what is open."""
        if self._sink is not None:
            await self._sink.close()

    def _take(self, payment: Payment, recorder: Recorder, latest_ns: int) -> None:
        if payment.malformed:
            return
        self._last_read = (payment.payment_index, payment.run)
        if payment.status.ended:
            recorder.take(payment, latest_ns)
        else:
            self._undecided[payment.run] = payment.payment_index

    def _span(self) -> Span:
        now_ns, since_s, until_s = self._now().wall_ns, self._options.since_s, self._options.until_s
        return Span(
            0 if since_s is None else now_ns - since_s * NS_PER_S,
            LARGEST_NS if until_s is None else now_ns - until_s * NS_PER_S,
        )

    async def _step_s(self) -> int:
        """Return the time between two samples: the one asked for, or one by the span."""
        if self._options.step_s is not None:
            return self._options.step_s
        oldest = await self._reader.calls.list_payments(limit=1)
        now_ns = self._now().wall_ns
        begins_ns = max(self._span().since_ns, min((each.created_ns for each in oldest.payments), default=now_ns))
        span_s = (now_ns - begins_ns) // NS_PER_S
        return next((step_s for step_s in STEPS_S if span_s <= step_s * MANY_STEPS), STEPS_S[-1])

    def _open_sink(self, step_ms: int) -> Sink:
        if self._options.output is None:
            return StdoutSink(step_ms)
        later_ms = self._now().wall_ns // NS_PER_MS - HEAD_S * 1000
        return FilesSink(self._options.output, step_ms, later_ms)

    def _save(self, info: Info, timeline: Timeline, ledger: PastLedger, *, attempts: bool, done: bool = False) -> None:
        if self._options.output is None:
            return
        counters, histograms = savepoint.totals_of(ledger)
        next_index = self._last_read[0] + 1 if self._last_read else 1
        point = SavePoint(
            version=savepoint.VERSION,
            pubkey=info.pubkey,
            settings=self._settings(timeline.step_ns),
            attempts=attempts,
            counted=timeline.counted,
            restart=timeline.restart(next_index),
            last_read=self._last_read,
            undecided=[(index, run) for run, index in self._undecided.items()],
            payments=self._payments,
            counters=counters,
            histograms=histograms,
            peers=[*ledger.peers.used_ns.items()],
            outstanding=ledger.peers.outstanding,
            done=done,
        )
        try:
            savepoint.write(self._options.output / SAVE_POINT, point)
        except OSError as error:
            raise SinkError(f"{error.filename} can't be written ({error.strerror})") from None

    def _settings(self, step_ns: int) -> str:
        options = (step_ns, {**self._options.labels}, self._config.without, self._config.max_peers)
        return msgspec.json.encode((options, {*self._config.destinations.values()})).decode()

    def _read_save_point(self) -> SavePoint | None:
        directory = self._options.output
        if directory is None:
            return None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            saved = savepoint.read(directory / SAVE_POINT)
            if saved is None and any(directory.iterdir()):
                raise self._other("has files of something else.")
        except OSError as error:
            what = f"{directory} can't be used ({error.strerror})."
            raise ConfigError([Problem("--output", what, "Name a directory that this user may write to.")]) from None
        except ValueError as error:
            raise self._other(f"has a {SAVE_POINT} that can't be read ({error}).") from None
        return saved

    def _other(self, what: str) -> ConfigError:
        directory: Path | None = self._options.output
        return ConfigError([Problem("--output", f"{directory} {what}", "Name a new directory.")])


def _keeps_attempts(payment: Payment) -> bool:
    """Return True if lnd kept a failed attempt that it deletes by default; it never deletes those of `SendToRoute`."""
    return payment.invoice and any(attempt.status is AttemptStatus.FAILED for attempt in payment.attempts)
