"""The interface of where the samples of the past go."""

from typing import Protocol

from exporter.backfill.table import Changes, SeriesTable


class SinkError(Exception):
    """What was counted can't be written or sent; its text is one line for a person."""


class Sink(Protocol):
    """Takes the samples of all series, time after time."""

    async def write(self, at_ms: int, table: SeriesTable, changes: Changes) -> bool:
        """Take a time, milliseconds since 1970: a sample of all series of `table`, those not in `changes` as before.

        Return True if all times before this one are safe: then reading may be broken off and continued with this one.
        Raises `SinkError`.
        """

    async def end(self, reset_ms: int | None) -> None:
        """Finish: all is safe when this returns. With `reset_ms` each series gets a last sample, 0, at that time.

        Raises `SinkError`.
        """

    async def close(self) -> None:
        """Leave nothing open, whatever has happened."""
