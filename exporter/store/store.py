"""The saved state of all nodes: read at the start, then written as it changes, each time in one transaction."""

import os
import sqlite3
import threading
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exporter.payments.horizon import audited_from_us
from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.saved import SavedNode
from exporter.payments.totals import HistogramName
from exporter.store import codec, ended, file, place, rows
from exporter.store.codec import EncodedNode, encode, mark_unfollowed
from exporter.store.compare import explain_older
from exporter.store.errors import Broken, Busy, StoreError, as_store_error, is_busy, is_transient
from exporter.store.lock import LockRecord
from exporter.store.open_files import BROKEN, OpenFiles
from exporter.store.removal import Removal

CLOCK_MARGIN_US = 3_600_000_000
"""How far lnd's clock may be ahead of ours."""
SHORTENED = 500
"""A write takes at most this many more counted runs off the list of a node than it adds: 1 ms."""


class Store:
    """The state file. Any thread may write, but only one at a time."""

    def __init__(self, path: Path, *, ended_length: int = ended.LENGTH, destinations: bool = True) -> None:
        """Open the state; create it if there is none, set it aside if it is broken.

        `ended_length` is the length of the list of ended payments of each node, `destinations` whether it says who was
        paid. Raises `StoreError` if it is locked, too new or not writable.
        """
        self.ended_length = ended_length
        self._removal = Removal(ended_length, destinations=destinations)
        self.path = path = Path(os.path.realpath(path))  # a second exporter could use a link to evade the lock
        self.warnings: list[str] = []
        """Warnings for the operator about the place of the state, though it can be kept there."""
        self.restarted: set[HistogramName] = set()
        """Histograms that start at zero because their bucket edges have changed since they were saved."""
        self._written: dict[str, EncodedNode] = {}  # the content of the file
        self._to_rewrite: dict[str, EncodedNode] | None = None  # content of a replaced file that the new one lacks
        # By node: runs created until then may have been counted without a row in counted_run.
        self._listed_from_us: dict[str, int] = {}
        self._write_lock = threading.Lock()
        self.resets: dict[Reset, int] = dict.fromkeys(Reset, 0)
        """How many times the counters started at zero or at an older state, by cause."""
        self.older_reason = ""
        """Why the counters are older than those that were written last; empty if they are not."""
        self.failed_reads = 0
        """How many times reading the list of counted runs has failed."""
        self.executor = ThreadPoolExecutor(1, "state")
        """One thread for all work that waits for the disk, so that a slow disk blocks no other thread."""
        with as_store_error(path, "written"):
            place.prepare(path)
            self._files = OpenFiles(path)
            try:
                self._open()
                self._remove()
                self.warnings.extend(file.warnings(self._files.connection, path))
            except BaseException:
                self._files.lock.release()
                raise

    @property
    def set_aside(self) -> Path | None:
        """New name of the file that was set aside last; None if there is none."""
        return self._files.set_aside

    @property
    def replace_reason(self) -> str:
        """Why the last file was replaced; empty if none was."""
        return self._files.replace_reason

    @property
    def replacements(self) -> int:
        """How many times the file has been replaced since the start."""
        return self._files.replacements

    def _open(self) -> None:
        """Read the file; count a reset if it is broken, gone, or older than the lock file has recorded."""
        files = self._files
        try:
            files.connect()
            try:
                self._read_all(files.connection)
            except BaseException:
                files.connection.close()
                raise
        except Broken as broken:
            self._written = {}
            files.replace_unreadable(str(broken))
        record = files.lock.record
        if not self._written:  # an earlier process may have found the state missing or broken, and ended before a write
            corrupt = 0 if record is None else record.corrupt + 1
            files.replace_reason = files.replace_reason or ("it is gone" if corrupt else "")
            set_aside = file.count_set_aside(self.path, BROKEN)
            self.resets[Reset.CORRUPT] = max(self.resets[Reset.CORRUPT], set_aside, corrupt)
            self.resets[Reset.OLDER] = max(self.resets[Reset.OLDER], record.older if record else 0)
            rows.write_resets(files.connection, self.resets)
            if record is not None:  # or a kill between the first write and its record would look like a wrong file
                files.lock.write(record._replace(mark=files.mark))
                files.lock.sync()
        elif record is not None and record.mark is not None and not files.mark.includes(record.mark):
            self.older_reason = explain_older(files.mark, record.mark)
            self.resets[Reset.CORRUPT] = max(self.resets[Reset.CORRUPT], record.corrupt)
            self.resets[Reset.OLDER] = max(self.resets[Reset.OLDER], record.older) + 1
            rows.write_resets(files.connection, self.resets)
            self._write_lock_record()
            files.lock.sync()
        files.accept()

    def _remove(self) -> None:
        """Remove what is no longer to be kept; what a disk can't do now, the first write and the next start do."""
        try:
            if self._removal.is_needed(self._files.connection, self._written):
                self._save({})
                self._removal.overwrite(self._files)
            self._removal.done()
        except (sqlite3.Error, StoreError) as error:
            self.warnings.append(f"what is no longer to be kept is not overwritten before the next start: {error}")

    def _write_lock_record(self) -> None:
        record = LockRecord(self.resets[Reset.CORRUPT], self.resets[Reset.OLDER], self._files.mark)
        self._files.lock.write(record)

    def _replace_file(self, reason: str) -> None:
        """Create another file; until everything is written to it, the lock file records that there was one before."""
        if self._to_rewrite is None:  # otherwise the present file is an unfinished replacement
            self._files.move_aside(reason)
            self._to_rewrite, self._written = self._written, {}
        self._files.recreate()
        if self._files.lock.record is not None:  # once it is filled, it counts as the file written last
            self._write_lock_record()
            self._files.lock.sync()

    # Reading.

    def load(self, node: str) -> SavedNode | None:
        """Return the saved state of a node, as of the last write that succeeded; None if there is none."""
        with self._write_lock:
            encoded = self._content().get(node)
        return None if encoded is None else codec.decode(encoded)

    def unfollowed(self, nodes: Collection[str]) -> dict[str, EncodedNode]:
        """Return all nodes of the file but these, marked as no longer followed."""
        return {node: mark_unfollowed(encoded) for node, encoded in self._content().items() if node not in nodes}

    def _content(self) -> dict[str, EncodedNode]:
        """Return what the file contains, or will when a file that was replaced has been written again."""
        return (self._to_rewrite or {}) | self._written

    def _read_all(self, connection: sqlite3.Connection) -> None:
        part = "nodes"
        try:
            for part, state in connection.execute("SELECT node, marks FROM node ORDER BY node").fetchall():
                saved, changed = rows.read(connection, part, state)
                self._written[part] = encode(saved)
                self.restarted |= changed
            part = "resets"
            self._listed_from_us = rows.listed_from_us(connection)
            for cause, times in connection.execute("SELECT cause, times FROM reset"):
                self.resets[Reset(cause)] = times
        except (ValueError, KeyError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.DatabaseError) and is_transient(error):
                raise
            reason, _, _ = str(error).partition(" with text ")  # Python quotes the text, which may be confidential
            raise Broken(f"{part}: {reason}") from None

    # Writing.

    def save(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Write what has changed since the last time; it is on disk when this returns.

        Checks the file also if `nodes` is empty. Raises `Busy` if another program prevents writing now, `StoreError`,
        `sqlite3.Error`, `OSError`.
        """
        with self._write_lock:
            try:
                if reason := self._files.reason_to_replace(self._written):
                    self._replace_file(reason)
                if not nodes and self._to_rewrite is None:
                    return
                self._files.shorten_log()
                self._save_or_replace(nodes)
            except sqlite3.Error as error:
                if is_busy(error):
                    raise Busy(self.path, error) from None
                raise

    def _save_or_replace(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Write to the present file, or to a new one if the present one proves to be broken."""
        try:
            self._save(nodes)
        except sqlite3.DatabaseError as error:
            if is_transient(error) or isinstance(error, sqlite3.ProgrammingError):
                raise
            self._replace_file(str(error))
            self._save(nodes)

    def _save(self, nodes: Mapping[str, EncodedNode]) -> None:
        to_write = (self._to_rewrite or {}) | dict(nodes)
        to_write |= self._removal.stripped(self._written | to_write)
        shortened: dict[str, int] = {}
        with self._files.transaction() as connection:
            self._removal.remove(connection)
            if self._to_rewrite is not None:
                self._continue_in_new_file(connection, to_write)
            for node, encoded in to_write.items():
                rows.write(connection, node, self._written.get(node, rows.EMPTY), encoded)
                if encoded.newly_ended:
                    ended.write(connection, node, encoded.newly_ended, self.ended_length)
                if encoded.ended:
                    shortened[node] = self._shorten_list(connection, node, encoded)
        self._written.update({node: encoded._replace(ended=(), newly_ended=()) for node, encoded in to_write.items()})
        for node, from_us in shortened.items():
            self._listed_from_us[node] = max(self._listed_from_us.get(node, 0), from_us)
        self._to_rewrite = None
        self._removal.done()
        self._write_lock_record()

    @staticmethod
    def _shorten_list(connection: sqlite3.Connection, node: str, encoded: EncodedNode) -> int:
        """Take runs that are no longer audited off the list; return up to when, 0 if there are none."""
        state = codec.decode_state(encoded.state)
        until_us = audited_from_us(state.at.wall_ns, state.newest_us)
        return rows.shorten(connection, node, until_us, len(encoded.ended) + SHORTENED)

    def _continue_in_new_file(self, connection: sqlite3.Connection, to_write: Mapping[str, EncodedNode]) -> None:
        """Record in a new file that only the list of counted runs was lost."""
        for node, encoded in to_write.items():
            newest_us = codec.decode_state(encoded.state).newest_us
            self._listed_from_us[node] = max(time.time_ns() // 1000, newest_us) + CLOCK_MARGIN_US
            rows.raise_listed_from(connection, node, self._listed_from_us[node])
        rows.write_resets(connection, self.resets)

    def counted(self, node: str, runs: Collection[Run]) -> set[Run]:
        """Return those of the runs that have, or may have, been counted as finished or lost. Raises `sqlite3.Error`.

        If the file turns out to be broken, the next `save` replaces it.
        """
        with self._write_lock:
            if self._to_rewrite is not None:
                return {*runs}  # the list went with the file that was replaced, and the new file doesn't say so yet
            younger = [run for run in runs if run.created_us > self._listed_from_us.get(node, 0)]
            try:
                return {*runs} - {*younger} | rows.counted(self._files.connection, node, younger)
            except sqlite3.DatabaseError as error:
                self.failed_reads += 1
                if not is_transient(error) and not isinstance(error, sqlite3.ProgrammingError):
                    self._files.read_error = str(error)
                raise

    def nodes(self) -> list[str]:
        """Return the names of the nodes in the file."""
        return sorted(self._written)

    def forget(self, node: str) -> bool:
        """Delete everything about a node, so that it starts at zero; return False if there was nothing."""
        known = self._written.pop(node, None) is not None
        with self._files.transaction() as connection:
            rows.forget(connection, node)
        self._listed_from_us.pop(node, None)
        if self._written:
            self._write_lock_record()
        else:
            self._files.lock.write(None)
        return known

    def close(self) -> None:
        """Wait for work that has begun, and close the file."""
        self.executor.shutdown()
        with self._write_lock:
            self._files.close()
