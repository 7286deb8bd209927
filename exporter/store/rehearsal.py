"""A rehearsal for `check`: does what an exporter would do with its state, and leaves no trace."""

import os
import tempfile
from contextlib import closing
from pathlib import Path

from exporter.store import file, place
from exporter.store.errors import FIX, Foreign, StoreError, as_store_error
from exporter.store.lock import Lock


def rehearse(path: Path) -> list[str]:
    """Check whether the state can be kept at this path; it is not an error if an exporter has it open.

    Returns warnings for the operator. Raises `StoreError`.
    """
    path = Path(os.path.realpath(path))
    place.refuse_unusable(path)
    ancestor = next(parent for parent in path.parents if parent.exists())
    if not ancestor.is_dir():
        raise StoreError(f"{ancestor} is not a directory.", FIX)
    with as_store_error(path, "written"):
        for existing in (*place.existing_files(path), path.with_name(path.name + place.LOCK_SUFFIX)):
            if existing.exists():
                os.close(os.open(existing, os.O_RDWR | os.O_CLOEXEC))
    with as_store_error(path, "read"):
        if path.exists():
            _check_header(path)
    return _try_in(ancestor, path)


def _check_header(path: Path) -> None:
    if not file.is_ours(path):
        raise Foreign(path)
    file.check_version(file.schema_of(path), path)


def _try_in(directory: Path, path: Path) -> list[str]:
    """Create a state in a temporary directory and remove it; return the warnings that apply to the state at `path`."""
    try:
        trial = tempfile.TemporaryDirectory(prefix=".lnd-payments-exporter-check-", dir=directory)
    except OSError as error:
        raise StoreError(f"{directory} can't be written ({error.strerror}).", FIX) from None
    with trial as name, as_store_error(directory, "used"):
        state = Path(name) / "state.sqlite"
        lock = Lock(state)
        try:
            with closing(file.connect(state)) as connection:
                return file.warnings(connection, path)
        finally:
            lock.release()
