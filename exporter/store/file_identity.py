"""Identity of the open files: whether the names still lead to them, and whether another program wrote to them."""

import os
from pathlib import Path
from typing import NamedTuple


class FileStat(NamedTuple):
    """The part of stat(2) that changes when a file is replaced or written."""

    device: int
    inode: int
    size: int
    changed_ns: int

    def is_same_file(self, other: "FileStat | None") -> bool:
        """Return True if both are the same file, whatever its content."""
        return other is not None and (self.device, self.inode) == (other.device, other.inode)


class FileIdentity(NamedTuple):
    """The database and its write-ahead log; somebody may remove, replace, truncate or overwrite them while open."""

    state: FileStat | None
    log: FileStat | None

    def in_place(self, now: "FileIdentity") -> bool:
        """Return True if `now` are the same files, whatever their content."""
        return all(old is None or old.is_same_file(new) for old, new in zip(self, now, strict=True))


def identify(path: Path) -> FileIdentity:
    """Return the identity of the state and its log as they are now."""
    return FileIdentity(stat_of(path), stat_of(f"{path}-wal"))


def stat_of(path: Path | str) -> FileStat | None:
    """Return the present stat of a file; None if there is no file."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - each write does this: a `Path` would take longer than the system
    except FileNotFoundError:
        return None
    return FileStat(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


class Mark(NamedTuple):
    """A file's random name and number of writes, stored in the file and repeated in the lock file beside it.

    A state file whose mark is behind the one in the lock file is older: its log was lost, or a copy was put back.
    """

    file: str
    """Random, 16 hex digits; made together with the tables."""
    writes: int

    def includes(self, recorded: "Mark") -> bool:
        """Return True if the file has every write that had been made when the lock file recorded its mark."""
        return self.file == recorded.file and self.writes >= recorded.writes
