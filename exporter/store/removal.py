"""Removes from the state file what is no longer to be kept, and overwrites the space in which it was."""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress

from exporter.store import place
from exporter.store.codec import EncodedNode, without_destinations
from exporter.store.errors import Busy, StoreError
from exporter.store.open_files import OpenFiles

_PLANNED = "SELECT 1 FROM sqlite_master WHERE name = 'overwrite'"
_CONTENT = (
    "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
)
"""How large the file will be, bytes."""
COPIES = 3
"""Free space that the file written anew requires, in sizes of it: two for itself, one to spare."""
_ALL, _RECIPIENTS = "1", "destination != x'' OR failed_by != x''"
_DELETE, _UPDATE = "DELETE FROM ended", "UPDATE ended SET destination = x'', failed_by = x''"


class Removal:
    """Removes what an earlier start, with other settings, has kept.

    SQLite leaves what was deleted in free space, so the whole file is written anew afterwards. Until that has succeeded
    the file has an empty table `overwrite`, so that a later start makes up for it.
    """

    def __init__(self, length: int, *, destinations: bool) -> None:
        """Take the length of the list of ended payments, and whether it says who was paid."""
        self._destinations = destinations
        self._from_list = "" if length and destinations else _RECIPIENTS if length else _ALL

    def stripped(self, nodes: Mapping[str, EncodedNode]) -> dict[str, EncodedNode]:
        """Return the nodes of which recipients of payments in flight are to be removed, without these."""
        if self._destinations:
            return {}
        without = {node: without_destinations(encoded) for node, encoded in nodes.items()}
        return {node: encoded for node, encoded in without.items() if encoded != nodes[node]}

    def is_needed(self, connection: sqlite3.Connection, nodes: Mapping[str, EncodedNode]) -> bool:
        """Return True if the file, which has these nodes, has something to remove or to overwrite."""
        query = f"SELECT 1 FROM ended WHERE {self._from_list} LIMIT 1"  # noqa: S608 - constants
        in_list = bool(self._from_list) and connection.execute(query).fetchone() is not None
        return in_list or bool(self.stripped(nodes)) or _is_planned(connection)

    def remove(self, connection: sqlite3.Connection) -> None:
        """Remove it from the list in the present transaction, and plan to overwrite it, unless that is done."""
        if self._from_list:
            connection.execute(_DELETE if self._from_list == _ALL else _UPDATE)
            connection.execute("CREATE TABLE IF NOT EXISTS overwrite (planned)")

    def done(self) -> None:
        """Note that nothing has to be removed any more: this exporter writes nothing that is not to be kept."""
        self._destinations, self._from_list = True, ""

    def overwrite(self, files: OpenFiles) -> None:
        """Write the file anew, without free space. Takes 12 s for a GiB, and twice its size on the disk until then.

        Raises `Busy` if another program is reading it, `StoreError` if the disk has too little room, `sqlite3.Error`.

        Until the log is copied to the file, the old pages are there; afterwards neither of the two has them.
        """
        connection = files.connection
        if _is_planned(connection):
            directory = str(files.path.parent).replace("'", "''")
            connection.execute(f"PRAGMA temp_store_directory = '{directory}'")  # a container may have no other one
            _refuse_to_fill_the_disk(files)
            try:
                connection.execute("VACUUM")
            except sqlite3.Error:
                with suppress(sqlite3.Error):
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # or the log keeps the space
                raise
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise Busy(files.path, "it is reading the file")
            connection.execute("DROP TABLE overwrite")
        files.accept()


def _refuse_to_fill_the_disk(files: OpenFiles) -> None:
    """Raise `StoreError` if the disk lacks room for a copy of the content, for the log with it, and as much to spare.

    lnd may keep its databases on the same disk, and stops when it is full.
    """
    (content,) = files.connection.execute(_CONTENT).fetchone()
    free = place.free_bytes(files.path.parent)
    if free is not None and free < COPIES * content:
        problem = f"{files.path.parent} has {free >> 20} MiB of free space, and this needs {COPIES * content >> 20}."
        raise StoreError(problem, "Make room there, and start again.")


def _is_planned(connection: sqlite3.Connection) -> bool:
    return connection.execute(_PLANNED).fetchone() is not None
