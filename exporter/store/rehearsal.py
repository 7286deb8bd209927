"""A rehearsal for `check`: tries all that an exporter will do with its state, and leaves everything as it was."""

import os
import tempfile
from contextlib import closing
from pathlib import Path

from exporter.store import file, place
from exporter.store.errors import FIX, Foreign, StoreError, explained
from exporter.store.lock import Lock


def rehearse(path: Path) -> list[str]:
    """Say what would be wrong with keeping the state there; that an exporter runs is right.

    Returns what a person should know all the same. Raises `StoreError`.
    """
    path = Path(os.path.realpath(path))
    place.refuse_unusable(path)
    there = next(parent for parent in path.parents if parent.exists())
    if not there.is_dir():
        raise StoreError(f"{there} is no directory.", FIX)
    with explained(path, "written"):
        for beside in (*place.beside_of(path), path.with_name(path.name + place.LOCK)):
            if beside.exists():
                os.close(os.open(beside, os.O_RDWR | os.O_CLOEXEC))
    with explained(path, "read"):
        if path.exists():
            _look_into(path)
    return _try(there, path)


def _look_into(path: Path) -> None:
    if not file.is_ours(path):
        raise Foreign(path)
    file.check_version(file.schema_of(path), path)


def _try(directory: Path, path: Path) -> list[str]:
    """Keep a state there for a moment, in a directory of its own; what a person should know of the one to come."""
    try:
        trial = tempfile.TemporaryDirectory(prefix=".lnd-payments-exporter-check-", dir=directory)
    except OSError as error:
        raise StoreError(f"{directory} can't be written ({error.strerror}).", FIX) from None
    with trial as name, explained(directory, "used"):
        state = Path(name) / "state.sqlite"
        lock = Lock(state)
        try:
            with closing(file.connect(state)) as connection:
                return file.warnings(connection, path)
        finally:
            lock.release()
