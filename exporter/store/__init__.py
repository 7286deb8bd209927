"""The remembering: one SQLite file for each exporter, in which each node has rows of its own."""

from exporter.store.codec import Frozen, freeze
from exporter.store.file import Locked, StoreError, TooNew, look
from exporter.store.store import Store

__all__ = ["Frozen", "Locked", "Store", "StoreError", "TooNew", "freeze", "look"]
