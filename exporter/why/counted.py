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


def look_up(path: Path, node: str, pubkey: str, run: Run) -> EndedPayment | NotAnswered | None:
    """Return the entry of a run of a node in the state file; None if it has none, or why it can't be had."""
    try:
        return find_counted(path, node, pubkey, run)
    except StoreError as error:
        return NotAnswered(THE_LIST, str(error), denied=False)


def find_counted(path: Path, node: str, pubkey: str, run: Run) -> EndedPayment | None:
    """Return the entry of a run of a node in the state file; None if it has none.

    The node has this name there, or else this identity key: by flags it may have been given another name. Raises
    `StoreError`, also if the file has no such node.
    """

    def look(name: str, state: SavedState, entries: Iterator[EndedPayment]) -> tuple[bool, EndedPayment | None]:
        if name != node and (not pubkey or state.pubkey != pubkey):
            return False, None
        return True, next((entry for entry in entries if entry.run == run), None)

    _, nodes = read_ended(path, 0, look)
    found = [stored.collected[1] for stored in nodes.values() if stored.collected[0]]
    if not found:
        raise StoreError(f"{path} has no node {node}; its nodes: {', '.join(nodes) or 'none'}.", "")
    return next(filter(None, found), None)
