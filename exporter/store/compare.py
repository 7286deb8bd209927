"""Whether a file still says what was written to it, after another program may have changed it or put it back."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from exporter.store import file, rows
from exporter.store.codec import EncodedNode, encode
from exporter.store.errors import Broken, passing, short_of_bytes
from exporter.store.standing import Mark


def lag(mark: Mark, noted: Mark) -> str:
    """Why a file with this mark lacks something that was in it when the lock noted the other mark."""
    if mark.file != noted.file:
        return "it is not the file that was written last"
    return f"its last {noted.writes - mark.writes} writes are missing: it is an older copy, or its log (-wal) was lost"


def difference(path: Path, mark: Mark, written: Mapping[str, EncodedNode]) -> str:
    """What is wrong with the file; empty if it says of each node what was written.

    Raises `OSError` and `sqlite3.Error` if it can't be told now.
    """
    try:
        with closing(file.reread(path)) as connection:
            if rows.mark(connection) != mark:
                return "another program put another state in its place"
            nodes = connection.execute("SELECT node, marks FROM node").fetchall()
            says = {node: _said(encode(rows.read(connection, node, state)[0])) for node, state in nodes}
    except (ValueError, KeyError) as error:
        return f"another program changed it: {type(error).__name__}"
    except sqlite3.DatabaseError as error:
        if isinstance(error, Broken) or not passing(error) or short_of_bytes(error):
            return f"another program changed it: {error}"
        raise
    return "" if says == {node: _said(frozen) for node, frozen in written.items()} else "another program changed it"


def _said(frozen: EncodedNode) -> EncodedNode:
    """Without what has no row."""
    return frozen._replace(
        counters={name: series for name, series in frozen.counters.items() if series},
        histograms={name: series for name, series in frozen.histograms.items() if series},
    )
