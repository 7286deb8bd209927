"""Sends the past to a remote-write receiver: the samples of some steps at a time, series by series."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from exporter.backfill.ledger import Total
from exporter.backfill.remote_request import Series
from exporter.backfill.remote_write import RemoteWriteError, RemoteWriter
from exporter.backfill.sink import SinkError
from exporter.backfill.table import Changes, SeriesTable
from exporter.config.httpmodel import RemoteWriteConfig

BATCH = 100_000
"""Samples that are sent at once: some steps of a busy node, so that the labels of a series aren't sent with each."""


@dataclass(slots=True)
class _Column:
    """The series of one total, with the samples that haven't been sent."""

    labels: Sequence[tuple[tuple[str, str], ...]]
    """Those of each series, as the receiver gets them."""
    values: Sequence[float]
    """The present ones."""
    rows: list[tuple[int, Sequence[float]]] = field(default_factory=list)
    """Times, milliseconds since 1970, and the values of all series then."""

    def take(self) -> list[Series]:
        """Return the samples by series, and forget them."""
        rows, self.rows = self.rows, []
        return [
            Series(labels, [(at_ms, values[place]) for at_ms, values in rows])
            for place, labels in enumerate(self.labels)
        ]


class RemoteSink:
    """Sends to one receiver. What was sent before reading is continued may be sent again: the samples are the same."""

    def __init__(
        self, config: RemoteWriteConfig, step_ms: int, *, note: Callable[[str], None], batch: int = BATCH
    ) -> None:
        """`step_ms` is the time between two samples; `note` gets a line when the receiver has to be asked again."""
        self.writer = RemoteWriter(config, note=note)
        self._step_ms = step_ms
        self._batch = batch
        self._columns: dict[Total, _Column] = {}
        self._ended: list[_Column] = []
        self._waiting = 0
        self._last_ms: int | None = None

    async def write(self, at_ms: int, table: SeriesTable, changes: Changes) -> bool:
        """Take one time. All before it is safe after a batch has been sent. Raises `SinkError`."""
        before_ms = at_ms - self._step_ms if self._last_ms is None else self._last_ms
        self._change(table, changes)
        for total in changes.begun:
            column = self._columns[total]
            self._add(column, before_ms, [0.0] * len(column.labels))
        safe = self._waiting >= self._batch
        if safe:
            await self._send()
        for column in self._columns.values():  # most of the work, so without `_add`
            column.rows.append((at_ms, column.values))
            self._waiting += len(column.values)
        self._last_ms = at_ms
        return safe

    async def end(self, reset_ms: int | None) -> None:
        """Send what is left. Raises `SinkError`."""
        if reset_ms is not None:
            for column in self._columns.values():
                self._add(column, reset_ms, [0.0] * len(column.labels))
        await self._send()

    async def close(self) -> None:
        """Close the connection."""
        await self.writer.close()

    def _change(self, table: SeriesTable, changes: Changes) -> None:
        """Take the new values; a total without any has ended."""
        for total, values in changes.changed:
            column = self._columns.get(total)
            if column is not None and values:
                column.values = values
            elif column is not None:
                self._ended.append(self._columns.pop(total))
            elif values:
                self._columns[total] = _Column([_labels(one.name, one.labels) for one in table.series(total)], values)

    def _add(self, column: _Column, at_ms: int, values: Sequence[float]) -> None:
        column.rows.append((at_ms, values))
        self._waiting += len(values)

    async def _send(self) -> None:
        columns = [*self._ended, *self._columns.values()]
        self._ended, self._waiting = [], 0
        try:
            await self.writer.write([series for column in columns for series in column.take()])
        except RemoteWriteError as error:
            raise SinkError(str(error).rstrip(".")) from None


def _labels(name: str, labels: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((("__name__", name), *labels)))
