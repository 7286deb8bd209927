"""A process of another user, in a volume as a container runtime provides it."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from exporter.store import Store, StoreError, encode, rehearse
from tests.store.child import in_child
from tests.store.test_store import busy_node, saved_node

ROOT = os.geteuid() == 0
USER, ANOTHER, GROUP = 12345, 23456, 34567
"""IDs that no user of this machine has; the group is that of the volume."""


class Owner(NamedTuple):
    """Owner, group and mode of a file."""

    user: int
    group: int
    mode: int


@contextmanager
def volume(owner: Owner) -> Iterator[Path]:
    """Create a directory of this owner below directories that every user can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "volume"
        path.mkdir()
        change_owner(path, owner)
        yield path
        path.chmod(0o700)


def change_owner(path: Path, owner: Owner) -> None:
    """Change owner, group and mode of a file; only the mode if the tests don't run as root."""
    if ROOT:
        os.chown(path, owner.user, owner.group)
    path.chmod(owner.mode)


def owner_of(path: Path) -> Owner:
    """Return owner, group and mode of a file."""
    status = path.stat()
    return Owner(status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))


def run_as(command: str, path: Path, user: int, *, umask: int = 0o022) -> str:
    """Run `check` or `run` as this user, who is in the volume's group; return the error, or an empty string.

    If the tests don't run as root, it is the present user. The process is a fork of this one, because another user may
    not be allowed to start the Python that runs the tests.
    """

    def as_user() -> str:
        os.umask(umask)
        if ROOT:
            os.setgroups([GROUP])
            os.setgid(user)
            os.setuid(user)
        return _check(path) if command == "check" else _run(path)

    return in_child(as_user)


def _check(path: Path) -> str:
    try:
        rehearse(path)
    except StoreError as error:
        return str(error)
    return ""


def _run(path: Path) -> str:
    try:
        store = Store(path)
        store.save({"alice": encode(saved_node(busy_node()))})
        store.close()
    except StoreError as error:
        return str(error)
    return ""
