"""Reading the state without changing it, for `open`, `ended` and `backfill`; an exporter may have it open meanwhile."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from exporter.payments.ended import EndedPayment
from exporter.payments.payment import Run
from exporter.payments.run import OpenRun
from exporter.payments.saved import SavedState
from exporter.store import codec, ended, file
from exporter.store.errors import StoreError
from exporter.store.lock import is_locked

T = TypeVar("T")

TRIES = 3
"""How often a file that nobody had open is read, if an exporter starts with it meanwhile."""
_FIX_PATH = (
    "Name the file that the exporter was started with: --storage.path=FILE\n"
    "If it runs in a container: docker exec CONTAINER lnd-payments-exporter {command}\n"
    "With --storage.memory it keeps nothing that could be listed."
)
_FIX_USER = "Read it as its owner: sudo -u OWNER lnd-payments-exporter {command} --storage.path=FILE"
_FIX_VERSION = "Use the exporter that wrote it: it has the command `{command}`, too."
_OPEN_RUNS = "SELECT state FROM open_run WHERE node = ?"
_FINISHED_RUNS = "SELECT payment_hash, created_us, payment_index FROM finished_run WHERE node = ?"
_OLD_OR_FAR = "SELECT created_us, hash FROM counted_run WHERE node = ? AND (created_us <= ? OR created_us > ?)"
_FIX_RETRY = "Try again; if the error stays, look into the log of the exporter."


class StoredNode(NamedTuple):
    """One node in the state file."""

    state: SavedState
    open: tuple[OpenRun, ...]
    """The runs in flight."""


class StoredState(NamedTuple):
    """The content of the state file that `open` needs."""

    running: bool
    """True if an exporter has the state open now."""
    nodes: dict[str, StoredNode]
    """Nodes by name, including those that an exporter followed once and doesn't any more."""


class EndedOfNode(NamedTuple, Generic[T]):
    """The list of ended payments of one node in the state file."""

    state: SavedState
    counted: int
    """Number of runs that were counted as finished or lost so far: the number of the newest entry, if there is any."""
    oldest: EndedPayment | None
    """The oldest entry; None if the list is empty."""
    collected: T


class Empty(StoreError):
    """There is a file, but nothing in it yet."""


class StoredCounting(NamedTuple):
    """What decides which runs of a node are in its counters, or will be."""

    running: bool
    """True if an exporter has the state open now and follows the node."""
    state: SavedState
    open: dict[Run, int]
    """The runs in flight or not counted yet, each with the index under which lnd last showed it."""
    finished: dict[Run, int]
    """The runs that are remembered, in the same way: they were counted, or over when counting began."""
    counted: frozenset[tuple[int, bytes]]
    """Of the list of counted runs those that were created before counting began, and those from the far future.

    The creation of each, microseconds since 1970, and the beginning of its hash. They are few.
    """

    def is_listed(self, run: Run) -> bool:
        """Return True if the run is in `counted`."""
        return bool(self.counted) and (run.created_us, codec.hash_prefix(run.payment_hash)) in self.counted


def read_state(path: Path) -> StoredState:
    """Read the state and leave it unchanged; an exporter can write meanwhile. Raises `StoreError`."""
    running, nodes = _read(path, "open", _read_nodes)
    return StoredState(running, nodes)


def read_ended(
    path: Path, since_us: int, collect: Callable[[str, SavedState, Iterator[EndedPayment]], T]
) -> tuple[bool, dict[str, EndedOfNode[T]]]:
    """Read the lists of ended payments like `read_state`; return whether an exporter has the state open, and the nodes.

    `collect` gets the name of a node, its state, and its entries counted since `since_us`, microseconds since 1970, the
    newest first. Raises `StoreError`.
    """

    def read(connection: sqlite3.Connection) -> dict[str, EndedOfNode[T]]:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        return {
            node: _read_ended(connection, node, codec.decode_state(text), since_us, collect, schema=schema)
            for node, text in connection.execute("SELECT node, marks FROM node ORDER BY node").fetchall()
        }

    return _read(path, "ended", read)


def read_counting(path: Path, node: str, far_us: int) -> StoredCounting | None:
    """Read how a node is counted, like `read_state`; None if there is no such file, or no such node in it.

    A file without any content counts as none. `far_us` is where the far future begins, microseconds since 1970. Raises
    `StoreError`.
    """

    def read(connection: sqlite3.Connection) -> StoredCounting | None:
        texts = [text for (text,) in connection.execute("SELECT marks FROM node WHERE node = ?", (node,))]
        return _read_counting(connection, node, codec.decode_state(texts[0]), far_us) if texts else None

    with _as_store_error(path, "backfill"):
        if not path.exists():
            return None
    try:
        running, found = _read(path, "backfill", read)
    except Empty:
        return None
    return found and found._replace(running=running and not found.state.heard.left)


def _read(path: Path, command: str, read: Callable[[sqlite3.Connection], T]) -> tuple[bool, T]:
    """Return whether an exporter has the state open, and what `read` returns. Raises `StoreError`."""
    with _as_store_error(path, command):
        path = path.resolve(strict=True)
        if not stat.S_ISREG(path.stat().st_mode) or not file.is_ours(path):
            raise StoreError(f"{path} is not the state of an exporter.", _FIX_PATH.format(command=command))

        def checked(connection: sqlite3.Connection) -> T:
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            if schema == 0:
                raise Empty(f"{path} is empty: no exporter has written to it.", _FIX_PATH.format(command=command))
            if not 1 <= schema <= file.SCHEMA:  # other tables than `ended` are the same in all of these
                problem = f"{path} was written by another version (schema {schema}, this one knows {file.SCHEMA})."
                raise StoreError(problem, _FIX_VERSION.format(command=command))
            return read(connection)

        found = read_consistently(path, checked)
        return is_locked(path), found


def read_consistently(path: Path, read: Callable[[sqlite3.Connection], T]) -> T:
    """Return what `read` returns, which is as of one instant, and leave the file as it is. Raises `StoreError`.

    A file that nobody has open is read as `immutable`; if an exporter starts with it meanwhile, it is read again.
    """
    for _ in range(TRIES):
        before = version_if_unused(path)
        with closing(connect_without_trace(path)) as connection:
            connection.execute("BEGIN")  # all queries read the same snapshot
            found = read(connection)
        if before is None or before == version_if_unused(path):
            return found
    raise StoreError(f"{path} was changed each time it was read.", "Wait until its exporter runs or has stopped.")


def connect_without_trace(path: Path) -> sqlite3.Connection:
    """Open the file read-only.

    If it was written with a log and there is no log now, nobody has it open for writing: it is read as `immutable`, so
    that SQLite doesn't create the files of a log.
    """
    uri = f"{path.as_uri()}?mode=ro{'&immutable=1' if version_if_unused(path) else ''}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


def version_if_unused(path: Path) -> tuple[int, int, int] | None:
    """Return what changes if an exporter writes the file, if it is to be read as `immutable`; else None."""
    if not file.uses_log(path) or path.with_name(f"{path.name}-wal").exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _read_nodes(connection: sqlite3.Connection) -> dict[str, StoredNode]:
    runs: dict[str, list[OpenRun]] = {}
    for node, run in connection.execute("SELECT node, state FROM open_run"):
        runs.setdefault(node, []).append(codec.decode_run(run))
    states = connection.execute("SELECT node, marks FROM node ORDER BY node")
    return {node: StoredNode(codec.decode_state(state), tuple(runs.get(node, ()))) for node, state in states}


def _read_ended(
    connection: sqlite3.Connection,
    node: str,
    state: SavedState,
    since_us: int,
    collect: Callable[[str, SavedState, Iterator[EndedPayment]], T],
    *,
    schema: int,
) -> EndedOfNode[T]:
    """Read the list of one node; before the table was introduced it is empty."""
    counted = ended.counted(connection, node)
    if schema < ended.SINCE_SCHEMA:
        return EndedOfNode(state, counted, None, collect(node, state, iter(())))
    oldest = next(ended.entries(connection, node, oldest_first=True), None)
    return EndedOfNode(state, counted, oldest, collect(node, state, ended.entries(connection, node, since_us)))


def _read_counting(connection: sqlite3.Connection, node: str, state: SavedState, far_us: int) -> StoredCounting:
    open_runs = [codec.decode_run(run) for (run,) in connection.execute(_OPEN_RUNS, (node,))]
    finished = connection.execute(_FINISHED_RUNS, (node,))
    return StoredCounting(
        running=False,
        state=state,
        open={run.run: run.payment_index for run in open_runs},
        finished={Run(payment_hash, created_us): index for payment_hash, created_us, index in finished},
        counted=frozenset(connection.execute(_OLD_OR_FAR, (node, state.history_us, far_us))),
    )


@contextmanager
def _as_store_error(path: Path, command: str) -> Iterator[None]:
    """Convert any error of reading to a `StoreError` with advice."""
    try:
        with explain_unreadable(path, _FIX_PATH.format(command=command), _FIX_USER.format(command=command)):
            yield
    except (OSError, sqlite3.Error, ValueError, TypeError) as error:
        reason, _, _ = str(error).partition(" with text ")  # Python quotes the text, which may be confidential
        raise StoreError(f"{path} can't be read ({reason}).", _FIX_RETRY) from None


@contextmanager
def explain_unreadable(path: Path, fix_path: str, fix_user: str) -> Iterator[None]:
    """Explain the usual mistakes: the path of another state, and another user."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{path} does not exist.", fix_path) from None
    except PermissionError:
        raise StoreError(f"{path} can't be read: this user has no permission.", fix_user) from None
