"""What is in flight, by the state on disk: for who looks on, whether an exporter keeps its state there now or not."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from exporter.payments.run import OpenRun
from exporter.payments.saved import SavedState
from exporter.store import codec, file
from exporter.store.errors import StoreError
from exporter.store.lock import is_taken

_ANOTHER_FILE = (
    "Name the file that the exporter was started with: --storage.path=FILE\n"
    "If it runs in a container: docker exec CONTAINER lnd-payments-exporter open\n"
    "With --storage.memory it keeps nothing that could be listed."
)
_ANOTHER_USER = "Its owner may: sudo -u OWNER lnd-payments-exporter open --storage.path=FILE"
_ANOTHER_PROGRAM = "Ask the exporter that wrote it: it has the command `open`, too."
_ANOTHER_TIME = "Try again; if it stays like this, the exporter's log tells more."


class StoredNode(NamedTuple):
    """What is on disk of one node."""

    state: SavedState
    open: tuple[OpenRun, ...]
    """The runs in flight."""


class StoredState(NamedTuple):
    """What is on disk."""

    running: bool
    """An exporter keeps its state there now."""
    nodes: dict[str, StoredNode]
    """By name; also those that an exporter followed once, and doesn't any more."""


def read_state(path: Path) -> StoredState:
    """Look at it and leave it as it is; an exporter goes on writing meanwhile. Raises `StoreError`."""
    with _explained(path):
        path = path.resolve(strict=True)
        if not stat.S_ISREG(path.stat().st_mode) or not file.is_ours(path):
            raise StoreError(f"{path} is not the state of an exporter.", _ANOTHER_FILE)
        with closing(_connect(path)) as connection:
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            if not 1 <= schema <= file.SCHEMA:  # what is read here is the same in all of them
                problem = f"{path} was written by another version (schema {schema}, this one knows {file.SCHEMA})."
                raise StoreError(problem, _ANOTHER_PROGRAM)
            nodes = _read(connection)
        return StoredState(is_taken(path), nodes)


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that can't write. Where a log is used and there is none nobody writes: SQLite need not make one."""
    untouched = file.expects_log(path) and not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.as_uri()}?mode=ro{'&immutable=1' if untouched else ''}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def _read(connection: sqlite3.Connection) -> dict[str, StoredNode]:
    connection.execute("BEGIN")  # all of one instant
    runs: dict[str, list[OpenRun]] = {}
    for node, state in connection.execute("SELECT node, state FROM open_run"):
        runs.setdefault(node, []).append(codec.open_run(state))
    state = connection.execute("SELECT node, marks FROM node ORDER BY node")
    return {node: StoredNode(codec.state(text), tuple(runs.get(node, ()))) for node, text in state}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong into a `StoreError` that says what to do."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{path} does not exist.", _ANOTHER_FILE) from None
    except PermissionError:
        raise StoreError(f"{path} can't be read: this user may not.", _ANOTHER_USER) from None
    except (OSError, sqlite3.Error, ValueError) as error:
        said, _, _ = str(error).partition(" with text ")  # what stands there is nobody's business
        raise StoreError(f"{path} can't be read ({said}).", _ANOTHER_TIME) from None
