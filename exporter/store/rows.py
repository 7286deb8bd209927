"""The rows of one node in the tables: read whole, written where they differ from what is there."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from exporter.payments.payment import Run
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.store import codec
from exporter.store.codec import EncodedNode
from exporter.store.errors import Broken
from exporter.store.standing import Mark

K = TypeVar("K")
V = TypeVar("V")

_TABLES = ("node", "counter", "histogram", "open_run", "finished_run", "counted_run")
_COUNTED = "SELECT 1 FROM counted_run WHERE node = ? AND created_us = ? AND hash = ?"


def read(connection: sqlite3.Connection, node: str, state: str) -> tuple[SavedNode, set[HistogramName]]:
    """What is kept of a node, but for histograms whose buckets were others: which.

    Raises `ValueError`, `KeyError`, `sqlite3.DatabaseError`.
    """

    def rows(query: str) -> list[Any]:
        return connection.execute(f"{query} WHERE node = ?", (node,)).fetchall()

    counters: dict[Counter, dict[Labels, int]] = {}
    for name, labels, total in rows("SELECT counter, labels, total FROM counter"):
        counters.setdefault(Counter(name), {})[codec.labels(labels)] = int(total)
    histograms: dict[HistogramName, dict[Labels, Histogram]] = {}
    others: set[HistogramName] = set()
    for name, labels, *kept in rows("SELECT histogram, labels, edges, buckets, total FROM histogram"):
        of = HistogramName(name)
        if (histogram := codec.histogram(of, *kept)) is not None:
            histograms.setdefault(of, {})[codec.labels(labels)] = histogram
        else:
            others.add(of)
    runs = rows("SELECT payment_hash, created_us, payment_index FROM finished_run")
    saved = SavedNode(
        codec.state(state),
        counters,
        histograms,
        tuple(codec.open_run(state) for (state,) in rows("SELECT state FROM open_run")),
        {Run(payment_hash, created_us): index for payment_hash, created_us, index in runs},
    )
    return saved, others


def mark(connection: sqlite3.Connection) -> Mark:
    """Which file it is, and how often it was written. Raises `Broken`, `sqlite3.DatabaseError`."""
    found = connection.execute("SELECT file, writes FROM mark").fetchall()
    if len(found) != 1 or not isinstance(found[0][1], int):
        raise Broken("there is not just one mark")
    return Mark(str(found[0][0]), found[0][1])


def write_mark(connection: sqlite3.Connection, writes: int) -> None:
    """Say how often the file was written."""
    connection.execute("UPDATE mark SET writes = ?", (writes,))


def write(connection: sqlite3.Connection, node: str, old: EncodedNode, new: EncodedNode) -> None:
    """Make `new` of what is `old`."""
    many = connection.executemany
    many("REPLACE INTO node VALUES (?, ?)", [(node, new.state)])
    many(
        "DELETE FROM counter WHERE node = ? AND counter = ? AND labels = ?",
        (
            (node, name, codec.labels_text(labels))
            for name, series in old.counters.items()
            for labels in series.keys() - new.counters.get(name, {}).keys()
        ),
    )
    many(
        "REPLACE INTO counter VALUES (?, ?, ?, ?)",
        (
            (node, name, codec.labels_text(labels), str(total))
            for name, series in new.counters.items()
            for labels, total in _changed(old.counters.get(name, {}), series)
        ),
    )
    many(
        "REPLACE INTO histogram VALUES (?, ?, ?, ?, ?, ?)",
        (
            (node, name, codec.labels_text(labels), *codec.histogram_texts(histogram))
            for name, series in new.histograms.items()
            for labels, histogram in _changed(old.histograms.get(name, {}), series)
        ),
    )
    _write_runs(connection, "open_run", node, old.open, new.open)
    _write_runs(connection, "finished_run", node, old.finished, new.finished)
    many("REPLACE INTO counted_run VALUES (?, ?, ?)", (_counted_key(node, run) for run in new.ended))


def counted(connection: sqlite3.Connection, node: str, runs: Iterable[Run]) -> set[Run]:
    """Those of the runs that are on the list of what was counted."""
    return {run for run in runs if connection.execute(_COUNTED, _counted_key(node, run)).fetchone()}


def forget(connection: sqlite3.Connection, node: str) -> None:
    """Remove them all."""
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table} WHERE node = ?", (node,))  # noqa: S608 - our own words


def _write_runs(
    connection: sqlite3.Connection, table: str, node: str, old: Mapping[Run, V], new: Mapping[Run, V]
) -> None:
    """A table with a row for each run: those that are gone go, those that changed are written."""
    connection.executemany(
        f"DELETE FROM {table} WHERE node = ? AND payment_hash = ? AND created_us = ?",  # noqa: S608 - our own words
        ((node, *run) for run in old if run not in new),
    )
    connection.executemany(
        f"REPLACE INTO {table} VALUES (?, ?, ?, ?)",  # noqa: S608 - our own words
        ((node, *run, value) for run, value in _changed(old, new)),
    )


def _counted_key(node: str, run: Run) -> tuple[str, int, bytes]:
    return node, run.created_us, codec.short(run.payment_hash)


def _changed(old: Mapping[K, V], new: Mapping[K, V]) -> Iterator[tuple[K, V]]:
    return ((key, value) for key, value in new.items() if key not in old or old[key] != value)
