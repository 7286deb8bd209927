"""The table `failed_hash`: the hashes of each node that failed and may still succeed, a row for each."""

import sqlite3
from collections.abc import Mapping

import msgspec

from exporter.payments.event import FailedRuns
from exporter.payments.failed_hashes import FailedHash, shared
from exporter.payments.noted import differing

SINCE_SCHEMA = 4
"""The schema that introduced the table."""
_SELECT = "SELECT payment_hash, ended_us, runs FROM failed_hash WHERE node = ? ORDER BY ended_us, payment_hash"


def read(connection: sqlite3.Connection, node: str) -> dict[str, FailedHash]:
    """Read the hashes of a node, the one that failed last at the end; none before the table was introduced.

    Raises `ValueError`, `sqlite3.DatabaseError`.
    """
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    rows = connection.execute(_SELECT, (node,)) if schema >= SINCE_SCHEMA else ()
    return {
        payment_hash.hex(): FailedHash(ended_us, shared(msgspec.json.decode(runs, type=tuple[FailedRuns, ...])))
        for payment_hash, ended_us, runs in rows
    }


def write(
    connection: sqlite3.Connection, node: str, old: Mapping[str, FailedHash], new: Mapping[str, FailedHash]
) -> None:
    """Write the rows of hashes that differ from `old`, the present content; delete rows that `new` lacks."""
    hashes = differing(old, new)
    if gone := [(node, bytes.fromhex(each)) for each in hashes if each in old and each not in new]:
        connection.executemany("DELETE FROM failed_hash WHERE node = ? AND payment_hash = ?", gone)
    if changed := [
        (node, bytes.fromhex(each), new[each].ended_us, msgspec.json.encode(new[each].runs).decode())
        for each in hashes
        if each in new and old.get(each) != new[each]
    ]:
        connection.executemany("REPLACE INTO failed_hash VALUES (?, ?, ?, ?)", changed)
