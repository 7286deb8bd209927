"""Whether the files that are open are still the ones that have our names, and nobody else wrote to them."""

from pathlib import Path
from typing import NamedTuple


class Found(NamedTuple):
    """One of SQLite's files, as it is now."""

    device: int
    inode: int
    size: int
    changed_ns: int


class Standing(NamedTuple):
    """The database and its log: somebody may remove, replace, cut off or overwrite the files that are open."""

    state: Found | None
    log: Found | None

    def stands(self, now: "Standing") -> bool:
        """True if the files are still those that are open, whatever is in them."""
        return all(old is None or (new is not None and old[:2] == new[:2]) for old, new in zip(self, now, strict=True))


def find(path: Path) -> Standing:
    """The files as they are now."""
    return Standing(found(path), found(path.with_name(f"{path.name}-wal")))


def found(path: Path) -> Found | None:
    """A file as it is now; None if there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return Found(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)


class Mark(NamedTuple):
    """Which file it is and how often it was written: the file and the lock beside it both know it.

    A file that lags behind the lock is an older one: its log was lost, or a copy was put back.
    """

    file: str
    """Made up when the tables were made, 16 hex digits."""
    writes: int

    def follows(self, noted: "Mark") -> bool:
        """True if the file has all that was in it when the lock noted the mark."""
        return self.file == noted.file and self.writes >= noted.writes
