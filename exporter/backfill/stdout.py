"""Writes the past to standard output as one OpenMetrics text."""

import sys

from exporter.backfill.openmetrics import END, OpenMetricsText
from exporter.backfill.table import Changes, SeriesTable


class StdoutSink:
    """Writes standard output; reading can't be continued when it was broken off."""

    def __init__(self, step_ms: int) -> None:
        """`step_ms` is the time between two samples."""
        self._step_ms = step_ms
        self._text = OpenMetricsText(sys.stdout.write)

    async def write(self, at_ms: int, table: SeriesTable, changes: Changes) -> bool:
        """Take one time. Raises `StdoutError`."""
        self._text.step(at_ms, at_ms - self._step_ms, table, changes)
        return False

    async def end(self, reset_ms: int | None) -> None:
        """Write what is left, and the end."""
        if reset_ms is not None:
            self._text.reset(reset_ms)
        self._text.flush()
        sys.stdout.write(END)
        sys.stdout.flush()

    async def close(self) -> None:
        """Nothing is open."""
