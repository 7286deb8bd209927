"""Where the state lies: who may read and write there, and what the file system beneath can do."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from exporter.store.errors import FIX, StoreError

BESIDE = ("", "-wal", "-shm", "-journal")
"""SQLite's own files, by what is appended to the name."""
LOCK = ".lock"
PRIVATE = 0o600
SHARED = 0o660
_OTHERS = 0o007
MOUNTS = Path("/proc/self/mountinfo")
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.glusterfs"}
"""File systems that several machines may use at once: none of them shares memory with the others."""


def prepare(path: Path) -> None:
    """Make the directory. Raises `StoreError` for what is no file of its own, and `OSError`."""
    refuse_unusable(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def refuse_unusable(path: Path, mounts: Path = MOUNTS) -> None:
    """Raises `StoreError` for what is no regular file, and for a file that is mounted by itself."""
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is {'a directory' if path.is_dir() else 'no regular file'}.", FIX)
    if any(mount.point == str(path) for mount in _mounts(mounts)):
        raise StoreError(
            f"{path} is mounted by itself: what SQLite writes beside it would be lost with the container.",
            "Mount its directory instead, for example -v DIRECTORY:/data with --storage.path=/data/state.sqlite",
        )


def make_private(path: Path) -> None:
    """Make the file if there is none; only those who should may use it, and what SQLite keeps beside it.

    SQLite gives new files beside it the same mode. Raises `OSError` if one of them can't be written. A mode that can't
    be changed, because the file is another user's, stays as it is.
    """
    allowed = allowed_mode(path.parent)
    os.close(create(path))
    for beside in beside_of(path):
        os.close(os.open(beside, os.O_RDWR | os.O_CLOEXEC))
        found = beside.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode & ~allowed and os.geteuid() in (0, found.st_uid):
            beside.chmod(mode & allowed)


def create(path: Path, like: Path | None = None) -> int:
    """Open a file to write to it, and make it if there is none: a descriptor. Raises `OSError`.

    One that root makes belongs to the owner of `like`, if that is there (as SQLite does it): the exporter must be able
    to write to it.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        allowed = allowed_mode(path.parent)
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, allowed)
        if allowed != PRIVATE:
            os.fchmod(made, allowed)  # whatever the umask
        if like is not None and like.exists() and os.geteuid() == 0:
            owner = like.stat()
            with suppress(PermissionError):  # root of one machine is nobody on the disk of another
                os.fchown(made, owner.st_uid, owner.st_gid)
        return made


def allowed_mode(directory: Path) -> int:
    """What may be allowed to whom: the owner alone; the group, too, if the directory is meant for it.

    That is one to which the group may write, and which hands its group on (set-gid): Kubernetes makes it so where
    `fsGroup` is set, and the next container may run as another user of that group.
    """
    mode = directory.stat().st_mode
    return SHARED if mode & stat.S_ISGID and mode & stat.S_IWGRP else PRIVATE


def beside_of(path: Path) -> Iterator[Path]:
    """The state and what SQLite keeps beside it, as far as it is there."""
    for ending in BESIDE:
        beside = path.with_name(path.name + ending)
        if beside.exists():
            yield beside


def warnings(path: Path) -> Iterator[str]:
    """What a person should know of this place, though the state can be kept there."""
    if path.exists() and path.stat().st_mode & _OTHERS:
        yield f"every user may read {path}, and this one may not change that: chmod o= {path}"
    if is_remote(path):
        yield (
            f"{path} is on a file system of type {_mount_of(path).kind}, which other machines may use, too: only its "
            "locks keep a second exporter out, and a lock may be lost with the connection. A local disk is better."
        )


def is_remote(path: Path) -> bool:
    """True if other machines may use the file system, too."""
    return _mount_of(path).kind in REMOTE


class Mount(NamedTuple):
    """One line of the kernel's list of mounts."""

    point: str
    kind: str
    """Type of the file system."""


def _mount_of(path: Path) -> Mount:
    """The mount that the path is on, also if nothing is there yet."""
    names = {str(path), *map(str, path.parents)}
    found = Mount("", "")
    for mount in _mounts(MOUNTS):
        if mount.point in names and len(mount.point) >= len(found.point):  # a later one covers an earlier one
            found = mount
    return found


def _mounts(mounts: Path) -> Iterator[Mount]:
    if not mounts.exists():  # no Linux
        return
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        yield Mount(point, after.split(" ")[0])
