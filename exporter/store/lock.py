"""The lock beside the state: one exporter, one file; and what it tells of a state that is gone."""

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
from exporter.store.standing import Mark

_RECORD_LOCKS = sys.platform == "linux"
"""True where open files have record locks (`F_OFD_SETLK`), laid out as in `_FLOCK`."""
_LOCKED_BYTE = 1 << 30
"""The one that is locked: behind all that is read, for on SMB nobody else can read what is locked."""
_FLOCK = "hhqqi"
"""`struct flock` of Linux with 64-bit offsets: type, whence, start, length, process."""


_LINE = 200
"""Bytes of the file, blanks at the end included."""


class Noted(NamedTuple):
    """What the lock repeats of the state, for a start that finds no state, or an older one."""

    corrupt: int
    """`Reset.CORRUPT` by the state."""
    older: int = 0
    """`Reset.OLDER` by the state."""
    mark: Mark | None = None
    """None if an exporter wrote it that had no marks."""


class Lock:
    """Keeps a second exporter out; the kernel lets go of it however the process ends.

    On Linux it is a record lock of the open file (`F_OFD_SETLK`), because the kernel can be asked about it
    (`F_OFD_GETLK`). Elsewhere it is flock(2); to ask about that means to take it for an instant.

    The file outlives the state, if that is removed: it says that there was one.
    """

    def __init__(self, state: Path) -> None:
        """Raises `Locked`, naming the process that has it, and `OSError`."""
        self._path = path = _beside(state)
        self._file = place.create(path, like=state)
        try:
            _take(self._file, remote=place.is_remote(path))
        except (BlockingIOError, PermissionError):  # POSIX leaves it to the file system which of the two it is
            holder = (os.read(self._file, _LINE).decode(errors="replace").split() or ["unknown"])[0]
            os.close(self._file)
            raise Locked(
                f"another exporter (process {holder}) keeps its state there.",
                "Stop it, or give this one a file of its own: --storage.path=OTHER",
            ) from None
        except BaseException:
            os.close(self._file)
            raise
        self.note(self.noted)

    @property
    def noted(self) -> Noted | None:
        """What was said of the state when it was last written; None if none was written beside this lock."""
        line = os.pread(self._file, _LINE, 0).decode(errors="replace").rstrip(" ")
        told = re.fullmatch(r"\d+ (\d+)(?: ([0-9a-f]+) (\d+) (\d+))?", line, re.ASCII)
        if told is None:
            return None
        corrupt, name, writes, older = told.groups(default="")
        return Noted(int(corrupt), int(older), Mark(name, int(writes))) if name else Noted(int(corrupt))

    def note(self, noted: Noted | None) -> None:
        """Say that a state is written beside this lock; None if it was forgotten on purpose."""
        words: list[int | str] = [os.getpid()]
        if noted is not None:
            words += [noted.corrupt, *(noted.mark or ()), *([noted.older] if noted.mark else [])]
        line = " ".join(map(str, words))
        os.pwrite(self._file, line.ljust(_LINE).encode(), 0)  # all at once: a kill leaves nothing of a longer line

    def reach_the_disk(self) -> None:
        """Let what was noted survive a power cut."""
        os.fsync(self._file)

    def stands(self) -> bool:
        """False if somebody has removed its file: then another exporter could take another one."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others in. The file stays: to remove it would let in two."""
        os.close(self._file)


def refuse_foreign(state: Path) -> None:
    """Raises `Foreign` if the file has never been ours; `OSError` if it can't be read.

    Only for a state that this process doesn't have open: to close it would end SQLite's own locks.
    """
    if not _beside(state).exists() and state.is_file() and not is_sqlite(state):
        raise Foreign(state)


def is_taken(state: Path) -> bool:
    """True if an exporter keeps its state there now. Raises `OSError` if it can't be told.

    On Linux no lock is taken for that, so that no exporter is refused that starts at that moment.
    """
    try:
        file = os.open(_beside(state), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if _RECORD_LOCKS:
            return _record_lock(fcntl.F_OFD_GETLK, file, fcntl.F_RDLCK) != fcntl.F_UNLCK
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(file)


def _beside(state: Path) -> Path:
    return state.with_name(state.name + place.LOCK)


def _take(file: int, *, remote: bool) -> None:
    """Raises `BlockingIOError` or `PermissionError` if another process has the lock.

    With a record lock flock(2) is taken as well, for exporters before schema 2 know nothing else. Not on file systems
    of several machines: there both are the same kind of lock, and SMB refuses the second one.
    """
    if _RECORD_LOCKS:
        _record_lock(fcntl.F_OFD_SETLK, file, fcntl.F_WRLCK)
    if not (_RECORD_LOCKS and remote):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _record_lock(command: int, file: int, kind: int) -> int:
    """Set a lock, or ask which one would be in its way: the kind of lock that the kernel answers."""
    answer = fcntl.fcntl(file, command, struct.pack(_FLOCK, kind, os.SEEK_SET, _LOCKED_BYTE, 1, 0))
    return int(struct.unpack(_FLOCK, answer)[0])
