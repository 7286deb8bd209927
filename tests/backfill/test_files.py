"""Files of the past: which samples are in which, and which are kept back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from exporter.backfill.files import FilesSink
from exporter.backfill.ledger import PastLedger
from exporter.backfill.table import SeriesTable
from exporter.metrics.past import PastMetrics
from exporter.payments.totals import Counter

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 20_000 * DAY_MS
"""The beginning of a day."""


def table() -> SeriesTable:
    """Return the table of a past in which one payment was started, and nothing else is known."""
    ledger = PastLedger(0)
    series = SeriesTable(PastMetrics(ledger, {"node": "alice"}, (), attempts=True), ledger)
    for changed in ledger.changed.values():
        changed.clear()
    ledger.count(Counter.STARTED)
    return series


async def write(sink: FilesSink, times_ms: Sequence[int]) -> list[int]:
    """Write these times; return those with which reading may be continued."""
    series, safe = table(), []
    changes = series.update()
    for at_ms in times_ms:
        if await sink.write(at_ms, series, changes):
            safe.append(at_ms)
        changes = series.update()
    return safe


def minutes(directory: Path) -> dict[str, tuple[str, str, int]]:
    """Return the first and the last time of each whole file, and how many lines with samples it has."""
    found = {}
    for path in sorted(directory.rglob("*.om")):
        *lines, end = path.read_text().splitlines()
        assert end == "# EOF"
        times = [datetime.fromtimestamp(float(line.split()[-1]), UTC).strftime("%d %H:%M") for line in lines]
        found[str(path.relative_to(directory))] = times[0], times[-1], len(times)
    return found


def steps(begin_ms: int, end_ms: int) -> range:
    """Return the times from one to before another one, a minute apart."""
    return range(START_MS + begin_ms, START_MS + end_ms, MINUTE_MS)


async def test_a_file_a_day_and_the_newest_hours_apart(tmp_path: Path) -> None:
    """Each is named by its beginning; the zero before a series begins is in the file of its time."""
    sink = FilesSink(tmp_path, MINUTE_MS, later_ms=START_MS + 2 * DAY_MS + 9 * HOUR_MS + 1, anew=True)
    safe = await write(sink, steps(5 * HOUR_MS, 2 * DAY_MS + 10 * HOUR_MS))
    assert safe == [START_MS + DAY_MS, START_MS + 2 * DAY_MS, START_MS + 2 * DAY_MS + 8 * HOUR_MS]
    assert not (tmp_path / "later" / "20241005T0800Z.om").exists(), "it isn't whole"
    await sink.end(START_MS + 2 * DAY_MS + 10 * HOUR_MS)
    assert minutes(tmp_path) == {
        "20241004T0400Z.om": ("04 04:59", "04 23:59", 19 * 60 + 1),
        "20241005T0000Z.om": ("05 00:00", "05 23:59", 24 * 60),
        "20241006T0000Z.om": ("06 00:00", "06 07:59", 8 * 60),
        "later/20241006T0800Z.om": ("06 08:00", "06 10:00", 2 * 60 + 1),
    }
