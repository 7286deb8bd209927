"""What a process of another user may do with the state, in a directory as the system of a container hands it over."""

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
"""Numbers that no user of the machine has; the group is that of the volume."""


class Owner(NamedTuple):
    """Who owns a file, and what its mode is."""

    user: int
    group: int
    mode: int


@contextmanager
def volume(owner: Owner) -> Iterator[Path]:
    """A directory of this owner, to which the way is open for every user."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        path = Path(name) / "volume"
        path.mkdir()
        give(path, owner)
        yield path
        path.chmod(0o700)


def give(path: Path, owner: Owner) -> None:
    """Hand a file over; without root's rights only its mode can be given."""
    if ROOT:
        os.chown(path, owner.user, owner.group)
    path.chmod(owner.mode)


def owner_of(path: Path) -> Owner:
    """Whose it is."""
    found = path.stat()
    return Owner(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def attempt(what: str, path: Path, user: int, *, umask: int = 0o022) -> str:
    """Let a process of this user, who is in the volume's group, `look` or `run`; return what is wrong, else nothing.

    Without root's rights it is a process of the present user. It is a copy of this one, for another user may have no
    right to start the Python that runs the tests.
    """

    def as_user() -> str:
        os.umask(umask)
        if ROOT:
            os.setgroups([GROUP])
            os.setgid(user)
            os.setuid(user)
        return _look(path) if what == "look" else _run(path)

    return in_child(as_user)


def _look(path: Path) -> str:
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
