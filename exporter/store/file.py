"""The file itself: whose it is, what tables it has, and what becomes of one that is broken."""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from exporter.store import place
from exporter.store.errors import Broken, Foreign, TooNew, lacks_shared_memory

APPLICATION_ID = 0x4C4E5045
"""Marks a SQLite file as ours (`PRAGMA application_id`): "LNPE"."""
SCHEMA = 2
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
    2: """
        CREATE TABLE mark (file TEXT NOT NULL, writes INTEGER NOT NULL);
        INSERT INTO mark VALUES (lower(hex(randomblob(8))), 0);
    """,
}
"""From the version below to this one."""

START_S = 5.0
"""While it is opened, another program that holds a lock on the file is waited for this long."""
WRITE_S = 0.5
"""Afterwards for this long: whoever wants a page waits, too."""
LOG_KEPT = 16 * 1024 * 1024
"""Bytes to which the log is cut when it has become longer and begins anew."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the state, brought to the present schema.

    Raises `Broken`, `TooNew`, `Foreign`, `OSError`, `sqlite3.Error`. A commit is on disk when it returns
    (`synchronous=FULL`); others may read meanwhile (`journal_mode=WAL`), where the disk allows that.
    """
    place.make_private(path)
    if place.is_remote(path):
        return _open(path, shared_memory=False)
    try:
        return _open(path, shared_memory=True)
    except sqlite3.OperationalError as error:
        if not lacks_shared_memory(error):
            raise
        return _open(path, shared_memory=False)


def _open(path: Path, *, shared_memory: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=START_S)
    try:
        if not shared_memory:  # who has the file alone can read a log, if there is one, without it
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        _recognise(connection, path)
        _check(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_mode = {'WAL' if shared_memory else 'TRUNCATE'}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
        _migrate(connection, path)
        connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("SELECT count(*) FROM sqlite_schema")  # lets go of what was locked
        connection.execute(f"PRAGMA busy_timeout = {WRITE_S * 1000:.0f}")
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


def reread(path: Path) -> sqlite3.Connection:
    """Another connection to a state that is open already, which remembers nothing of it and can't write.

    Raises `Broken`, `OSError`, `sqlite3.Error`.
    """
    uri = f"{path.as_uri()}?mode=ro"  # and nothing but SQLite may open it: to close it would end SQLite's own locks
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=WRITE_S)
    try:
        _check(connection)
        _check_first_page(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_first_page(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise Broken("its first page is gone")


def warnings(connection: sqlite3.Connection, path: Path) -> list[str]:
    """What a person should know of the place of a state that is open."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return list(place.warnings(path))
    slower = (
        f"{path} is kept without SQLite's write-ahead log, for which the file system lacks shared memory: each write "
        "waits longer for the disk, and for whoever reads the file. A local disk is better."
    )
    return [*place.warnings(path), slower]


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
    header = _header(path)
    return not header or header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def schema_of(path: Path) -> int:
    """The schema that the file itself names; a change of it that is only in the log is not seen."""
    return int.from_bytes(_header(path)[60:64], "big")


def expects_log(path: Path) -> bool:
    """True if the last who wrote the file used a log beside it (`journal_mode=WAL`)."""
    return _header(path)[18:19] == b"\x02"


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


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


def check_version(version: int, path: Path) -> int:
    """The schema of a file, if it is one that this exporter knows. Raises `TooNew`."""
    if version > SCHEMA:
        raise TooNew(
            f"{path} was written by a newer exporter (schema {version}, this one knows {SCHEMA}).",
            "Start that one, or give this one a file of its own: --storage.path=OTHER",
        )
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = check_version(connection.execute("PRAGMA user_version").fetchone()[0], path)
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
    for ending in place.BESIDE:
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(aside.with_name(aside.name + ending))
    _sync(path.parent)
    return aside


def how_many_aside(path: Path, why: str) -> int:
    """States that were set aside for this reason and are still there."""
    names = (aside.name for aside in path.parent.glob(f"{path.name}.{why}-*"))
    return sum(not name.endswith(place.BESIDE[1:]) for name in names)


def _sync(directory: Path) -> None:
    """Let the names in a directory survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
