"""The remembering: one SQLite file for each exporter, in which each node has rows of its own."""

from exporter.store.codec import Frozen, freeze
from exporter.store.errors import Busy, Locked, StoreError, TooNew
from exporter.store.look import look
from exporter.store.reader import Glance, Kept, glance
from exporter.store.store import Store

__all__ = ["Busy", "Frozen", "Glance", "Kept", "Locked", "Store", "StoreError", "TooNew", "freeze", "glance", "look"]
