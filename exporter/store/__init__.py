"""The remembering: one SQLite file for each exporter, in which each node has rows of its own."""

from exporter.store.codec import Frozen, freeze
from exporter.store.file import Locked, StoreError, TooNew, look
from exporter.store.reader import Glance, Kept, glance
from exporter.store.store import Store

__all__ = ["Frozen", "Glance", "Kept", "Locked", "Store", "StoreError", "TooNew", "freeze", "glance", "look"]
