"""What is kept of all nodes: read once at the start, then written as it changes, each time in one transaction."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.saved import Saved
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.store import codec, file
from exporter.store.codec import Frozen, freeze
from exporter.store.file import Broken, Lock, StoreError

K = TypeVar("K")
V = TypeVar("V")

MARGIN_US = 3_600_000_000
"""By so much lnd's clock may be ahead of ours."""
_NOTHING = Frozen("", {}, {}, {}, {})
_COUNTED = "SELECT 1 FROM counted_run WHERE node = ? AND created_us = ? AND hash = ?"


class Store:
    """The state file. Not thread-safe but for one writer at a time, which may be any thread."""

    def __init__(self, path: Path) -> None:
        """Open it, make it if there is none, set it aside if it is broken.

        Raises `StoreError` if it is locked, too new or may not be written there.
        """
        self.path = path
        self.set_aside: Path | None = None
        """Where the broken one lies that was found instead; None if all was well."""
        self.broken = ""
        """What was wrong with it."""
        self._written: dict[str, Frozen] = {}  # what the file says
        self._lacking: dict[str, Frozen] | None = None  # what a file said that another one took the place of
        self._listed_from_us = 0  # what was created before may have been counted without being on the list
        self._saved: dict[str, Saved] = {}
        self._writing = threading.Lock()
        self.resets: dict[Reset, int] = dict.fromkeys(Reset, 0)
        """How often all counters began at zero again."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = Lock(path)
            try:
                self._connection = self._open()
            except BaseException:
                self._lock.release()
                raise
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise StoreError(
                f"{path} can't be written ({reason}).",
                "Name a file that may be: --storage.path=FILE, or keep nothing: --storage.memory",
            ) from None

    def _open(self) -> sqlite3.Connection:
        """Read what is there; if it is broken, count that all begins anew."""
        try:
            connection = self._connect()
            try:
                self._saved = dict(self._read_all(connection))
            except BaseException:
                connection.close()
                raise
        except Broken as broken:
            self._written, self._saved = {}, {}
            connection = self._put_aside(str(broken))
        (self._listed_from_us,) = connection.execute("SELECT coalesce(max(from_us), 0) FROM listed").fetchone()
        self.resets |= {Reset(cause): times for cause, times in connection.execute("SELECT cause, times FROM reset")}
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = file.connect(self.path)
        found = self.path.stat()
        self._identity = found.st_dev, found.st_ino
        return connection

    def _put_aside(self, broken: str) -> sqlite3.Connection:
        """Give what is there another name; the new file says that all began anew, until somebody knows better."""
        self.broken = broken
        self.set_aside = file.set_aside(self.path)
        connection = self._connect()
        connection.execute("INSERT INTO reset VALUES (?, 1)", (Reset.CORRUPT,))
        return connection

    def _replace(self, broken: str) -> None:
        """Begin another file: the next time everything is written."""
        self._connection.close()
        self._lacking = (self._lacking or {}) | self._written
        self._written = {}
        self._connection = self._put_aside(broken)

    # Reading.

    def load(self, node: str) -> Saved | None:
        """What was saved of a node last, given out once; None if nothing was."""
        return self._saved.pop(node, None)

    def _read_all(self, connection: sqlite3.Connection) -> Iterator[tuple[str, Saved]]:
        for node, marks in connection.execute("SELECT node, marks FROM node ORDER BY node").fetchall():
            try:
                saved = _read(connection, node, marks)
            except (ValueError, KeyError, sqlite3.DatabaseError) as error:
                raise Broken(f"{node}: {error}") from None
            self._written[node] = freeze(saved)
            yield node, saved

    # Writing.

    def save(self, nodes: Mapping[str, Frozen]) -> None:
        """Write what has changed since the last time; on disk when it returns. Raises `sqlite3.Error`, `OSError`."""
        with self._writing:
            if self._vanished():
                self._replace("it is gone")
            elif not nodes:
                return
            try:
                self._save(nodes)
            except sqlite3.OperationalError:
                raise  # no room, no right, no answer: perhaps later
            except sqlite3.DatabaseError as error:
                self._replace(str(error))
                self._save(nodes)

    def _save(self, nodes: Mapping[str, Frozen]) -> None:
        written = (self._lacking or {}) | dict(nodes)
        with self._transaction():
            if self._lacking is not None:
                self._go_on()
            for node, frozen in written.items():
                self._write(node, self._written.get(node, _NOTHING), frozen)
        self._written.update({node: frozen._replace(ended=()) for node, frozen in written.items()})
        self._lacking = None

    def _go_on(self) -> None:
        """Tell a file that took another's place that nothing is lost, but for the list of what was counted."""
        self._listed_from_us = time.time_ns() // 1000 + MARGIN_US
        self._connection.execute("INSERT INTO listed VALUES (?)", (self._listed_from_us,))
        self._connection.execute("DELETE FROM reset")
        self._connection.executemany(
            "INSERT INTO reset VALUES (?, ?)", ((cause, times) for cause, times in self.resets.items() if times)
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _vanished(self) -> bool:
        """True if what is open is no more the file of that name: somebody removed or replaced it."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return True
        return (found.st_dev, found.st_ino) != self._identity

    def _write(self, node: str, old: Frozen, new: Frozen) -> None:
        many = self._connection.executemany
        many("REPLACE INTO node VALUES (?, ?)", [(node, new.marks)])
        many(
            "REPLACE INTO counter VALUES (?, ?, ?, ?)",
            (
                (node, name, codec.labels_text(labels), str(total))
                for name, series in new.counters.items()
                for labels, total in _changed(old.counters.get(name, {}), series)
            ),
        )
        many(
            "REPLACE INTO histogram VALUES (?, ?, ?, ?, ?)",
            (
                (node, name, codec.labels_text(labels), codec.histogram_text(histogram), str(histogram.total))
                for name, series in new.histograms.items()
                for labels, histogram in _changed(old.histograms.get(name, {}), series)
            ),
        )
        self._write_runs("open_run", node, old.open, new.open)
        self._write_runs("finished_run", node, old.finished, new.finished)
        many(
            "REPLACE INTO counted_run VALUES (?, ?, ?)",
            (_counted_key(node, run) for run in new.ended),
        )

    def _write_runs(self, table: str, node: str, old: Mapping[Run, V], new: Mapping[Run, V]) -> None:
        """A table with a row for each run: those that are gone go, those that changed are written."""
        self._connection.executemany(
            f"DELETE FROM {table} WHERE node = ? AND payment_hash = ? AND created_us = ?",  # noqa: S608 - our own words
            ((node, *run) for run in old if run not in new),
        )
        self._connection.executemany(
            f"REPLACE INTO {table} VALUES (?, ?, ?, ?)",  # noqa: S608 - our own words
            ((node, *run, value) for run, value in _changed(old, new)),
        )

    def counted(self, node: str, runs: Iterable[Run]) -> set[Run]:
        """Those of the runs that have been counted as finished or lost, or may have been. Raises `sqlite3.Error`."""
        with self._writing:
            return {
                run
                for run in runs
                if run.created_us <= self._listed_from_us
                or self._connection.execute(_COUNTED, _counted_key(node, run)).fetchone()
            }

    def forget(self, node: str) -> bool:
        """Remove all that is kept of a node, so that it begins at zero; False if nothing was."""
        known = self._written.pop(node, None) is not None
        with self._transaction() as connection:
            for table in ("node", "counter", "histogram", "open_run", "finished_run", "counted_run"):
                connection.execute(f"DELETE FROM {table} WHERE node = ?", (node,))  # noqa: S608 - our own words
        self._saved.pop(node, None)
        return known

    def close(self) -> None:
        """Let go of the file."""
        with self._writing:
            self._connection.close()
            self._lock.release()


def _read(connection: sqlite3.Connection, node: str, marks: str) -> Saved:
    def rows(query: str) -> list[Any]:
        return connection.execute(f"{query} WHERE node = ?", (node,)).fetchall()

    counters: dict[Counter, dict[Labels, int]] = {}
    for name, labels, total in rows("SELECT counter, labels, total FROM counter"):
        counters.setdefault(Counter(name), {})[codec.labels(labels)] = int(total)
    histograms: dict[HistogramName, dict[Labels, Histogram]] = {}
    for name, labels, buckets, total in rows("SELECT histogram, labels, buckets, total FROM histogram"):
        histogram = HistogramName(name)
        histograms.setdefault(histogram, {})[codec.labels(labels)] = codec.histogram(histogram, buckets, total)
    runs = rows("SELECT payment_hash, created_us, payment_index FROM finished_run")
    return Saved(
        codec.marks(marks),
        counters,
        histograms,
        tuple(codec.open_run(state) for (state,) in rows("SELECT state FROM open_run")),
        {Run(payment_hash, created_us): index for payment_hash, created_us, index in runs},
    )


def _counted_key(node: str, run: Run) -> tuple[str, int, bytes]:
    return node, run.created_us, codec.short(run.payment_hash)


def _changed(old: Mapping[K, V], new: Mapping[K, V]) -> Iterator[tuple[K, V]]:
    return ((key, value) for key, value in new.items() if key not in old or old[key] != value)
