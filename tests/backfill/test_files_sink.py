"""The files of the past: whatever was broken off, and however much later it goes on, each sample is there once."""

from pathlib import Path

import pytest

from exporter.backfill.files import BLOCK_MS, FilesSink
from exporter.backfill.ledger import PastLedger
from exporter.backfill.openmetrics import END
from exporter.backfill.sink import SinkError
from exporter.backfill.table import SeriesTable
from exporter.metrics.past import PastMetrics
from exporter.payments.totals import Counter

STEP_MS = 300_000
BEGIN_MS = 1_790_000_100_000
"""In the middle of a day, at the end of a step."""
STEPS = 2200
"""A week and a half hour: two files of days, and the newest hours."""
HOUR_MS = 3_600_000
LATER_MS = BEGIN_MS + (STEPS - 40) * STEP_MS


class Run:
    """One run of the command that writes into a directory, step by step."""

    def __init__(self, directory: Path, later_ms: int, *, anew: bool) -> None:
        """Nothing is counted yet."""
        self.ledger = PastLedger(0)
        self.table = SeriesTable(PastMetrics(self.ledger, {"node": "alice"}, (), attempts=False), self.ledger)
        self.sink = FilesSink(directory, STEP_MS, later_ms, anew=anew)
        self.safe = 0
        """The last step from which another run may go on."""

    async def write(self, begin: int, end: int) -> None:
        """Write steps from `begin` to before `end`; all others of before have been counted."""
        if begin:
            self.ledger.count(Counter.STARTED, by=begin)
        for step in range(begin, end):
            self.ledger.count(Counter.STARTED)
            changes = self.table.everything() if step == begin > 0 else self.table.update()
            if await self.sink.write(BEGIN_MS + step * STEP_MS, self.table, changes):
                self.safe = step


def samples(directory: Path) -> list[tuple[float, int]]:
    """Return times and values of the payments that were started, of all files; each must be whole."""
    found = []
    for path in sorted(directory.rglob("*.om")):
        text = path.read_text()
        assert text.endswith(END)
        lines = [line.split() for line in text.splitlines() if line.startswith("lnd_payments_started_total{")]
        found += [(float(at_s), int(value)) for _, value, at_s in lines]
    return found


EXPECTED = [((BEGIN_MS + step * STEP_MS) / 1000, step + 1) for step in range(-1, STEPS)]


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("hours", [-5, 0, 1, 3, 30])
@pytest.mark.parametrize("broken", [300, STEPS - 30, STEPS])
async def test_each_sample_is_there_once(tmp_path: Path, broken: int, hours: int, *, ended: bool) -> None:
    """Also if the newest hours were written in part, or in whole, and are older when another run goes on."""
    first = Run(tmp_path, LATER_MS, anew=True)
    await first.write(0, broken)
    if ended:
        await first.sink.end(None)
    await first.sink.close()
    second = Run(tmp_path, LATER_MS + hours * HOUR_MS, anew=False)
    await second.write(first.safe, STEPS)
    await second.sink.end(None)
    assert samples(tmp_path) == EXPECTED
    assert not [*tmp_path.rglob("*.part")]
    assert len([*(tmp_path / "later").glob("*.om")]) <= 1
    times_ms = [int(samples_at[0] * 1000) for samples_at in samples(tmp_path / "later")]
    assert not times_ms or times_ms[0] >= (LATER_MS + hours * HOUR_MS) // BLOCK_MS * BLOCK_MS - STEP_MS


async def test_a_directory_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    """Between two files, when nothing is open: else only a part of the past would be in it."""
    past = tmp_path / "past"
    past.mkdir()
    run = Run(past, LATER_MS, anew=True)
    step = 0
    while not run.safe:
        await run.write(step, step + 1)
        step += 1
    past.rename(tmp_path / "elsewhere")
    with pytest.raises(SinkError, match=r"can't be written \(No such file or directory\)"):
        await run.write(step, step + 2)
    assert not past.exists()
