"""Handover of a node between state files: an export is a small SQLite database with the rows of one node."""

import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from exporter.payments.totals import HistogramName
from exporter.store import codec, ended, file, rows
from exporter.store.codec import EncodedNode
from exporter.store.errors import FIX, Broken, Foreign, StoreError, as_store_error
from exporter.store.lock import is_locked
from exporter.store.reader import explain_unreadable, read_consistently

EXPORT_ID = 0x4C4E5058
"""`PRAGMA application_id` of an export: "LNPX". An exporter refuses to use it as its state, and it isn't one."""
LISTED_BY_NODE = 3
"""The schema since which the table `listed` is by node; before it was for the whole file."""
NEWER_TABLES = ("ended", "failed_hash")
"""The tables that came with schema 4."""
SHOWN = 50
"""How many nodes of a state file an error lists."""
_EXPORT = "CREATE TABLE export (node TEXT NOT NULL, digest TEXT NOT NULL)"
_FIX_EXPORT = "`state export NODE FILE` makes such a file; copy it as a whole, as a binary file."
_FIX_PATH = "Name the state file of the exporter: --storage.path=FILE"
_FIX_USER = "Export as its owner: sudo -u OWNER lnd-payments-exporter state export NODE --storage.path=FILE"
_FIX_NEWER_STATE = "Export by that version of the exporter."
_FIX_NEWER_EXPORT = "Import it by that version of the exporter, or a later one."
_PAGE_COUNT, _PAGE_SIZE = slice(28, 32), slice(16, 18)
"""Fields of SQLite's header (https://sqlite.org/fileformat.html)."""
_SQLITE = b"SQLite format 3\0"

Content = dict[str, list[tuple[Any, ...]]]
"""The rows of a node by table, in a fixed order."""


class Export(NamedTuple):
    """The state of one node, taken out of a state file."""

    node: str
    content: Content
    at_ns: int
    """When the exporter wrote it, nanoseconds since 1970."""
    in_flight: int
    restarted: frozenset[HistogramName]
    """Histograms that will begin at zero, because their bucket edges are not those of this version."""

    @property
    def listed_from_us(self) -> int:
        """Runs of the node created until then may have been counted without a row in `counted_run`; 0: none."""
        return max((int(from_us) for _, from_us in self.content["listed"]), default=0)


class Exported(NamedTuple):
    """An export, and whether the exporter that wrote the state goes on counting the node."""

    export: Export
    followed: bool


class NoNode(StoreError):
    """The state file has no such node."""


def export_node(path: Path, node: str) -> Exported:
    """Read one node in one transaction, and leave the file as it is; an exporter can write meanwhile.

    Raises `StoreError`, `NoNode` with the names of the nodes that the file has.
    """
    with _read_errors(path):
        path = path.resolve(strict=True)
        if not stat.S_ISREG(path.stat().st_mode) or not file.is_ours(path):
            raise Foreign(path)
        return read_consistently(path, lambda connection: _export(connection, path, node))


def _export(connection: sqlite3.Connection, path: Path, node: str) -> Exported:
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if file.check_version(schema, path, _FIX_NEWER_STATE) < 1:  # `_rows_of` knows the tables of all versions
        raise NoNode(f"{path} has no nodes yet.", _FIX_PATH)
    names = [name for (name,) in connection.execute("SELECT node FROM node ORDER BY node")]
    if node not in names:
        raise NoNode(f"{path} has no node {node}.", _list(names))
    export = _export_of(connection, node)
    state = codec.decode_state(export.content["node"][0][1])
    return Exported(export, is_locked(path) and not state.heard.left)


def export_of(node: str, encoded: EncodedNode) -> Export:
    """Return the export of a node that no state file has yet."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        file.create_tables(connection)
        rows.write(connection, node, rows.EMPTY, encoded)
        return _export_of(connection, node)


def to_bytes(export: Export) -> bytes:
    """Return the content of the file of an export."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        file.create_tables(connection)
        connection.execute(f"PRAGMA application_id = {EXPORT_ID}")
        connection.execute("DELETE FROM mark")  # random: the same state gives the same bytes
        connection.execute(_EXPORT)
        connection.execute("INSERT INTO export VALUES (?, ?)", (export.node, _digest(export)))
        _insert(connection, export.content)
        return connection.serialize()


def from_bytes(content: bytes, path: Path) -> Export:
    """Return the export that is in a file, migrated to this version; `path` is for messages. Raises `StoreError`."""
    _check_header(content, path)
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(content)
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise Broken(str(verdict))
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if file.check_version(version, path, _FIX_NEWER_EXPORT) < file.SCHEMA:
                file.create_tables(connection, version)
            return _checked(connection)
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        reason, _, _ = str(error).partition(" with text ")  # Python quotes the text, which may be confidential
        raise StoreError(f"{path} is damaged ({reason}).", "Export the node again, and copy the whole file.") from None


def add(connection: sqlite3.Connection, export: Export) -> bool:
    """Add a node to a state in the present transaction; return False if it is there with just this content.

    Raises `StoreError` if the state counts this node already.
    """
    there, ((name, state),) = _rows_of(connection, export.node), export.content["node"]
    content = export.content | {"node": [(name, codec.mark_handed_over(state))]}
    if there in (content, export.content):
        return False
    if any(there.values()):
        problem = f"The state file counts {export.node} already."
        fix = f"If that is to be replaced: delete it first, by --storage.reset={export.node}"
        raise StoreError(problem, fix)
    _insert(connection, content)
    return True


def _export_of(connection: sqlite3.Connection, node: str) -> Export:
    """Read and decode a node that the database has."""
    content = _rows_of(connection, node)
    saved, restarted = rows.read(connection, node, content["node"][0][1])
    return Export(node, content, saved.state.at.wall_ns, len(saved.open), frozenset(restarted))


def _checked(connection: sqlite3.Connection) -> Export:
    """Return the export in a database; raises `Broken` and others if it isn't as it was written."""
    exports = connection.execute("SELECT node, digest FROM export").fetchall()
    names = [name for (name,) in connection.execute("SELECT node FROM node")]
    if len(exports) != 1 or names != [exports[0][0]]:
        raise Broken(f"it has {len(names)} nodes instead of the one that was exported")
    node, digest = exports[0]
    export = _export_of(connection, node)
    if _digest(export) != digest or any(_count(connection, name) != len(export.content[name]) for name in rows.TABLES):
        raise Broken("its content is not what was exported")
    return export


def _check_header(content: bytes, path: Path) -> None:
    """Raise `StoreError` unless this is an export, as a whole."""
    if not content:
        raise StoreError(f"{path} is empty.", "Did the export fail? " + _FIX_EXPORT)
    kind = int.from_bytes(content[68:72], "big") if content.startswith(_SQLITE) else 0
    if kind == file.APPLICATION_ID:
        fix = "Export each node from it: state export NODE FILE --storage.path=" + str(path)
        raise StoreError(f"{path} is the state file of an exporter, not an export.", fix)
    if kind != EXPORT_ID:
        raise StoreError(f"{path} is not an export.", _FIX_EXPORT)
    size = int.from_bytes(content[_PAGE_COUNT], "big") * int.from_bytes(content[_PAGE_SIZE], "big")
    if len(content) != size:
        fix = "Copy the whole file again, as a binary file."
        raise StoreError(f"{path} is damaged: it has {len(content)} bytes instead of {size}.", fix)


def _list(names: list[str]) -> str:
    if not names:
        return "It has no nodes yet."
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Its nodes: {', '.join(names[:SHOWN])}{more}"


def _rows_of(connection: sqlite3.Connection, node: str) -> Content:
    queries = {table: f"SELECT * FROM {table} WHERE node = ?" for table in rows.TABLES}  # noqa: S608 - constants
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if schema < LISTED_BY_NODE:
        queries["listed"] = "SELECT ?, max(from_us) FROM listed WHERE from_us > 0 GROUP BY 1"
    if schema < ended.SINCE_SCHEMA:
        for table in NEWER_TABLES:
            del queries[table]
    found = {table: sorted(connection.execute(query, (node,))) for table, query in queries.items()}
    return {table: found.get(table, []) for table in rows.TABLES}


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a constant
    return int(count)


def _insert(connection: sqlite3.Connection, content: Mapping[str, list[tuple[Any, ...]]]) -> None:
    for table, found in content.items():
        if found:
            places = ", ".join("?" * len(found[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", found)  # noqa: S608 - a constant


def _digest(export: Export) -> str:
    """Return a hash of all rows, which tells whether an export is as it was written.

    The row of `listed` is hashed as in exports of before schema 3, newer tables that are empty as in those of before 4.
    """
    digest = sha256(f"{export.node} {export.listed_from_us}".encode())
    left_out = {"listed", *(table for table in NEWER_TABLES if not export.content[table])}
    for table in [table for table in export.content if table not in left_out]:
        digest.update(f"\n{table}\n".encode())
        for row in export.content[table]:
            digest.update(ascii(row).encode())
    return digest.hexdigest()


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    """Convert any error of reading a state to a `StoreError` with advice."""
    try:
        with as_store_error(path, "read"), explain_unreadable(path, _FIX_PATH, _FIX_USER):
            yield
    except (ValueError, KeyError, TypeError) as error:
        reason, _, _ = str(error).partition(" with text ")
        raise StoreError(f"{path} can't be read ({reason}).", FIX) from None
