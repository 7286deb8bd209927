"""The remembering: one SQLite file for each exporter, in which each node has rows of its own."""

from exporter.store.file import Locked, StoreError, TooNew
from exporter.store.store import Frozen, Store, freeze

__all__ = ["Frozen", "Locked", "Store", "StoreError", "TooNew", "freeze"]
