"""Persistence: one SQLite file for each exporter, in which each node has its own rows."""

from exporter.store.codec import EncodedNode, encode, mark_unfollowed
from exporter.store.errors import Busy, Locked, StoreError, TooNew
from exporter.store.reader import StoredCounting, StoredNode, StoredState, read_counting, read_ended, read_state
from exporter.store.rehearsal import rehearse
from exporter.store.store import Store

__all__ = [
    "Busy",
    "EncodedNode",
    "Locked",
    "Store",
    "StoreError",
    "StoredCounting",
    "StoredNode",
    "StoredState",
    "TooNew",
    "encode",
    "mark_unfollowed",
    "read_counting",
    "read_ended",
    "read_state",
    "rehearse",
]
