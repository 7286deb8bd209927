"""The table `ended`: the last payments of each node that were counted as finished or lost, a row for each."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from exporter.payments.ended import EndedPayment
from exporter.payments.ledger import ENDS
from exporter.payments.payment import Run

LENGTH = 10_000
"""Length of the list of each node by default."""
SINCE_SCHEMA = 4
"""The schema that introduced the table."""
COLUMNS = (
    "number, counted_us, payment_hash, created_us, outcome, reason, cause, kind, value_msat, fee_msat, parts, attempts,"
    " duration_ns, recovered, first_hops, destination, failure_code, failure_source, failed_by"
)
"""In the order of `decode`; the table has the column `node` in front."""
_PERHAPS = (int, type(None))
_TYPES: tuple[type | tuple[type, ...], ...] = (
    int, int, bytes, int, str, str, str, str, int, int, int, _PERHAPS,
    _PERHAPS, int, bytes, bytes, str, str, bytes,
)  # fmt: skip
KEY_BYTES = 33
"""Length of an identity key."""
_INSERT = f"REPLACE INTO ended (node, {COLUMNS}) VALUES (?{', ?' * (COLUMNS.count(',') + 1)})"  # noqa: S608 - constants


def write(connection: sqlite3.Connection, node: str, entries: Sequence[EndedPayment], length: int) -> None:
    """Add entries in the present transaction, the oldest first, and delete what is beyond the last `length`."""
    kept = entries[max(0, len(entries) - length) :]
    connection.executemany(_INSERT, [(node, *_encode(entry)) for entry in kept])
    connection.execute("DELETE FROM ended WHERE node = ? AND number <= ?", (node, entries[-1].number - length))


def entries(
    connection: sqlite3.Connection, node: str, since_us: int = 0, *, oldest_first: bool = False
) -> Iterator[EndedPayment]:
    """Yield the entries of a node that were counted since then, microseconds since 1970, the newest first.

    Raises `ValueError`, `TypeError`.
    """
    order = "ASC" if oldest_first else "DESC"
    query = f"SELECT {COLUMNS} FROM ended WHERE node = ? AND counted_us >= ? ORDER BY number {order}"  # noqa: S608
    return map(_decode, connection.execute(query, (node, since_us)))


def counted(connection: sqlite3.Connection, node: str) -> int:
    """Return how many runs of a node have been counted as finished or lost."""
    places = ", ".join("?" * len(ENDS))
    query = f"SELECT total FROM counter WHERE node = ? AND counter IN ({places})"  # noqa: S608 - question marks
    return sum(int(total) for (total,) in connection.execute(query, (node, *ENDS)))


def _decode(row: Sequence[Any]) -> EndedPayment:
    """Return the entry that is in the `COLUMNS` of a row. Raises `ValueError`, `TypeError`."""
    if not all(
        isinstance(value, kind) for value, kind in zip(row, _TYPES, strict=True)
    ):  # SQLite stores what it is given
        raise TypeError("the list of ended payments has a value of another type")
    number, counted_us, payment_hash, created_us, *same, recovered, hops, destination, code, source, failed_by = row
    keys = tuple(hops[first : first + KEY_BYTES].hex() for first in range(0, len(hops), KEY_BYTES))
    run = Run(payment_hash.hex(), created_us)
    last = (destination.hex(), code, source, failed_by.hex())
    return EndedPayment._make((number, counted_us, run, *same, bool(recovered), keys, *last))


def _encode(entry: EndedPayment) -> tuple[object, ...]:
    """Return the values of `COLUMNS`: keys take half the space as bytes."""
    number, counted_us, run, *same, recovered, first_hops, destination, code, source, failed_by = entry
    hops = bytes.fromhex("".join(first_hops))
    last = (bytes.fromhex(destination), code, source, bytes.fromhex(failed_by))
    return (number, counted_us, bytes.fromhex(run.payment_hash), run.created_us, *same, recovered, hops, *last)
