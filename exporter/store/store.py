"""What is kept of all nodes: read once at the start, then written as it changes, each time in one transaction."""

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.saved import SavedNode, SavedState
from exporter.payments.totals import HistogramName
from exporter.store import codec, file, place, rows
from exporter.store.codec import EncodedNode, encode
from exporter.store.compare import lag
from exporter.store.errors import Broken, Busy, explained, is_busy, passing
from exporter.store.healing import BROKEN, Files
from exporter.store.lock import Noted

MARGIN_US = 3_600_000_000
"""By so much lnd's clock may be ahead of ours."""
_NOTHING = EncodedNode("", {}, {}, {}, {})


class Store:
    """The state file. Not thread-safe but for one writer at a time, which may be any thread."""

    def __init__(self, path: Path) -> None:
        """Open it, make it if there is none, set it aside if it is broken.

        Raises `StoreError` if it is locked, too new or may not be written there.
        """
        self.path = path = Path(os.path.realpath(path))  # else a link would lead a second exporter past the lock
        self.warnings: list[str] = []
        """What a person should know of the place of the state, though it can be kept there."""
        self.restarted: set[HistogramName] = set()
        """Histograms that were kept with other edges than they have today: they begin anew."""
        self._written: dict[str, EncodedNode] = {}  # what the file says
        self._lacking: dict[str, EncodedNode] | None = None  # what a file said that another one took the place of
        self._listed_from_us = 0  # what was created before may have been counted without being on the list
        self._saved: dict[str, SavedNode] = {}
        self._writing = threading.Lock()
        self.resets: dict[Reset, int] = dict.fromkeys(Reset, 0)
        """How often counters began at zero again, or at an older state."""
        self.fell = ""
        """Why the counters are older than those that were written last; empty if they are not."""
        self.failed_reads = 0
        """How often the list of what was counted could not be read."""
        self.thread = ThreadPoolExecutor(1, "state")
        """For all that waits for the disk while pages are served: one after the other, and nobody else waits for it."""
        with explained(path, "written"):
            place.prepare(path)
            self._files = Files(path)
            try:
                self._open()
                self.warnings.extend(file.warnings(self._files.connection, path))
            except BaseException:
                self._files.lock.release()
                raise

    @property
    def set_aside(self) -> Path | None:
        """Where the file lies that was broken or replaced last; None if there is none."""
        return self._files.set_aside

    @property
    def broken(self) -> str:
        """What was wrong with it."""
        return self._files.broken

    @property
    def replaced(self) -> int:
        """How often another file took its place since the start."""
        return self._files.replaced

    def _open(self) -> None:
        """Read what is there; if it is broken, or older than it should be, count that."""
        files = self._files
        try:
            files.connect()
            try:
                self._read_all(files.connection)
            except BaseException:
                files.connection.close()
                raise
        except Broken as broken:
            self._written, self._saved = {}, {}
            files.begin_anew_if_broken(str(broken))
        noted = files.lock.noted
        if not self._saved:  # what was there may have been lost or set aside by a process that came no further
            gone = 0 if noted is None else noted.corrupt + 1
            files.broken = files.broken or ("it is gone" if gone else "")
            self.resets[Reset.CORRUPT] = max(self.resets[Reset.CORRUPT], file.how_many_aside(self.path, BROKEN), gone)
            self.resets[Reset.OLDER] = max(self.resets[Reset.OLDER], noted.older if noted else 0)
            self._say_resets(files.connection, self.resets)
            if noted is not None:  # else the first write, were it not noted, would be one to a wrong file
                files.lock.note(noted._replace(mark=files.mark))
                files.lock.reach_the_disk()
        elif noted is not None and noted.mark is not None and not files.mark.follows(noted.mark):
            self.fell = lag(files.mark, noted.mark)
            self.resets[Reset.CORRUPT] = max(self.resets[Reset.CORRUPT], noted.corrupt)
            self.resets[Reset.OLDER] = max(self.resets[Reset.OLDER], noted.older) + 1
            self._say_resets(files.connection, self.resets)
            self._note()
            files.lock.reach_the_disk()
        files.accept()

    def _note(self) -> None:
        self._files.lock.note(Noted(self.resets[Reset.CORRUPT], self.resets[Reset.OLDER], self._files.mark))

    def _replace(self, broken: str) -> None:
        """Begin another file; until everything is written to it, the lock says that there was one before."""
        if self._lacking is None:  # else what is there is the beginning of such a file
            self._files.put_aside(broken)
            self._lacking, self._written = self._written, {}
        self._files.begin_anew()
        if self._files.lock.noted is not None:  # once filled it is the file that was written last
            self._note()
            self._files.lock.reach_the_disk()

    @staticmethod
    def _say_resets(connection: sqlite3.Connection, resets: Mapping[Reset, int]) -> None:
        connection.executemany("REPLACE INTO reset VALUES (?, ?)", resets.items())

    # Reading.

    def load(self, node: str) -> SavedNode | None:
        """What was saved of a node last, given out once; None if nothing was."""
        return self._saved.pop(node, None)

    def left(self, nodes: Collection[str]) -> dict[str, EncodedNode]:
        """What is kept of all other nodes, with the remark that nobody follows them any more."""
        others = {node: saved for node, saved in self._saved.items() if node not in nodes}
        return {node: encode(replace(saved, state=_left(saved.state))) for node, saved in others.items()}

    def _read_all(self, connection: sqlite3.Connection) -> None:
        where = "nodes"
        try:
            for where, state in connection.execute("SELECT node, marks FROM node ORDER BY node").fetchall():
                self._saved[where], others = rows.read(connection, where, state)
                self._written[where] = encode(self._saved[where])
                self.restarted |= others
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

    def save(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Write what has changed since the last time; on disk when it returns.

        Raises `Busy` if another program doesn't let us write now, `StoreError`, `sqlite3.Error`, `OSError`.
        """
        with self._writing:
            try:
                if fault := self._files.fault(self._written):
                    self._replace(fault)
                if not nodes and self._lacking is None:
                    return
                self._files.shorten_log()
                self._save_somewhere(nodes)
            except sqlite3.Error as error:
                if is_busy(error):
                    raise Busy(self.path, error) from None
                raise

    def _save_somewhere(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Write to the present file, or to another one if this breaks."""
        try:
            self._save(nodes)
        except sqlite3.DatabaseError as error:
            if passing(error) or isinstance(error, sqlite3.ProgrammingError):
                raise
            self._replace(str(error))
            self._save(nodes)

    def _save(self, nodes: Mapping[str, EncodedNode]) -> None:
        written = (self._lacking or {}) | dict(nodes)
        with self._files.transaction() as connection:
            if self._lacking is not None:
                self._go_on(connection, written)
            for node, frozen in written.items():
                rows.write(connection, node, self._written.get(node, _NOTHING), frozen)
        self._written.update({node: frozen._replace(ended=()) for node, frozen in written.items()})
        self._lacking = None
        self._note()

    def _go_on(self, connection: sqlite3.Connection, written: Mapping[str, EncodedNode]) -> None:
        """Tell a file that took another's place that nothing is lost, but for the list of what was counted."""
        newest_us = max((codec.state(frozen.state).newest_us for frozen in written.values()), default=0)
        self._listed_from_us = max(time.time_ns() // 1000, newest_us) + MARGIN_US
        connection.execute("INSERT INTO listed VALUES (?)", (self._listed_from_us,))
        self._say_resets(connection, self.resets)

    def counted(self, node: str, runs: Collection[Run]) -> set[Run]:
        """Those of the runs that have been counted as finished or lost, or may have been. Raises `sqlite3.Error`.

        If the file turns out to be broken, the next `save` begins another one.
        """
        with self._writing:
            younger = [run for run in runs if run.created_us > self._listed_from_us]
            try:
                return {*runs} - {*younger} | rows.counted(self._files.connection, node, younger)
            except sqlite3.DatabaseError as error:
                self.failed_reads += 1
                if not passing(error) and not isinstance(error, sqlite3.ProgrammingError):
                    self._files.spoilt = str(error)
                raise

    def nodes(self) -> list[str]:
        """Of which nodes something is kept."""
        return sorted(self._written)

    def forget(self, node: str) -> bool:
        """Remove all that is kept of a node, so that it begins at zero; False if nothing was."""
        known = self._written.pop(node, None) is not None
        with self._files.transaction() as connection:
            rows.forget(connection, node)
        self._saved.pop(node, None)
        if self._written:
            self._note()
        else:
            self._files.lock.note(None)
        return known

    def close(self) -> None:
        """Let go of the file, when all that was begun is done."""
        self.thread.shutdown()
        with self._writing:
            self._files.close()


def _left(state: SavedState) -> SavedState:
    return replace(state, heard=replace(state.heard, following=False, left=True))
