"""The samples of a past: from where to where, with which zeros, and the same if it is continued at any step."""

import random
from collections.abc import Sequence
from pathlib import Path

from exporter.backfill import savepoint
from exporter.backfill.border import Continued
from exporter.backfill.ledger import PastLedger, Total
from exporter.backfill.recorder import Recorder, Span
from exporter.backfill.savepoint import SavePoint
from exporter.backfill.table import Changes, SeriesTable
from exporter.backfill.timeline import Restart, Timeline
from exporter.backfill.work import keeps_attempts
from exporter.follow.catch_up import IndexedRun
from exporter.metrics.past import PastMetrics
from exporter.payments.destinations import Recipients
from exporter.payments.labels import AmountBand
from exporter.payments.past import replay
from exporter.payments.payment import NS_PER_S, Payment
from exporter.payments.totals import HistogramName
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, T0, at, failed, flying, payment, settled

MINUTE_MS = 60_000
START_MS = T0 // 1_000_000 // MINUTE_MS * MINUTE_MS
ALL = Span(0, 1 << 63)
ENDS_NS = at(7200).wall_ns
PLACES = 3
"""For peers, of which there are more."""


class Samples:
    """A sink that keeps the samples of each time, milliseconds since 1970; it is safe after each."""

    def __init__(self) -> None:
        """Start with none."""
        self.found: dict[int, dict[str, float]] = {}
        self.zeros: list[tuple[int, str]] = []
        """Zeros a step before a series begins."""
        self.reset_ms: int | None = None
        self._now: dict[Total, dict[str, float]] = {}

    async def write(self, at_ms: int, table: SeriesTable, changes: Changes) -> bool:
        """Take a time."""
        for total, values in changes.changed:
            self._now.pop(total, None)
            if values:
                texts = [series.text for series in table.series(total)]
                self._now[total] = dict(zip(texts, values, strict=True))
        self.zeros += [(at_ms, text) for total in changes.begun for text in self._now[total]]
        self.found[at_ms] = {text: value for own in self._now.values() for text, value in own.items()}
        return True

    async def end(self, reset_ms: int | None) -> None:
        """Keep when the series are reset."""
        self.reset_ms = reset_ms

    async def close(self) -> None:
        """Nothing is open."""


def past(payments: int) -> list[Payment]:
    """Return payments of an hour or two, some of which take long, over five peers."""
    chance, made, created_s = random.Random(3), list[Payment](), 0.0
    for index in range(1, payments + 1):
        created_s += chance.uniform(0, 7200 / payments)
        end_s = created_s + chance.choice((2, 30, 400))
        flew = [
            flying(index * 2 + part, sent_s=created_s + 1)._replace(peer="02" + f"{chance.randrange(5):064x}")
            for part in (0, 1)
        ]
        lost = failed(flew[0], end_s=min(end_s, created_s + chance.choice((2, 300))))
        succeeded = chance.random() < 0.7
        last = settled(flew[1], end_s=end_s) if succeeded else failed(flew[1], end_s=end_s)
        status = SUCCEEDED if succeeded else FAILED
        made.append(payment(status, lost, last, payment_hash=f"{index:064x}", created_s=created_s, payment_index=index))
    return made


async def record(
    payments: Sequence[Payment],
    *,
    saved: SavePoint | None = None,
    span: Span = ALL,
    points: Path | None = None,
    attempts: bool = True,
    reset: bool = False,
) -> Samples:
    """Write the samples of payments, after those of an earlier run; save a point in `points` at each step."""
    ledger, samples = PastLedger(PLACES), Samples()
    if saved:
        savepoint.restore(ledger, saved)
    restart = saved.restart if saved else Restart(1, 0)
    counted = saved.counted if saved else 0
    timeline = Timeline(ledger, 60 * NS_PER_S, counted=counted, reached_ns=restart.reached_ns)
    read = restart.payment_index

    def save() -> None:
        if points is not None:
            counters, histograms = savepoint.totals_of(ledger)
            savepoint.write(
                points / f"{timeline.counted}",
                SavePoint(
                    version=savepoint.VERSION,
                    pubkey="",
                    settings="",
                    step_ns=timeline.step_ns,
                    attempts=True,
                    counted=timeline.counted,
                    restart=timeline.restart(read),
                    last_read=[IndexedRun(payments[read - 2].run, read - 1)],
                    order=Continued((0, 0), (), ()),
                    counters=counters,
                    histograms=histograms,
                    peers=[*ledger.peers.used_ns.items()],
                    outstanding=ledger.peers.outstanding,
                ),
            )

    metrics = PastMetrics(ledger, {"node": "alice"}, (), attempts=attempts)
    recorder = Recorder(timeline, SeriesTable(metrics, ledger), samples, span=span, save=save, recipients=Recipients())
    if saved:
        await recorder.continue_()
    for each in payments[read - 1 :]:
        again = saved is not None and each.payment_index <= saved.last_read[-1].payment_index
        recorder.take(each, ENDS_NS, again=again)
        read = each.payment_index + 1
        await recorder.write_closed()
    await recorder.finish(ENDS_NS, reset=reset)
    return samples


async def test_continued_at_any_step(tmp_path: Path) -> None:
    """Every series has the same samples from there on, also those of peers that share too few places."""
    payments = past(200)
    whole = await record(payments, points=tmp_path)
    points, outstanding = sorted(tmp_path.iterdir()), list[Sequence[str]]()
    assert len(points) > 50
    for point in points[::5]:
        read = savepoint.read(point)
        assert read is not None
        outstanding.append(read.outstanding)
        restored = PastLedger(PLACES)
        savepoint.restore(restored, read)
        assert restored.peers.outstanding == read.outstanding
        rest = await record(payments, saved=read)
        begins_ms = read.counted * MINUTE_MS
        assert rest.found == {at_ms: samples for at_ms, samples in whole.found.items() if at_ms >= begins_ms}
        assert rest.zeros == [zero for zero in whole.zeros if zero[0] > begins_ms]
    assert max(map(len, outstanding)) >= 3


async def test_only_a_span_is_written() -> None:
    """Samples and sums are those of the whole; what began before the span has no zero in it."""
    payments = past(60)
    whole = await record(payments)
    since_ms, until_ms = START_MS + 30 * MINUTE_MS, START_MS + 90 * MINUTE_MS
    part = await record(payments, span=Span(since_ms * 1_000_000, until_ms * 1_000_000), reset=True)
    assert part.found == {at_ms: found for at_ms, found in whole.found.items() if since_ms <= at_ms <= until_ms}
    assert (min(part.found), max(part.found), part.reset_ms) == (since_ms, until_ms, until_ms + 1)
    assert part.zeros == [zero for zero in whole.zeros if since_ms < zero[0] <= until_ms]


async def test_the_end() -> None:
    """The last sample is at the end and has all; the reset is a millisecond later, or there is none."""
    payments = past(60)
    for reset in (False, True):
        samples = await record(payments, reset=reset)
        last_ms = ENDS_NS // 1_000_000
        assert max(samples.found) == last_ms
        assert samples.reset_ms == (last_ms + 1 if reset else None)
        started = [value for text, value in samples.found[last_ms].items() if "payments_started_total" in text]
        assert started == [60]


async def test_series_begin_with_their_first_event() -> None:
    """Before it there is nothing but the zeros that rules add up."""
    samples = await record(past(60))
    first_ms = min(samples.found)
    assert {text.partition("{")[0] for text, value in samples.found[first_ms].items() if not value} <= {
        "lnd_payments_succeeded_total",
        "lnd_payments_failed_total",
        *(text.partition("{")[0] for text in samples.found[first_ms] if "_bucket{" in text),
    }
    for name in ("succeeded", "failed"):
        own = [text for text in samples.found[first_ms] if text.startswith(f"lnd_payments_{name}_total{{")]
        assert {band for band in AmountBand if any(f'amount_band="{band}"' in text for text in own)} == {*AmountBand}
    begun = {text for _, text in samples.zeros}
    assert begun == {text for found in samples.found.values() for text in found}


async def test_attempts_are_absent_if_lnd_deletes_them() -> None:
    """No series tells of attempts that failed; those of payments stay."""
    kept, deleted = [
        {text.partition("{")[0] for found in samples.found.values() for text in found}
        for samples in [await record(past(60), attempts=attempts) for attempts in (True, False)]
    ]
    assert sorted(kept - deleted) == [
        "lnd_payments_htlc_attempt_duration_seconds_bucket",
        "lnd_payments_htlc_attempt_duration_seconds_count",
        "lnd_payments_htlc_attempt_duration_seconds_sum",
        "lnd_payments_htlc_attempt_hops_bucket",
        "lnd_payments_htlc_attempt_hops_count",
        "lnd_payments_htlc_attempt_hops_sum",
        "lnd_payments_htlc_attempts_failed_total",
        "lnd_payments_htlc_attempts_started_total",
        "lnd_payments_htlc_locked_msat_seconds_total",
        "lnd_payments_peer_htlc_attempts_total",
        "lnd_payments_peer_htlc_outstanding_seconds_total",
    ]
    assert deleted - kept == set()


def test_live_counters_do_not_begin_with_runs_per_success() -> None:
    """lnd has erased earlier runs of a hash, so each success would be one of a single run."""
    ledger = PastLedger(PLACES)
    for each in past(60):
        ledger.apply([fact.event for fact in replay(each, Recipients())])
    assert not any(any(histogram.buckets) for histogram in ledger.histograms[HistogramName.RUNS].values())
    assert any(any(histogram.buckets) for histogram in ledger.histograms[HistogramName.PARTS].values())


def test_who_keeps_attempts() -> None:
    """lnd never deletes those of `SendToRoute`, which has no invoice: they are no evidence."""
    tried = payment(FAILED, failed(flying()))
    assert keeps_attempts(tried)
    assert not keeps_attempts(tried._replace(invoice=False))
    assert not keeps_attempts(payment(IN_FLIGHT, failed(flying()))), "not deleted yet"
    assert not keeps_attempts(payment(SUCCEEDED, settled(flying())))
