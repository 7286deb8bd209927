"""The file itself: who may open it, what shape it has, and what becomes of one that is broken."""

import fcntl
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

APPLICATION_ID = 0x4C4E5045
"""Marks a SQLite file as ours (`PRAGMA application_id`): "LNPE"."""
SCHEMA = 1
"""Version of the tables below (`PRAGMA user_version`); each change gets a higher one and a step in `_STEPS`."""

_STEPS: dict[int, str] = {
    1: """
        CREATE TABLE node (node TEXT PRIMARY KEY, marks TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE counter (node TEXT, counter TEXT, labels TEXT, total TEXT NOT NULL,
            PRIMARY KEY (node, counter, labels)) WITHOUT ROWID;
        CREATE TABLE histogram (node TEXT, histogram TEXT, labels TEXT, buckets TEXT NOT NULL, total TEXT NOT NULL,
            PRIMARY KEY (node, histogram, labels)) WITHOUT ROWID;
        CREATE TABLE open_run (node TEXT, payment_hash TEXT, created_us INTEGER, state TEXT NOT NULL,
            PRIMARY KEY (node, payment_hash, created_us)) WITHOUT ROWID;
        CREATE TABLE finished_run (node TEXT, payment_hash TEXT, created_us INTEGER, payment_index INTEGER NOT NULL,
            PRIMARY KEY (node, payment_hash, created_us)) WITHOUT ROWID;
        CREATE TABLE counted_run (node TEXT, created_us INTEGER, hash BLOB,
            PRIMARY KEY (node, created_us, hash)) WITHOUT ROWID;
        CREATE TABLE listed (from_us INTEGER NOT NULL);
        CREATE TABLE reset (cause TEXT PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID;
    """,
}
"""From the version below to this one, in one transaction."""

_BESIDE = ("", "-wal", "-shm")
"""SQLite's own files, by what is appended to the name."""


class StoreError(Exception):
    """The state can't be kept there: what is wrong, and `fix`, what would be right."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


class Locked(StoreError):
    """Another exporter has it open."""


class TooNew(StoreError):
    """A newer exporter has written it."""


class Foreign(StoreError):
    """Something else is kept there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not the state of an exporter.", "Name a file of its own: --storage.path=OTHER")


class Broken(Exception):
    """What is there is no state that we could read; the message says why."""


class Lock:
    """Keeps a second exporter out; the kernel lets go of it however the process ends. Its file says: we were here."""

    def __init__(self, state: Path) -> None:
        """Raises `Locked`, naming the process that has it, `Foreign` if the file has never been ours, and `OSError`."""
        path = state.with_name(state.name + ".lock")
        if not path.exists() and state.is_file() and not _is_sqlite(state):
            raise Foreign(state)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise Locked(
                f"another exporter (process {holder}) keeps its state there.",
                "Stop it, or give this one a file of its own: --storage.path=OTHER",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others in. The file stays: to remove it would let in two."""
        os.close(self._file)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the state, brought to the present schema. Raises `Broken`, `TooNew`, `OSError`, `sqlite3.Error`.

    A commit is on disk when it returns (`synchronous=FULL`); others may read meanwhile (`journal_mode=WAL`).
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite's files beside it get its mode
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _check(connection)
        _recognise(connection, path)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise Broken(str(error)) from None
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Broken(str(verdict))


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `Foreign` for a database of somebody else; a new one becomes ours."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == 0 and tables == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    elif application != APPLICATION_ID:
        raise Foreign(path)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise TooNew(
            f"{path} was written by a newer exporter (schema {version}, this one knows {SCHEMA}).",
            "Start that one, or give this one a file of its own: --storage.path=OTHER",
        )
    for step in range(version + 1, SCHEMA + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {_STEPS[step]} PRAGMA user_version = {step}; COMMIT;")


def set_aside(path: Path) -> Path:
    """Give a broken state another name; which. What SQLite keeps beside it goes along."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.broken-{stamp}")
    for number in range(2, 1000):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.broken-{stamp}-{number}")
    for ending in _BESIDE:
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(aside.with_name(aside.name + ending))
    _sync(path.parent)
    return aside


def _sync(directory: Path) -> None:
    """Let the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
