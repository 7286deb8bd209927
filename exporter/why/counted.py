"""Looks for a payment in the list that the exporter keeps of those that ended: it has seen what lnd deletes."""

from collections.abc import Iterator
from pathlib import Path

from exporter.explain.answers import NotAnswered
from exporter.payments.ended import EndedPayment
from exporter.payments.payment import Run
from exporter.payments.saved import SavedState
from exporter.store import StoreError, read_ended

THE_LIST = "the exporter's list of ended payments"
"""The question that isn't lnd's, among those that were not answered."""


def look_up(path: Path, node: str, run: Run) -> EndedPayment | NotAnswered | None:
    """Return the entry of a run of a node in the state file; None if it has none."""
    try:
        return find_counted(path, node, run)
    except StoreError as error:
        return NotAnswered(THE_LIST, str(error), denied=False)


def find_counted(path: Path, node: str, run: Run) -> EndedPayment | None:
    """Return the entry of a run of a node in the state file; None if it has none. Raises `StoreError`."""

    def look(name: str, _state: SavedState, entries: Iterator[EndedPayment]) -> EndedPayment | None:
        return next((entry for entry in entries if entry.run == run), None) if name == node else None

    _, nodes = read_ended(path, 0, look)
    return nodes[node].collected if node in nodes else None
