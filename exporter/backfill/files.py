"""Writes the past to a directory: files of OpenMetrics text, each of a span of time that promtool reads at once."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from exporter.backfill.openmetrics import END, OpenMetricsText
from exporter.backfill.sink import SinkError
from exporter.backfill.table import Changes, SeriesTable
from exporter.store.place import sync_directory

BLOCK_MS = 7_200_000
"""Prometheus' blocks span two hours, aligned to 1970: a file that ends elsewhere would make two blocks of one."""
STEPS_A_FILE = 1440
"""Steps of a file: a day of minutes. promtool reads a file as often as it makes blocks of it."""
LATER = "later"
"""The directory of files that Prometheus' head may still overlap."""
SUFFIX = ".om"
PART = ".part"
"""The name of a file that isn't whole ends so."""


class FilesSink:
    """Writes a directory. A file gets its name when it is whole and on disk."""

    def __init__(self, directory: Path, step_ms: int, later_ms: int, *, anew: bool) -> None:
        """Write into a directory that exists; what is from `later_ms` on goes into `later`, both milliseconds.

        With `anew` the files of an earlier run, which has left no save point, are removed.
        """
        self.directory = directory
        self._step_ms = step_ms
        self._span_ms = -(-step_ms * STEPS_A_FILE // BLOCK_MS) * BLOCK_MS
        self._later_ms = later_ms // BLOCK_MS * BLOCK_MS
        self._text = OpenMetricsText(self._write)
        self._from_ms = 0  # where the first file of this run begins
        self._start_ms = -1  # where the present file begins; negative before the first time
        self._file: TextIO | None = None
        self._path = directory
        for left_over in (*self._there(f"*{SUFFIX}{PART}"), *(self._there(f"*{SUFFIX}") if anew else ())):
            left_over.unlink()

    async def write(self, at_ms: int, table: SeriesTable, changes: Changes) -> bool:
        """Take one time. All before it is safe when it begins a file. Raises `SinkError`."""
        with self._errors():
            if self._start_ms < 0:
                self._begin(at_ms - self._step_ms if changes.begun else at_ms)
            self._text.step(at_ms, at_ms - self._step_ms, table, changes)
            start_ms = self._start_of(at_ms)
            begins = start_ms != self._start_ms
            if begins:
                self._complete()
                self._start_ms = start_ms
        return begins

    async def end(self, reset_ms: int | None) -> None:
        """Complete the last file. Raises `SinkError`."""
        with self._errors():
            if reset_ms is not None:
                self._text.reset(reset_ms)
            self._text.flush()
            self._complete()

    async def close(self) -> None:
        """Leave a file that isn't whole with the name of one."""
        if self._file is not None:
            with suppress(OSError):  # the disk is full still: that has been said
                self._file.close()

    def _begin(self, first_ms: int) -> None:
        """Begin with a time; what an earlier run has written from there on is removed, because it comes again.

        All before it is in whole files, which stay: an earlier run may have ended one in the middle of a span, where
        the newest hours began then.
        """
        self._from_ms = first_ms // BLOCK_MS * BLOCK_MS
        for path in self._there(f"*{SUFFIX}"):
            if path.name >= _name(self._from_ms):
                path.unlink()
        self._start_ms = self._start_of(first_ms)

    def _there(self, pattern: str) -> Sequence[Path]:
        """Return the files that there are."""
        return [*self.directory.glob(pattern), *(self.directory / LATER).glob(pattern)]

    def _start_of(self, at_ms: int) -> int:
        if at_ms >= self._later_ms:
            return max(self._later_ms, self._from_ms)
        return max(at_ms // self._span_ms * self._span_ms, self._from_ms)

    def _write(self, text: str) -> None:
        """Write the text of times that are in the present file, or before the first one."""
        if not text:
            return
        if self._file is None:
            self._path = self._path_of(self._start_ms)
            if self._start_ms >= self._later_ms:
                (self.directory / LATER).mkdir(exist_ok=True)
            self._file = self._path.with_name(self._path.name + PART).open("w", encoding="utf-8")
        self._file.write(text)

    def _path_of(self, start_ms: int) -> Path:
        directory = self.directory / LATER if start_ms >= self._later_ms else self.directory
        return directory / _name(start_ms)

    def _complete(self) -> None:
        """Give the present file its name, if there is one."""
        if self._file is None:
            return
        self._file.write(END)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._path.with_name(self._path.name + PART).replace(self._path)
        sync_directory(self._path.parent)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkError(f"{error.filename or self._path} can't be written ({error.strerror})") from None


def _name(start_ms: int) -> str:
    """Return the name of the file that begins then; names are in the order of times."""
    return f"{datetime.fromtimestamp(start_ms / 1000, UTC):%Y%m%dT%H%MZ}{SUFFIX}"
