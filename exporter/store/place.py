"""The directory of the state: permissions and owners of files, and properties of the file system."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from exporter.store.errors import FIX, StoreError

SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")
"""Suffixes of the file names that SQLite uses for a database: itself, its log, the log's index, a rollback journal."""
LOCK_SUFFIX = ".lock"
OWNER_ONLY = 0o600
OWNER_AND_GROUP = 0o660
_OTHERS = 0o007
MOUNTS = Path("/proc/self/mountinfo")
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "fuse.sshfs", "fuse.glusterfs"}
"""File systems that several machines may use at once: memory shared through a file does not work between machines."""


def prepare(path: Path) -> None:
    """Create the directory. Raises the `StoreError` of `refuse_unusable`, and `OSError`."""
    refuse_unusable(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def refuse_unusable(path: Path, mounts: Path = MOUNTS) -> None:
    """Raise `StoreError` if the path is not a regular file, or a file that is mounted by itself."""
    if path.is_dir():
        raise StoreError(f"{path} is a directory.", f"Name a file in it: --storage.path={path / 'state.sqlite'}")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is not a regular file.", FIX)
    if any(mount.point == str(path) for mount in _mounts(mounts)):
        raise StoreError(
            f"{path} is mounted by itself: what SQLite writes beside it would be lost with the container.",
            "Mount its directory instead, for example -v DIRECTORY:/data with --storage.path=/data/state.sqlite",
        )


def make_private(path: Path) -> None:
    """Create the file if there is none, and remove permissions beyond `allowed_mode` from it and SQLite's other files.

    SQLite creates further files with the mode of the database. Raises `OSError` if one of the files can't be written.
    The mode of a file that belongs to another user can't be changed and stays.
    """
    allowed = allowed_mode(path.parent)
    os.close(create(path))
    for existing in existing_files(path):
        os.close(os.open(existing, os.O_RDWR | os.O_CLOEXEC))
        status = existing.stat()
        mode = stat.S_IMODE(status.st_mode)
        if mode & ~allowed and os.geteuid() in (0, status.st_uid):
            existing.chmod(mode & allowed)


def create(path: Path, like: Path | None = None) -> int:
    """Open a file for writing, create it if there is none, and return its descriptor. Raises `OSError`.

    If root creates it, it gets the owner of `like`, if that exists (as SQLite does for its own files): an exporter that
    runs as this owner must be able to write to it.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        allowed = allowed_mode(path.parent)
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, allowed)
        if allowed != OWNER_ONLY:
            os.fchmod(made, allowed)  # the umask may have removed the group
        if like is not None and like.exists() and os.geteuid() == 0:
            owner = like.stat()
            with suppress(PermissionError):  # NFS maps root to nobody
                os.fchown(made, owner.st_uid, owner.st_gid)
        return made


def allowed_mode(directory: Path) -> int:
    """Return the mode of files in a directory: for the owner alone, or also for the group if the directory is shared.

    A shared directory is writable for its group and passes the group on to new files (set-gid): Kubernetes prepares
    volumes like this where `fsGroup` is set, and the next container may run as another user of that group.
    """
    mode = directory.stat().st_mode
    return OWNER_AND_GROUP if mode & stat.S_ISGID and mode & stat.S_IWGRP else OWNER_ONLY


def existing_files(path: Path) -> Iterator[Path]:
    """Yield the state and SQLite's files beside it, as far as they exist."""
    for suffix in SQLITE_SUFFIXES:
        candidate = path.with_name(path.name + suffix)
        if candidate.exists():
            yield candidate


def warnings(path: Path) -> Iterator[str]:
    """Yield warnings for the operator about this place, though the state can be kept there."""
    if path.exists() and path.stat().st_mode & _OTHERS:
        yield f"every user can read {path}, and this one is not allowed to change that: chmod o= {path}"
    if is_remote(path):
        yield (
            f"{path} is on a file system of type {file_system(path)}, which other machines may use, too: "
            "only its locks keep a second exporter out, and a lock may be lost with the connection. A local disk is "
            "better."
        )


def free_bytes(directory: Path) -> int | None:
    """Return how much may still be written there; None if the file system doesn't tell."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize if status.f_blocks else None


def file_system(path: Path) -> str:
    """Return the type of the file system that the path is on, such as `ext4`; empty if the kernel doesn't tell."""
    return _mount_of(path).file_system


def is_remote(path: Path) -> bool:
    """Return True if other machines may use the file system, too."""
    return file_system(path) in REMOTE


class Mount(NamedTuple):
    """One line of the kernel's list of mounts (/proc/self/mountinfo)."""

    point: str
    """Directory or file that is mounted over."""
    file_system: str
    """Type of the file system, such as `ext4`."""


def _mount_of(path: Path) -> Mount:
    """Return the mount that the path is on, also if the path doesn't exist yet."""
    names = {str(path), *map(str, path.parents)}
    found = Mount("", "")
    for mount in _mounts(MOUNTS):
        if mount.point in names and len(mount.point) >= len(found.point):  # a later one covers an earlier one
            found = mount
    return found


def _mounts(mounts: Path) -> Iterator[Mount]:
    if not mounts.exists():  # not Linux
        return
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
        yield Mount(point, after.split(" ")[0])


def sync_directory(directory: Path) -> None:
    """Flush the names in a directory to disk, so that they survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
