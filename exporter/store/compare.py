"""Comparison of the state file with what was written to it, for files that another program has touched."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from exporter.store import file, rows
from exporter.store.codec import EncodedNode, encode
from exporter.store.errors import Broken, is_short_read, is_transient
from exporter.store.file_identity import Mark


def explain_older(mark: Mark, recorded: Mark) -> str:
    """Return why a file with this mark lacks writes that the lock file has recorded."""
    if mark.file != recorded.file:
        return "it is not the file that was written last"
    missing = recorded.writes - mark.writes
    return f"its last {missing} writes are missing: it is an older copy, or its log (-wal) was lost"


def difference(path: Path, mark: Mark, written: Mapping[str, EncodedNode]) -> str:
    """Return what is wrong with the file, or an empty string if it contains what was written of every node.

    Raises `OSError` and `sqlite3.Error` if the file can't be read at the moment.
    """
    try:
        with closing(file.connect_read_only(path)) as connection:
            if rows.mark(connection) != mark:
                return "another program put another state in its place"
            nodes = connection.execute("SELECT node, marks FROM node").fetchall()
            stored = {node: _without_empty(encode(rows.read(connection, node, state)[0])) for node, state in nodes}
    except (ValueError, KeyError) as error:
        return f"another program changed it: {type(error).__name__}"
    except sqlite3.DatabaseError as error:
        if isinstance(error, Broken) or not is_transient(error) or is_short_read(error):
            return f"another program changed it: {error}"
        raise
    expected = {node: _without_empty(encoded) for node, encoded in written.items()}
    return "" if stored == expected else "another program changed it"


def _without_empty(node: EncodedNode) -> EncodedNode:
    """Drop counters and histograms that have no series, and therefore no row."""
    return node._replace(
        counters={name: series for name, series in node.counters.items() if series},
        histograms={name: series for name, series in node.histograms.items() if series},
    )
