"""Adding exported nodes to the state file of an exporter that doesn't run: all in one transaction, or none."""

import os
from collections.abc import Sequence
from pathlib import Path

from exporter.store import file, handover, place
from exporter.store.codec import EncodedNode
from exporter.store.errors import FIX, Broken, Foreign, Locked, StoreError, as_store_error
from exporter.store.handover import Export
from exporter.store.lock import LockRecord, is_locked
from exporter.store.open_files import OpenFiles


def receive(path: Path, exports: Sequence[Export]) -> list[bool]:
    """Add nodes to the state file; create it if there is none. They are on disk when this returns.

    Returns for each whether it was added; False if it is there already with the same content. Raises `StoreError`.
    """
    path = Path(os.path.realpath(path))
    with as_store_error(path, "written"):
        place.refuse_unusable(path)
        if path.exists() and not file.is_ours(path):  # before there is a lock file beside it
            raise Foreign(path)
        place.prepare(path)
        files = _lock(path)
        try:
            return _receive(files, exports)
        except Broken as error:
            raise StoreError(
                f"{path} is damaged ({error}).", f"Start its exporter once: it sets it aside. {FIX}"
            ) from None
        finally:
            files.lock.release()


def add_node(path: Path, node: str, encoded: EncodedNode) -> None:
    """Add one node to the state file like `receive`, if the file doesn't have it. Raises `StoreError`."""
    receive(path, [handover.export_of(node, encoded)])


def refuse_running(path: Path) -> None:
    """Raise `Locked` if an exporter has the state file open, so that nothing can be added to it. Raises `OSError`."""
    if is_locked(Path(os.path.realpath(path))):
        raise _running(path)


def _lock(path: Path) -> OpenFiles:
    try:
        return OpenFiles(path)
    except Locked:
        raise _running(path) from None


def _running(path: Path) -> Locked:
    problem = f"An exporter is running with {path}."
    return Locked(problem, "Stop it, run this again, and start it again: it reads its file only at the start.")


def _receive(files: OpenFiles, exports: Sequence[Export]) -> list[bool]:
    record = files.lock.record
    if record is not None and not files.path.exists():
        raise _other_file(files.path, "is gone")
    files.connect()
    try:
        if record is not None and record.mark is not None and not files.mark.includes(record.mark):
            raise _other_file(files.path, "is not as it was written last")
        with files.transaction() as connection:
            added = [handover.add(connection, export) for export in exports]
            resets = dict(connection.execute("SELECT cause, times FROM reset"))
        corrupt, older = (resets.get(cause, 0) for cause in ("corrupt", "older"))
        files.lock.write(LockRecord(corrupt, older, files.mark))  # or a copy from before could be put back unnoticed
        files.lock.sync()
        return added
    finally:
        files.connection.close()


def _other_file(path: Path, how: str) -> StoreError:
    """Return the error of a state that an exporter would report at its start: an import must not hide that."""
    fix = f"Start its exporter once: it reports that, and goes on. If the file was removed on purpose: rm {path}.lock"
    return StoreError(f"{path} {how}.", fix)
