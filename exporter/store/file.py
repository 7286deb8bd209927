"""The SQLite file: opening it, checking it, its schema, and renaming one that is broken."""

import glob
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from exporter.store import place
from exporter.store.errors import Broken, Foreign, TooNew, lacks_shared_memory

APPLICATION_ID = 0x4C4E5045
"""Identifies a SQLite file as the state of an exporter (`PRAGMA application_id`): "LNPE"."""
SCHEMA = 5
"""Version of the content (`PRAGMA user_version`), so that an older exporter refuses what it doesn't understand.

Each change of the tables, and each new counter, histogram or word in them, increments it and adds a step to
`_MIGRATIONS`, which may be empty.
"""

_MIGRATIONS: dict[int, str] = {
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
    3: """
        ALTER TABLE listed RENAME TO listed_of_all;
        CREATE TABLE listed (node TEXT PRIMARY KEY, from_us INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO listed SELECT node, max(from_us) FROM node, listed_of_all GROUP BY node HAVING max(from_us) > 0;
        DROP TABLE listed_of_all;
    """,
    4: """
        CREATE TABLE ended (node TEXT, number INTEGER, counted_us INTEGER NOT NULL, payment_hash BLOB NOT NULL,
            created_us INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, cause TEXT NOT NULL,
            kind TEXT NOT NULL, value_msat INTEGER NOT NULL, fee_msat INTEGER NOT NULL, parts INTEGER NOT NULL,
            attempts INTEGER, duration_ns INTEGER, recovered INTEGER NOT NULL, first_hops BLOB NOT NULL,
            destination BLOB NOT NULL, failure_code TEXT NOT NULL, failure_source TEXT NOT NULL,
            failed_by BLOB NOT NULL, PRIMARY KEY (node, number)) WITHOUT ROWID;
        CREATE TABLE failed_hash (node TEXT, payment_hash BLOB, ended_us INTEGER NOT NULL, runs TEXT NOT NULL,
            PRIMARY KEY (node, payment_hash)) WITHOUT ROWID;
    """,
    5: "",  # totals by destination, for which an exporter of schema 4 would take the file for a broken one
}
"""SQL that migrates the tables from the version before to this one."""

OPEN_TIMEOUT_S = 5.0
"""Longest wait for another program's lock while the file is opened."""
BUSY_TIMEOUT_S = 0.5
"""Longest wait for another program's lock afterwards; short, because scrapes wait meanwhile."""
LOG_KEPT_BYTES = 16 * 1024 * 1024
"""Size to which SQLite truncates a longer log (-wal) when it starts again from the beginning of the log."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the state, create it if there is none, and migrate it to the present schema.

    Raises `Broken`, `TooNew`, `Foreign`, `OSError`, `sqlite3.Error`. A commit is on disk when it returns
    (`synchronous=FULL`); other programs can read during a write (`journal_mode=WAL`), where the disk has shared memory.
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
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=OPEN_TIMEOUT_S)
    try:
        if not shared_memory:  # a log left behind can be read without it only with exclusive access
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        _claim(connection, path)
        _check_integrity(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_mode = {'WAL' if shared_memory else 'TRUNCATE'}")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT_BYTES}")
        _migrate(connection, path)
        connection.execute("PRAGMA locking_mode = NORMAL")
        connection.execute("SELECT count(*) FROM sqlite_schema")  # a read: releases the exclusive lock
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
    except sqlite3.DatabaseError as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError):
            raise  # the fault of the disk or of a migration, not of the file
        raise Broken(str(error)) from None
    except BaseException:
        connection.close()
        raise
    place.sync_directory(path.parent)
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a second, read-only connection to a state that is open already; it has no cached pages.

    Raises `Broken`, `OSError`, `sqlite3.Error`.
    """
    # Use SQLite, not open(2): closing another descriptor of the file would drop SQLite's POSIX locks on it.
    uri = f"{path.as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)
    try:
        _check_integrity(connection)
        _check_application_id(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_application_id(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise Broken("its first page was overwritten")


def warnings(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Return warnings for the operator about the place of an open state."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode == "wal":
        return list(place.warnings(path))
    slower = (
        f"{path} is kept without SQLite's write-ahead log, for which the file system lacks shared memory: each write "
        "takes longer, and waits for programs that read the file. A local disk is better."
    )
    return [*place.warnings(path), slower]


def _check_integrity(connection: sqlite3.Connection) -> None:
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except UnicodeDecodeError as error:  # SQLite quotes bytes of the file in its message
        raise Broken(str(error)) from None
    if verdict != "ok":
        raise Broken(str(verdict))


def is_sqlite(path: Path) -> bool:
    """Return True if the file is empty or any SQLite database."""
    with path.open("rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")


def is_ours(path: Path) -> bool:
    """Return True if the file is empty or has our `application_id`, however broken the rest is."""
    header = _header(path)
    return not header or header[68:72] == APPLICATION_ID.to_bytes(4, "big")


def schema_of(path: Path) -> int:
    """Return the schema version in the file's header; a change that is only in the log is not seen."""
    return int.from_bytes(_header(path)[60:64], "big")


def uses_log(path: Path) -> bool:
    """Return True if the file was last written with a write-ahead log beside it (`journal_mode=WAL`)."""
    return _header(path)[18:19] == b"\x02"


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Mark a new file as ours. Raises `Foreign` for another program's database, also for a damaged one."""
    tables = 0
    if not is_ours(path) and is_sqlite(path):  # a new file has no application_id yet, but no tables either
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


_FIX_VERSION = "Start that one, or give this one a file of its own: --storage.path=OTHER"


def check_version(version: int, path: Path, fix: str = _FIX_VERSION) -> int:
    """Return the schema version. Raises `TooNew`, with the advice `fix`, if this exporter doesn't know it."""
    if version > SCHEMA:
        raise TooNew(f"{path} was written by a newer exporter (schema {version}, this one knows {SCHEMA}).", fix)
    return version


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = check_version(connection.execute("PRAGMA user_version").fetchone()[0], path)
    if version < SCHEMA:
        create_tables(connection, version)


def create_tables(connection: sqlite3.Connection, version: int = 0) -> None:
    """Create the tables of the present schema in a database without any, or migrate those of an older version."""
    steps = "".join(_MIGRATIONS[step] for step in range(version + 1, SCHEMA + 1))
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {SCHEMA}; COMMIT;")


def set_aside(path: Path, why: str) -> Path:
    """Rename a state and SQLite's files beside it; return the new name, which contains `why` and the time."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.{why}-{stamp}")
    for number in range(2, 1000):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.{why}-{stamp}-{number}")
    for suffix in place.SQLITE_SUFFIXES:
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(aside.with_name(aside.name + suffix))
    place.sync_directory(path.parent)
    return aside


def count_set_aside(path: Path, why: str) -> int:
    """Return how many states that were set aside for this reason still exist."""
    names = (aside.name for aside in path.parent.glob(f"{glob.escape(path.name)}.{why}-*"))
    return sum(not name.endswith(place.SQLITE_SUFFIXES[1:]) for name in names)
