"""The file itself: who may open it, what shape it has, and what becomes of one that is broken."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
        CREATE TABLE histogram (node TEXT, histogram TEXT, labels TEXT, edges TEXT NOT NULL, buckets TEXT NOT NULL,
            total TEXT NOT NULL, PRIMARY KEY (node, histogram, labels)) WITHOUT ROWID;
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
"""From the version below to this one."""

PRIVATE = 0o600
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


class Broken(sqlite3.DatabaseError):
    """What is there is no state that we could read; the message says why."""


def passing(error: sqlite3.Error) -> bool:
    """True if it may be well again without anybody's doing: no room, no right, no answer."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # none if Python itself found a text that is none
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


FIX = (
    "Let this user write there (chown, chmod), name another file: --storage.path=FILE, "
    "or keep nothing: --storage.memory"
)


@contextmanager
def explained(path: Path, done: str) -> Iterator[None]:
    """Turn what the system or SQLite says into a `StoreError`: that the file can't be `done` ("written"), and why."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        told = error if isinstance(error, OSError) else OSError()
        name, reason = told.filename or path, told.strerror or error
        raise StoreError(f"{name} can't be {done} ({reason}).", FIX) from None


def prepare(path: Path) -> None:
    """Make the directory. Raises `StoreError` for what is no file, and `OSError`."""
    _refuse_what_is_no_file(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _refuse_what_is_no_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is {'a directory' if path.is_dir() else 'no regular file'}.", FIX)


def look(path: Path) -> None:
    """Say what would be wrong with keeping the state there, without touching anything; that it is in use is right.

    Raises `StoreError`.
    """
    _refuse_what_is_no_file(path)
    if not path.exists():
        there = next(parent for parent in path.parents if parent.exists())
        if not there.is_dir():
            raise StoreError(f"{there} is no directory.", FIX)
        if not os.access(there, os.W_OK | os.X_OK):
            raise StoreError(f"{there} can't be written (Permission denied).", FIX)
        return
    if not os.access(path, os.R_OK | os.W_OK):
        raise StoreError(f"{path} can't be written (Permission denied).", FIX)
    with explained(path, "read"):
        _look_into(path)


def _look_into(path: Path) -> None:
    if not is_ours(path):
        raise Foreign(path)
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        _check_version(connection, path)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the state, brought to the present schema.

    Raises `Broken`, `TooNew`, `Foreign`, `OSError`, `sqlite3.Error`. A commit is on disk when it returns
    (`synchronous=FULL`); others may read meanwhile (`journal_mode=WAL`).
    """
    _be_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _recognise(connection, path)
        _check(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise  # the disk, or a step of ours
        raise Broken(str(error)) from None
    except BaseException:
        connection.close()
        raise
    _sync(path.parent)
    return connection


def _be_private(path: Path) -> None:
    """Make the file if there is none; only the owner may read it, and what SQLite keeps beside it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # new files beside it get its mode
    for ending in _BESIDE:
        beside = path.with_name(path.name + ending)
        if beside.exists() and stat.S_IMODE(beside.stat().st_mode) != PRIVATE:
            beside.chmod(PRIVATE)


def _check(connection: sqlite3.Connection) -> None:
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except UnicodeDecodeError as error:  # it quotes what it finds
        raise Broken(str(error)) from None
    if verdict != "ok":
        raise Broken(str(verdict))


def is_sqlite(path: Path) -> bool:
    """True if the file is empty or a database of whomever."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def is_ours(path: Path) -> bool:
    """True if the file is empty or bears our mark, however broken the rest may be."""
    with path.open("rb") as file:
        header = file.read(100)
    return not header or header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def _recognise(connection: sqlite3.Connection, path: Path) -> None:
    """Raises `Foreign` for a database of somebody else, also a damaged one; a new one becomes ours."""
    tables = 0
    if not is_ours(path) and is_sqlite(path):  # one that was made a moment ago has no mark yet, and no tables
        try:
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.DatabaseError:
            raise Foreign(path) from None
    if tables:
        raise Foreign(path)
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    elif application != APPLICATION_ID:
        raise Foreign(path)


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise TooNew(
            f"{path} was written by a newer exporter (schema {version}, this one knows {SCHEMA}).",
            "Start that one, or give this one a file of its own: --storage.path=OTHER",
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = _check_version(connection, path)
    if version < SCHEMA:
        steps = "".join(_STEPS[step] for step in range(version + 1, SCHEMA + 1))
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {SCHEMA}; COMMIT;")


def set_aside(path: Path, why: str) -> Path:
    """Give a state another name, in which `why` is a word; which. What SQLite keeps beside it goes along."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.{why}-{stamp}")
    for number in range(2, 1000):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.{why}-{stamp}-{number}")
    for ending in _BESIDE:
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(aside.with_name(aside.name + ending))
    _sync(path.parent)
    return aside


def how_many_aside(path: Path, why: str) -> int:
    """States that were set aside for this reason and are still there."""
    names = (aside.name for aside in path.parent.glob(f"{path.name}.{why}-*"))
    return sum(not name.endswith(_BESIDE[1:]) for name in names)


def _sync(directory: Path) -> None:
    """Let the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
