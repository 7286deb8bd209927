"""The past sent to a receiver: the same samples as in OpenMetrics text, in batches, each series in its order."""

import random

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.backfill.ledger import PastLedger
from exporter.backfill.openmetrics import END, OpenMetricsText
from exporter.backfill.remote_sink import RemoteSink
from exporter.backfill.sink import SinkError
from exporter.backfill.table import SeriesTable
from exporter.metrics.past import PastMetrics
from exporter.payments.totals import Counter, HistogramName
from tests.backfill.receiver import Answer, receiving

STEP_MS = 60_000
BEGIN_MS = 1_700_000_040_000
STEPS = 200
LABELS = {"job": "lnd", "node": "alice", "Zone": "a", "alias": 'quote " \\ \N{HIGH VOLTAGE SIGN}'}


def grow(ledger: PastLedger, step: int, chance: random.Random) -> None:
    """Count something in some steps; a peer loses its place now and then, and may get it again."""
    if step % 3 == 0:
        ledger.count(Counter.STARTED)
        ledger.count(Counter.PEER_SENT, f"peer {chance.randrange(4)}", by=1500)
        ledger.observe(HistogramName.PARTS, chance.randrange(20), "payment")
    if step % 50 == 49:
        ledger.rename([Counter.PEER_SENT], [f"peer {chance.randrange(4)}"], "other")


class Both:
    """A table whose steps go to a receiver and into a text."""

    def __init__(self, sink: RemoteSink) -> None:
        """Start without series."""
        self.ledger = PastLedger(4)
        self.table = SeriesTable(PastMetrics(self.ledger, LABELS, (), attempts=True), self.ledger)
        self.sink = sink
        self.lines: list[str] = []
        self.text = OpenMetricsText(self.lines.append)
        self.safe: list[int] = []

    async def run(self, steps: int, *, reset: bool) -> None:
        """Write so many steps."""
        chance, at_ms = random.Random(1), 0
        for step in range(steps):
            at_ms = BEGIN_MS + step * STEP_MS
            grow(self.ledger, step, chance)
            changes = self.table.update()
            self.text.step(at_ms, at_ms - STEP_MS, self.table, changes)
            if await self.sink.write(at_ms, self.table, changes):
                self.safe.append(at_ms)
        if reset:
            self.text.reset(at_ms + 1)
        self.text.flush()
        await self.sink.end(at_ms + 1 if reset else None)

    def samples(self) -> dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]:
        """Return what the text has, by series."""
        found: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
        lines = [line for line in "".join(self.lines).splitlines() if line]
        for line in lines:
            (family,) = text_string_to_metric_families(f"{line}\n{END}")  # type: ignore[no-untyped-call]
            (sample,) = family.samples
            labels = tuple(sorted((("__name__", sample.name), *sample.labels.items())))
            found.setdefault(labels, []).append((round(float(sample.timestamp) * 1000), float(sample.value)))
        return found


@pytest.mark.parametrize("batch", [1, 700, 1_000_000])
@pytest.mark.parametrize("reset", [True, False])
async def test_the_samples_are_those_of_the_text(*, batch: int, reset: bool) -> None:
    """With zeros before a series begins and, if wanted, at its end; in ascending order; none twice."""
    async with receiving() as receiver:
        sink = RemoteSink(receiver.config(), STEP_MS, note=print, batch=batch)
        both = Both(sink)
        await both.run(STEPS, reset=reset)
        await sink.close()
        joined: dict[tuple[tuple[str, str], ...], list[tuple[int, float]]] = {}
        for request in receiver.kept:
            for labels, samples in request:
                joined.setdefault(labels, []).extend(samples)
        assert joined == both.samples()
        assert sink.writer.samples == sum(map(len, joined.values())) > 1000
        assert [labels for labels in joined if list(labels) != sorted(labels)] == []
        assert bool(both.safe) == (batch < 1_000_000)


async def test_what_is_safe_is_at_the_receiver() -> None:
    """When a time is told to be safe, the receiver has all samples before it, and none of it."""
    async with receiving() as receiver:
        sink = RemoteSink(receiver.config(), STEP_MS, note=print, batch=700)
        both = Both(sink)
        chance, checked = random.Random(1), 0
        for step in range(STEPS):
            at_ms = BEGIN_MS + step * STEP_MS
            grow(both.ledger, step, chance)
            if await sink.write(at_ms, both.table, both.table.update()):
                times = [at_ms for samples in receiver.samples().values() for at_ms in samples]
                assert max(times) == at_ms - STEP_MS
                checked += 1
        await sink.close()
        assert checked > 3


async def test_a_receiver_that_refuses() -> None:
    """It is an error of the sink: one line, without a full stop."""
    async with receiving() as receiver:
        receiver.script = [Answer(413, "too large")]
        sink = RemoteSink(receiver.config(), STEP_MS, note=print)
        with pytest.raises(SinkError) as error:
            await Both(sink).run(5, reset=False)
        await sink.close()
        assert str(error.value) == (
            f"{receiver.url}: it answers 413 (Request Entity Too Large): too large. It, or a proxy before it, must let"
            " requests of a MiB through (nginx: client_max_body_size)"
        )
