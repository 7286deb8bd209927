"""What is kept of all nodes: read once at the start, then written as it changes, each time in one transaction."""

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.saved import Marks, Saved
from exporter.payments.totals import HistogramName
from exporter.store import codec, file, place, rows
from exporter.store.codec import Frozen, freeze
from exporter.store.compare import difference, lag
from exporter.store.errors import Broken, Busy, Foreign, explained, is_busy, passing
from exporter.store.lock import Lock, Noted
from exporter.store.standing import Mark, Standing, find, found

BROKEN, REPLACED = "broken", "replaced"
"""In the names of files that were set aside: one that could not be read, one whose place another took."""
LOG_LIMIT = 256 * 1024 * 1024
"""Bytes of SQLite's log. A program that keeps an old state of the file in sight doesn't let it begin anew."""
MARGIN_US = 3_600_000_000
"""By so much lnd's clock may be ahead of ours."""
_NOTHING = Frozen("", {}, {}, {}, {})


class Store:
    """The state file. Not thread-safe but for one writer at a time, which may be any thread."""

    def __init__(self, path: Path) -> None:
        """Open it, make it if there is none, set it aside if it is broken.

        Raises `StoreError` if it is locked, too new or may not be written there.
        """
        self.path = path = Path(os.path.realpath(path))  # else a link would lead a second exporter past the lock
        self.warnings: list[str] = []
        """What a person should know of the place of the state, though it can be kept there."""
        self.set_aside: Path | None = None
        """Where the file lies that was broken or replaced last; None if there is none."""
        self.broken = ""
        """What was wrong with it."""
        self.replaced = 0
        """How often another file took its place since."""
        self.restarted: set[HistogramName] = set()
        """Histograms that were kept with other edges than they have today: they begin anew."""
        self._standing: Standing | None = None  # of the files that are open; None if they must be begun anew
        self._written: dict[str, Frozen] = {}  # what the file says
        self._lacking: dict[str, Frozen] | None = None  # what a file said that another one took the place of
        self._listed_from_us = 0  # what was created before may have been counted without being on the list
        self._saved: dict[str, Saved] = {}
        self._writing = threading.Lock()
        self.resets: dict[Reset, int] = dict.fromkeys(Reset, 0)
        """How often counters began at zero again, or at an older state."""
        self.fell = ""
        """Why the counters are older than those that were written last; empty if they are not."""
        self.failed_reads = 0
        """How often the list of what was counted could not be read."""
        self.thread = ThreadPoolExecutor(1, "state")
        """For all that waits for the disk while pages are served: one after the other, and nobody else waits for it."""
        self._mark = Mark("", 0)  # of the file that is open
        self._spoilt = ""  # what a reader found to be wrong with it
        with explained(path, "written"):
            place.prepare(path)
            self._lock = Lock(path)
            try:
                self._connection = self._open()
                self.warnings.extend(file.warnings(self._connection, path))
            except BaseException:
                self._lock.release()
                raise

    def _open(self) -> sqlite3.Connection:
        """Read what is there; if it is broken, count that all begins anew."""
        try:
            connection = self._connect()
            try:
                self._read_all(connection)
            except BaseException:
                connection.close()
                raise
        except Broken as broken:
            self._written, self._saved = {}, {}
            self.broken, self.set_aside = str(broken), file.set_aside(self.path, BROKEN)
            connection = self._connect()
        noted = self._lock.noted
        if not self._saved:  # what was there may have been lost or set aside by a process that came no further
            gone = 0 if noted is None else noted.corrupt + 1
            self.broken = self.broken or ("it is gone" if gone else "")
            self.resets[Reset.CORRUPT] = max(self.resets[Reset.CORRUPT], file.how_many_aside(self.path, BROKEN), gone)
            self.resets[Reset.OLDER] = max(self.resets[Reset.OLDER], noted.older if noted else 0)
            self._say_resets(connection, self.resets)
        elif noted is not None and noted.mark is not None and not self._mark.follows(noted.mark):
            self.fell = lag(self._mark, noted.mark)
            self.resets[Reset.CORRUPT] = max(self.resets[Reset.CORRUPT], noted.corrupt)
            self.resets[Reset.OLDER] = max(self.resets[Reset.OLDER], noted.older) + 1
            self._say_resets(connection, self.resets)
            self._note()
        self._standing = find(self.path)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = file.connect(self.path)
        self._standing = find(self.path)
        return connection

    def _note(self) -> None:
        self._lock.note(Noted(self.resets[Reset.CORRUPT], self.resets[Reset.OLDER], self._mark))

    def _replace(self, broken: str) -> None:
        """Begin another file; until everything is written to it, the lock says that there was one before."""
        if self._lacking is None:  # else what is there is the beginning of such a file
            there, ours = found(self.path), self._standing and self._standing.state
            if there and not (ours and there[:2] == ours[:2]) and not file.is_ours(self.path):
                raise Foreign(self.path)
            self.set_aside = file.set_aside(self.path, REPLACED) if there else None
            self.broken = broken
            self.replaced += 1
            self._lacking, self._written = self._written, {}
        self._standing = None  # until there is one
        self._connection.close()
        try:
            self._connection = self._connect()
        except Broken:  # the beginning of another one, that broke before it was filled
            file.set_aside(self.path, BROKEN)
            self._connection = self._connect()
        self._spoilt = ""
        self._mark = rows.mark(self._connection)
        if self._lock.noted is not None:  # filled it will be no other file than the one that was written last
            self._note()
            self._lock.reach_the_disk()

    @staticmethod
    def _say_resets(connection: sqlite3.Connection, resets: Mapping[Reset, int]) -> None:
        connection.executemany("REPLACE INTO reset VALUES (?, ?)", resets.items())

    # Reading.

    def load(self, node: str) -> Saved | None:
        """What was saved of a node last, given out once; None if nothing was."""
        return self._saved.pop(node, None)

    def left(self, nodes: Collection[str]) -> dict[str, Frozen]:
        """What is kept of all other nodes, with the remark that nobody follows them any more."""
        others = {node: saved for node, saved in self._saved.items() if node not in nodes}
        return {node: freeze(replace(saved, marks=_left(saved.marks))) for node, saved in others.items()}

    def _read_all(self, connection: sqlite3.Connection) -> None:
        where = "nodes"
        try:
            for where, marks in connection.execute("SELECT node, marks FROM node ORDER BY node").fetchall():
                self._saved[where], others = rows.read(connection, where, marks)
                self._written[where] = freeze(self._saved[where])
                self.restarted |= others
            where = "mark"
            self._mark = rows.mark(connection)
            where = "resets"
            (self._listed_from_us,) = connection.execute("SELECT coalesce(max(from_us), 0) FROM listed").fetchone()
            for cause, times in connection.execute("SELECT cause, times FROM reset"):
                self.resets[Reset(cause)] = times
        except (ValueError, KeyError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DatabaseError) and passing(error):
                raise
            said, _, _ = str(error).partition(" with text ")  # what stands there is nobody's business
            raise Broken(f"{where}: {said}") from None

    # Writing.

    def save(self, nodes: Mapping[str, Frozen]) -> None:
        """Write what has changed since the last time; on disk when it returns.

        Raises `Busy` if another program doesn't let us write now, `StoreError`, `sqlite3.Error`, `OSError`.
        """
        with self._writing:
            try:
                self._look_after_files()
                if not nodes and self._lacking is None:
                    return
                self._shorten_log()
                self._save_somewhere(nodes)
            except sqlite3.Error as error:
                if is_busy(error):
                    raise Busy(self.path, error) from None
                raise

    def _look_after_files(self) -> None:
        """Take the lock again if its file is gone; begin another file if the present one no longer says what it did."""
        if not self._lock.stands():
            place.prepare(self.path)
            broken, self._lock = self._lock, Lock(self.path)
            broken.release()
        now = find(self.path)
        if self._standing is None or not self._standing.stands(now):
            self._replace("it is gone")
        elif self._spoilt:
            self._replace(self._spoilt)
        elif now != self._standing:
            if different := difference(self.path, self._mark, self._written):
                self._replace(different)
            else:
                self._standing = now

    def _shorten_log(self) -> None:
        """Let the log begin anew if it is too long. Raises `Busy` if another program's old state is still in it."""
        log = self._standing and self._standing.log
        if log and log.size > LOG_LIMIT:
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._standing = find(self.path)
            if busy:
                told = f"it has read the file for long, and the log (-wal) has grown to {log.size >> 20} MiB"
                raise Busy(self.path, told)

    def _save_somewhere(self, nodes: Mapping[str, Frozen]) -> None:
        """Write to the present file, or to another one if this breaks."""
        try:
            self._save(nodes)
        except sqlite3.DatabaseError as error:
            if passing(error) or isinstance(error, sqlite3.ProgrammingError):
                raise
            self._replace(str(error))
            self._save(nodes)

    def _save(self, nodes: Mapping[str, Frozen]) -> None:
        written = (self._lacking or {}) | dict(nodes)
        with self._transaction():
            if rows.mark(self._connection) != self._mark:
                raise Broken("another program put another state in its place")
            if self._lacking is not None:
                self._go_on(written)
            for node, frozen in written.items():
                rows.write(self._connection, node, self._written.get(node, _NOTHING), frozen)
        self._written.update({node: frozen._replace(ended=()) for node, frozen in written.items()})
        self._lacking = None
        self._standing = find(self.path)
        self._note()

    def _go_on(self, written: Mapping[str, Frozen]) -> None:
        """Tell a file that took another's place that nothing is lost, but for the list of what was counted."""
        newest_us = max((codec.marks(frozen.marks).newest_us for frozen in written.values()), default=0)
        self._listed_from_us = max(time.time_ns() // 1000, newest_us) + MARGIN_US
        self._connection.execute("INSERT INTO listed VALUES (?)", (self._listed_from_us,))
        self._say_resets(self._connection, self.resets)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            rows.write_mark(connection, self._mark.writes + 1)
            connection.execute("COMMIT")
            self._mark = self._mark._replace(writes=self._mark.writes + 1)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def counted(self, node: str, runs: Collection[Run]) -> set[Run]:
        """Those of the runs that have been counted as finished or lost, or may have been. Raises `sqlite3.Error`.

        If the file turns out to be broken, the next `save` begins another one.
        """
        with self._writing:
            younger = [run for run in runs if run.created_us > self._listed_from_us]
            try:
                return {*runs} - {*younger} | rows.counted(self._connection, node, younger)
            except sqlite3.DatabaseError as error:
                self.failed_reads += 1
                if not passing(error) and not isinstance(error, sqlite3.ProgrammingError):
                    self._spoilt = str(error)
                raise

    def nodes(self) -> list[str]:
        """Of which nodes something is kept."""
        return sorted(self._written)

    def forget(self, node: str) -> bool:
        """Remove all that is kept of a node, so that it begins at zero; False if nothing was."""
        known = self._written.pop(node, None) is not None
        with self._transaction() as connection:
            rows.forget(connection, node)
        self._saved.pop(node, None)
        self._standing = find(self.path)
        if self._written:
            self._note()
        else:
            self._lock.note(None)
        return known

    def close(self) -> None:
        """Let go of the file, when all that was begun is done."""
        self.thread.shutdown()
        with self._writing:
            self._connection.close()
            self._lock.release()


def _left(marks: Marks) -> Marks:
    return replace(marks, heard=replace(marks.heard, following=False, left=True))
