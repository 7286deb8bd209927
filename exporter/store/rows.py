"""Reading all rows of a node, and writing the rows that have changed."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from exporter.payments.labels import Reset
from exporter.payments.noted import differing
from exporter.payments.payment import Run
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels, zero_counters
from exporter.store import codec, failed_hashes
from exporter.store.codec import EncodedNode
from exporter.store.errors import Broken
from exporter.store.file_identity import Mark

K = TypeVar("K")
V = TypeVar("V")

TABLES = ("node", "counter", "histogram", "open_run", "finished_run", "counted_run", "listed", "ended", "failed_hash")
"""The tables that have rows of a node, by which they begin."""
EMPTY = EncodedNode("", zero_counters(), {}, {}, {}, {})
"""The content of a file without the node: zeros from the start have no row. A peer's have, and those of older files."""
_OLDEST = "SELECT created_us FROM counted_run WHERE node = ? AND created_us <= ? ORDER BY created_us LIMIT ?"
_RAISE = "INSERT INTO listed VALUES (?, ?) ON CONFLICT (node) DO UPDATE SET from_us = max(from_us, excluded.from_us)"


def read(connection: sqlite3.Connection, node: str, state: str) -> tuple[SavedNode, set[HistogramName]]:
    """Read a node, whose encoded state is `state`; return it, and the histograms left out because their edges changed.

    Raises `ValueError`, `KeyError`, `sqlite3.DatabaseError`.
    """

    def rows(query: str) -> list[Any]:
        return connection.execute(f"{query} WHERE node = ?", (node,)).fetchall()

    # What is zero from the start has no row.
    counters = zero_counters()
    for name, labels, total in rows("SELECT counter, labels, total FROM counter"):
        counter = Counter(name)
        counters[counter][codec.counter_labels(counter, labels)] = int(total)
    histograms: dict[HistogramName, dict[Labels, Histogram]] = {}
    changed: set[HistogramName] = set()
    for name, labels, *content in rows("SELECT histogram, labels, edges, buckets, total FROM histogram"):
        histogram_name = HistogramName(name)
        if (histogram := codec.decode_histogram(histogram_name, *content)) is not None:
            series = histograms.setdefault(histogram_name, {})
            series[codec.histogram_labels(histogram_name, labels)] = histogram
        else:
            changed.add(histogram_name)
    runs = rows("SELECT payment_hash, created_us, payment_index FROM finished_run")
    saved = SavedNode(
        codec.decode_state(state),
        counters,
        histograms,
        tuple(codec.decode_run(run) for (run,) in rows("SELECT state FROM open_run")),
        {Run(payment_hash, created_us): index for payment_hash, created_us, index in runs},
        failed_hashes.read(connection, node),
    )
    return saved, changed


def write_resets(connection: sqlite3.Connection, resets: Mapping[Reset, int]) -> None:
    """Write how many times the counters started at zero or at an older state, by cause."""
    connection.executemany("REPLACE INTO reset VALUES (?, ?)", resets.items())


def mark(connection: sqlite3.Connection) -> Mark:
    """Read the mark of the file. Raises `Broken`, `sqlite3.DatabaseError`."""
    found = connection.execute("SELECT file, writes FROM mark").fetchall()
    if len(found) != 1 or not isinstance(found[0][1], int):
        raise Broken("it does not have exactly one mark")
    return Mark(str(found[0][0]), found[0][1])


def write_mark(connection: sqlite3.Connection, writes: int) -> None:
    """Write how many times the file has been written."""
    connection.execute("UPDATE mark SET writes = ?", (writes,))


def write(connection: sqlite3.Connection, node: str, old: EncodedNode, new: EncodedNode) -> None:
    """Write the rows of `new` that differ from `old`, the present content; delete rows that `new` lacks.

    Counters, histograms and runs that are the same objects in both are not looked at: nothing changes them.
    """
    connection.execute("REPLACE INTO node VALUES (?, ?)", (node, new.state))
    changed = [name for name, series in new.counters.items() if series is not old.counters.get(name)]
    gone = [name for name, series in old.counters.items() if series is not new.counters.get(name)]
    _execute_each(
        connection,
        "DELETE FROM counter WHERE node = ? AND counter = ? AND labels = ?",
        [
            (node, name, codec.encode_labels(labels))
            for name in gone
            for labels in old.counters[name].keys() - new.counters.get(name, {}).keys()
        ],
    )
    _execute_each(
        connection,
        "REPLACE INTO counter VALUES (?, ?, ?, ?)",
        [
            (node, name, codec.encode_labels(labels), str(total))
            for name in changed
            for labels, total in _changed(old.counters.get(name, {}), new.counters[name])
        ],
    )
    _execute_each(
        connection,
        "REPLACE INTO histogram VALUES (?, ?, ?, ?, ?, ?)",
        [
            (node, name, codec.encode_labels(labels), *codec.encode_histogram(histogram))
            for name, series in new.histograms.items()
            if series is not old.histograms.get(name)
            for labels, histogram in _changed(old.histograms.get(name, {}), series)
        ],
    )
    _write_runs(connection, "open_run", node, old.open, new.open)
    _write_runs(connection, "finished_run", node, old.finished, new.finished)
    failed_hashes.write(connection, node, old.failed, new.failed)
    ended = [_counted_key(node, run) for run in new.ended]
    _execute_each(connection, "REPLACE INTO counted_run VALUES (?, ?, ?)", ended)


def _execute_each(connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """Execute the statement for each row; without rows it isn't even prepared."""
    if rows:
        connection.executemany(statement, rows)


def counted(connection: sqlite3.Connection, node: str, runs: Collection[Run]) -> set[Run]:
    """Return those of the runs, some hundred at most, that are in the table of counted runs."""
    places = ", ".join("?" * len(runs))
    query = f"SELECT * FROM counted_run WHERE node = ? AND created_us IN ({places})"  # noqa: S608 - question marks
    rows = {*connection.execute(query, (node, *(run.created_us for run in runs)))}
    return {run for run in runs if _counted_key(node, run) in rows}


def listed_from_us(connection: sqlite3.Connection) -> dict[str, int]:
    """Return for each node the creation time up to which runs may have been counted without a row; if 0, none."""
    return dict(connection.execute("SELECT node, from_us FROM listed"))


def raise_listed_from(connection: sqlite3.Connection, node: str, from_us: int) -> None:
    """Note that runs of the node created until `from_us` may have been counted without a row in `counted_run`."""
    connection.execute(_RAISE, (node, from_us))


def shorten(connection: sqlite3.Connection, node: str, until_us: int, limit: int) -> int:
    """Take the oldest runs off the list of counted runs: `limit` at most, and only those created until `until_us`.

    Returns the creation of the youngest of them, which `listed` notes in the same transaction; 0 if there are none.
    """
    oldest = connection.execute(_OLDEST, (node, until_us, limit)).fetchall()
    if not oldest:
        return 0
    ((last_us,),) = oldest[-1:]
    raise_listed_from(connection, node, last_us)
    connection.execute("DELETE FROM counted_run WHERE node = ? AND created_us <= ?", (node, last_us))
    return int(last_us)


def forget(connection: sqlite3.Connection, node: str) -> None:
    """Delete all rows of a node."""
    for table in TABLES:
        connection.execute(f"DELETE FROM {table} WHERE node = ?", (node,))  # noqa: S608 - a constant


def _write_runs(
    connection: sqlite3.Connection, table: str, node: str, old: Mapping[Run, V], new: Mapping[Run, V]
) -> None:
    """Delete the rows of runs that are gone, and write those that changed, in a table with a row for each run."""
    runs = differing(old, new)
    gone = [(node, *run) for run in runs if run in old and run not in new]
    changed = [(node, *run, new[run]) for run in runs if run in new and (run not in old or old[run] != new[run])]
    delete = f"DELETE FROM {table} WHERE node = ? AND payment_hash = ? AND created_us = ?"  # noqa: S608 - a constant
    _execute_each(connection, delete, gone)
    _execute_each(connection, f"REPLACE INTO {table} VALUES (?, ?, ?, ?)", changed)  # noqa: S608 - a constant


def _counted_key(node: str, run: Run) -> tuple[str, int, bytes]:
    return node, run.created_us, codec.hash_prefix(run.payment_hash)


def _changed(old: Mapping[K, V], new: Mapping[K, V]) -> Iterator[tuple[K, V]]:
    return ((key, value) for key, value in new.items() if key not in old or old[key] != value)
