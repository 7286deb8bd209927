"""Writes OpenMetrics text with timestamps, for `promtool tsdb create-blocks-from openmetrics`."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from exporter.backfill.ledger import Total
from exporter.backfill.table import Changes, SeriesTable

END = "# EOF\n"
"""The last line; promtool refuses a file that lacks it."""


class OpenMetricsText:
    """The text of one time after the other. It is a step behind: a series that begins has a zero the step before."""

    def __init__(self, write: Callable[[str], object]) -> None:
        """`write` takes the text of whole times, in ascending order."""
        self._write = write
        self._starts: dict[Total, Sequence[str]] = {}  # the lines of each total up to the number
        self._lines: dict[Total, Sequence[str]] = {}  # the same with the number
        self._pending: list[str] = []  # text of whole times; not one text, for to copy it takes longer than to make it
        self._pending_ms = 0

    def step(self, at_ms: int, before_ms: int, table: SeriesTable, changes: Changes) -> None:
        """Add the samples of a time, milliseconds since 1970; `before_ms` is the time of the step before."""
        begun = list[str]()
        for total, values in changes.changed:
            if not values:
                self._starts.pop(total, None)
                self._lines.pop(total, None)
                continue
            if (starts := self._starts.get(total)) is None:
                self._starts[total] = starts = [f"{series.text} " for series in table.series(total)]
            self._lines[total] = [f"{start}{value!r}" for start, value in zip(starts, values, strict=True)]
        for total in changes.begun:
            begun += [f"{start}0" for start in self._starts[total]]
        self._pending.append(_at(begun, self._pending_ms or before_ms))
        self.flush()
        self._pending.append(_at(chain.from_iterable(self._lines.values()), at_ms))
        self._pending_ms = at_ms

    def reset(self, at_ms: int) -> None:
        """Add a zero for each series."""
        zeros = [f"{start}0" for start in chain.from_iterable(self._starts.values())]
        self._pending.append(_at(zeros, at_ms))

    def flush(self) -> None:
        """Write the times so far."""
        for text in self._pending:
            self._write(text)
        self._pending.clear()


def _at(lines: Iterable[str], at_ms: int) -> str:
    """Return lines with a timestamp, which OpenMetrics writes in seconds."""
    stamp = f" {at_ms / 1000:.3f}\n"
    return stamp.join((*lines, ""))
