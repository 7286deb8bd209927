"""Entries of the list of ended payments, for tests."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from exporter.payments.ended import EndedPayment
from exporter.payments.payment import Run
from exporter.store import ended, read_ended
from tests.payments.build import PEER, T0

DESTINATION, FAR = "03" + "dd" * 32, "02" + "ee" * 32
T0_US = T0 // 1000


def entry(number: int, **changes: Any) -> EndedPayment:
    """Return a payment of 1000 sat that failed and was counted `number` seconds after T0, with changes."""
    ordinary = EndedPayment(
        number=number,
        counted_us=T0_US + number * 1_000_000,
        run=Run(f"{number:064x}", T0_US),
        outcome="failed",
        reason="no_route",
        cause="route_liquidity",
        kind="invoice",
        value_msat=1_000_000,
        fee_msat=0,
        parts=0,
        attempts=2,
        duration_ns=1_500_000_001,
        recovered=False,
        first_hops=(PEER, FAR),
        destination=DESTINATION,
        failure_code="temporary_channel_failure",
        failure_source="intermediate",
        failed_by=FAR,
    )
    return ordinary._replace(**changes)


def listed(path: Path, node: str = "alice") -> list[EndedPayment]:
    """Return the list of a node, the newest first."""
    _, nodes = read_ended(path, 0, lambda _name, _state, entries: [*entries])
    return nodes[node].collected


def numbers(path: Path, node: str = "alice") -> list[int]:
    """Return the numbers in the table, in rising order, without any check."""
    with closing(sqlite3.connect(path)) as connection:
        return [each.number for each in ended.entries(connection, node, oldest_first=True)]
