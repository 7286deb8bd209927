"""The open state file with its log and its lock: detects when another program has replaced them, and makes new ones."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from exporter.store import file, place, rows
from exporter.store.codec import EncodedNode
from exporter.store.compare import difference
from exporter.store.errors import Broken, Busy, Foreign
from exporter.store.file_identity import FileIdentity, Mark, identify, stat_of
from exporter.store.lock import Lock, refuse_foreign

BROKEN, REPLACED = "broken", "replaced"
"""Part of the name of a file that was set aside: it could not be read, or another one took its place."""
LOG_LIMIT_BYTES = 256 * 1024 * 1024
"""Largest log (-wal). SQLite can't restart it while another program keeps a read transaction open."""


class OpenFiles:
    """The state, its log and its lock, as this process has them open."""

    connection: sqlite3.Connection

    def __init__(self, path: Path) -> None:
        """Take the lock; call `connect` next. Raises `StoreError`, `OSError`."""
        self.path = path
        refuse_foreign(path)
        self.lock = Lock(path)
        self.set_aside: Path | None = None
        """New name of the file that was set aside last; None if there is none."""
        self.replace_reason = ""
        """Why the last file was replaced; empty if none was."""
        self.replacements = 0
        """How many times the file has been replaced since the start."""
        self.mark = Mark("", 0)
        """Mark of the open file."""
        self.read_error = ""
        """Error of a reader that found the file to be broken; empty if there was none."""
        self._identity: FileIdentity | None = None  # None while the file has to be replaced

    def connect(self) -> None:
        """Open the state; create it if there is none. Raises `Broken`, `StoreError`, `OSError`, `sqlite3.Error`."""
        self.connection = file.connect(self.path)
        try:
            self.mark = rows.mark(self.connection)
        except BaseException:
            self.connection.close()
            raise
        self.read_error = ""
        self.accept()

    def accept(self) -> None:
        """Take the files as they are now as correct: this process has just written or read them."""
        self._identity = identify(self.path)

    def replace_unreadable(self, reason: str) -> None:
        """Set an unreadable file aside at the start, and create a new one."""
        self.replace_reason, self.set_aside = reason, file.set_aside(self.path, BROKEN)
        self.connect()

    def reason_to_replace(self, written: Mapping[str, EncodedNode]) -> str:
        """Return why the file must be replaced, or an empty string if it contains what was written.

        Takes the lock again if the lock file was removed. Raises `Locked` if another exporter was faster,
        `sqlite3.Error`, `OSError`.
        """
        if not self.lock.in_place():
            place.prepare(self.path)
            removed, self.lock = self.lock, Lock(self.path)
            if removed.record is not None:
                self.lock.write(removed.record)  # there has been a state, whatever happens to it now
            removed.release()
        now = identify(self.path)
        if self._identity is None or not self._identity.in_place(now):
            return "it is gone"
        if self.read_error or now == self._identity:
            return self.read_error
        different = difference(self.path, self.mark, written)
        if not different:
            self._identity = now
        return different

    def move_aside(self, reason: str) -> None:
        """Rename the file in our place, if there is one. Raises `Foreign` if it is not an exporter's, `OSError`."""
        there = stat_of(self.path)
        still_ours = there is not None and there.is_same_file(self._identity and self._identity.state)
        if there and not still_ours and not file.is_ours(self.path):
            raise Foreign(self.path)
        self.set_aside = file.set_aside(self.path, REPLACED) if there else None
        self.replace_reason = reason
        self.replacements += 1

    def recreate(self) -> None:
        """Create a new file in the place of the one that was open. Raises the same as `connect`."""
        self._identity = None  # until the new file is open
        self.connection.close()
        try:
            self.connect()
        except Broken:  # an earlier replacement, which broke before it was filled
            file.set_aside(self.path, BROKEN)
            self.connect()

    def shorten_log(self) -> None:
        """Truncate the log if it is too long. Raises `Busy` if another program's read transaction prevents that."""
        log = self._identity and self._identity.log
        if log and log.size > LOG_LIMIT_BYTES:
            busy, *_ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.accept()
            if busy:
                reason = f"it has read the file for long, and the log (-wal) has grown to {log.size >> 20} MiB"
                raise Busy(self.path, reason)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, which is on disk at the end. Raises `Broken` if the file has another mark."""
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._check_mark()
            yield connection
            rows.write_mark(connection, self.mark.writes + 1)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.mark = self.mark._replace(writes=self.mark.writes + 1)
        self.accept()

    def _check_mark(self) -> None:
        if rows.mark(self.connection) != self.mark:
            raise Broken("another program put another state in its place")

    def close(self) -> None:
        """Close the state and release the lock."""
        self.connection.close()
        self.lock.release()
