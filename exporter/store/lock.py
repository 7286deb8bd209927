"""The lock file beside the state: it keeps a second exporter out, and records what the state last contained."""

import fcntl
import os
import re
import struct
import sys
from pathlib import Path
from typing import NamedTuple

from exporter.store import place
from exporter.store.errors import Foreign, Locked
from exporter.store.file import is_sqlite
from exporter.store.file_identity import Mark

_HAS_OFD_LOCKS = sys.platform == "linux"
"""True if the kernel has open file description locks (`F_OFD_SETLK`) with the layout of `_FLOCK`."""
_LOCKED_BYTE = 1 << 30
"""Offset of the locked byte: behind the content, because on SMB no other process can read a locked byte."""
_FLOCK = "hhqqi"
"""`struct flock` of Linux with 64-bit offsets: type, whence, start, length, process."""
_CONTENT_BYTES = 200
"""Size of the lock file, with blanks at the end."""


class LockRecord(NamedTuple):
    """The part of the state that the lock file repeats, for a start that finds no state or an older one."""

    corrupt: int
    """How often the state was reset because it was `Reset.CORRUPT`."""
    older: int = 0
    """How often the state was reset because it was `Reset.OLDER`."""
    mark: Mark | None = None
    """Mark of the state; None if an exporter wrote the record that had no marks."""


class Lock:
    """A lock that keeps a second exporter out; the kernel releases it however the process ends.

    On Linux it is an open file description lock (`F_OFD_SETLK`), because the kernel can be asked about it
    (`F_OFD_GETLK`). Elsewhere it is flock(2); asking about that means taking it for an instant.

    The lock file stays if the state is removed: its record shows that there was a state.
    """

    def __init__(self, state: Path) -> None:
        """Take the lock. Raises `Locked`, which names the process that has it, and `OSError`."""
        self._path = path = _lock_path(state)
        self._file = place.create(path, like=state)
        try:
            _acquire(self._file, remote=place.is_remote(path))
        except (BlockingIOError, PermissionError):  # POSIX allows either error
            holder = (os.read(self._file, _CONTENT_BYTES).decode(errors="replace").split() or ["unknown"])[0]
            os.close(self._file)
            raise Locked(
                f"another exporter (process {holder}) keeps its state there.",
                "Stop it, or give this one a file of its own: --storage.path=OTHER",
            ) from None
        except BaseException:
            os.close(self._file)
            raise
        self.write(self.record)

    @property
    def record(self) -> LockRecord | None:
        """The record of the last write of the state; None if no state was written, or it was forgotten on purpose."""
        content = os.pread(self._file, _CONTENT_BYTES, 0).decode(errors="replace").rstrip(" ")
        match = re.fullmatch(r"\d+ (\d+)(?: ([0-9a-f]+) (\d+) (\d+))?", content, re.ASCII)
        if match is None:
            return None
        corrupt, name, writes, older = match.groups(default="")
        return LockRecord(int(corrupt), int(older), Mark(name, int(writes))) if name else LockRecord(int(corrupt))

    def write(self, record: LockRecord | None) -> None:
        """Replace the record, and the number of the process in front of it; None removes the record."""
        fields: list[int | str] = [os.getpid()]
        if record is not None:
            fields += [record.corrupt, *(record.mark or ()), *([record.older] if record.mark else [])]
        content = " ".join(map(str, fields))
        # One write: a kill never leaves the end of an older record.
        os.pwrite(self._file, content.ljust(_CONTENT_BYTES).encode(), 0)

    def sync(self) -> None:
        """Flush the record to disk, so that it survives a power cut."""
        os.fsync(self._file)

    def in_place(self) -> bool:
        """Return False if the lock file was removed or replaced: another exporter could take the new one."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Release the lock. The file stays: after its removal two exporters could each lock a file of this name."""
        os.close(self._file)


def refuse_foreign(state: Path) -> None:
    """Raise `Foreign` if the file has never been a state of ours; `OSError` if it can't be read.

    Only for a state that this process doesn't have open: closing the file would drop SQLite's POSIX locks on it.
    """
    if not _lock_path(state).exists() and state.is_file() and not is_sqlite(state):
        raise Foreign(state)


def is_locked(state: Path) -> bool:
    """Return True if an exporter has this state open. Raises `OSError` if that can't be found out.

    On Linux this takes no lock, so an exporter that starts at the same moment is not refused.
    """
    try:
        file = os.open(_lock_path(state), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if _HAS_OFD_LOCKS:
            return _ofd_lock(fcntl.F_OFD_GETLK, file, fcntl.F_RDLCK) != fcntl.F_UNLCK
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _lock_path(state: Path) -> Path:
    return state.with_name(state.name + place.LOCK_SUFFIX)


def _acquire(file: int, *, remote: bool) -> None:
    """Take the lock. Raises `BlockingIOError` or `PermissionError` if another process has it.

    Besides the open file description lock this takes flock(2), the only one that exporters before schema 2 know. Not on
    file systems of several machines: there both are the same kind of lock, and SMB refuses the second one.
    """
    if _HAS_OFD_LOCKS:
        _ofd_lock(fcntl.F_OFD_SETLK, file, fcntl.F_WRLCK)
    if not (_HAS_OFD_LOCKS and remote):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _ofd_lock(command: int, file: int, kind: int) -> int:
    """Set a lock, or ask which lock would prevent that; return the kind of lock that the kernel answers."""
    answer = fcntl.fcntl(file, command, struct.pack(_FLOCK, kind, os.SEEK_SET, _LOCKED_BYTE, 1, 0))
    return int(struct.unpack(_FLOCK, answer)[0])
