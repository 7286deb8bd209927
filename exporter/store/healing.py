"""The files that are open: whether they are still ours, and another one in their place if they are not."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from exporter.store import file, place, rows
from exporter.store.codec import EncodedNode
from exporter.store.compare import difference
from exporter.store.errors import Broken, Busy, Foreign
from exporter.store.lock import Lock, refuse_foreign
from exporter.store.standing import Mark, Standing, find, found

BROKEN, REPLACED = "broken", "replaced"
"""In the names of files that were set aside: one that could not be read, one whose place another took."""
LOG_LIMIT = 256 * 1024 * 1024
"""Bytes of SQLite's log. A program that keeps an old state of the file in sight doesn't let it begin anew."""


class Files:
    """The state, its log and its lock, as this process has them open."""

    connection: sqlite3.Connection

    def __init__(self, path: Path) -> None:
        """Take the lock; `connect` comes next. Raises `StoreError`, `OSError`."""
        self.path = path
        refuse_foreign(path)
        self.lock = Lock(path)
        self.set_aside: Path | None = None
        """Where the file lies that was broken or replaced last; None if there is none."""
        self.broken = ""
        """What was wrong with it."""
        self.replaced = 0
        """How often another file took its place."""
        self.mark = Mark("", 0)
        """Of the file that is open."""
        self.spoilt = ""
        """What a reader found to be wrong with it."""
        self._standing: Standing | None = None  # None if another file must be begun

    def connect(self) -> None:
        """Open the state; make it if there is none. Raises `Broken`, `StoreError`, `OSError`, `sqlite3.Error`."""
        self.connection = file.connect(self.path)
        try:
            self.mark = rows.mark(self.connection)
        except BaseException:
            self.connection.close()
            raise
        self.spoilt = ""
        self.accept()

    def accept(self) -> None:
        """Take the files to be right as they are now: this process has just written or read them."""
        self._standing = find(self.path)

    def begin_anew_if_broken(self, broken: str) -> None:
        """At the start: give what can't be read another name, and make a new file."""
        self.broken, self.set_aside = broken, file.set_aside(self.path, BROKEN)
        self.connect()

    def fault(self, written: Mapping[str, EncodedNode]) -> str:
        """Why another file must be begun; empty if the present one says what was written.

        Takes the lock again if its file is gone. Raises `Locked` if another exporter came first, `sqlite3.Error`,
        `OSError`.
        """
        if not self.lock.stands():
            place.prepare(self.path)
            gone, self.lock = self.lock, Lock(self.path)
            if gone.noted is not None:
                self.lock.note(gone.noted)  # there has been a state, whatever becomes of it now
            gone.release()
        now = find(self.path)
        if self._standing is None or not self._standing.stands(now):
            return "it is gone"
        if self.spoilt or now == self._standing:
            return self.spoilt
        different = difference(self.path, self.mark, written)
        if not different:
            self._standing = now
        return different

    def put_aside(self, broken: str) -> None:
        """Give what is there another name. Raises `Foreign` if it is somebody else's, `OSError`."""
        there, ours = found(self.path), self._standing and self._standing.state
        if there and not (ours and there[:2] == ours[:2]) and not file.is_ours(self.path):
            raise Foreign(self.path)
        self.set_aside = file.set_aside(self.path, REPLACED) if there else None
        self.broken = broken
        self.replaced += 1

    def begin_anew(self) -> None:
        """Make another file in the place of the one that was open. Raises as `connect` does."""
        self._standing = None  # until there is one
        self.connection.close()
        try:
            self.connect()
        except Broken:  # the beginning of another one, that broke before it was filled
            file.set_aside(self.path, BROKEN)
            self.connect()

    def shorten_log(self) -> None:
        """Let the log begin anew if it is too long. Raises `Busy` if another program's old state is still in it."""
        log = self._standing and self._standing.log
        if log and log.size > LOG_LIMIT:
            busy, *_ = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.accept()
            if busy:
                told = f"it has read the file for long, and the log (-wal) has grown to {log.size >> 20} MiB"
                raise Busy(self.path, told)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on disk at the end. Raises `Broken` if the file is not the one that was written last."""
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
        """Let go of all of them."""
        self.connection.close()
        self.lock.release()
