"""Errors of the state file and its directory, and how to fix them."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OR_MEMORY = ", or keep nothing: --storage.memory"
"""The end of an advice: it is for an exporter, not for a command that needs the file."""
FIX = f"Let this user write there (chown, chmod), name another file: --storage.path=FILE{OR_MEMORY}"
_FIX_LOCAL_DISK = f"Keep it on a local disk: --storage.path=FILE{OR_MEMORY}"
_FIX_FULL = f"Make room there, name a file on another disk: --storage.path=FILE{OR_MEMORY}"
_FIX_READ_ONLY = f"Mount it writable, name another file: --storage.path=FILE{OR_MEMORY}"
_FIX_BUSY = (
    "Wait until that program is done, or end it; `fuser -v FILE` names it. "
    "On SMB there may be none: mount with the option nobrl, or keep the file on a local disk."
)

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_FIX_OF_ERRNO = {
    **dict.fromkeys(_NO_LOCKS, _FIX_LOCAL_DISK),
    errno.ENOSPC: _FIX_FULL,
    errno.EDQUOT: _FIX_FULL,
    errno.EROFS: _FIX_READ_ONLY,
}
_PRIMARY = 0xFF
"""Mask: the lowest byte of an extended result code of SQLite is the primary code."""
_NO_SHARED_MEMORY = (
    sqlite3.SQLITE_CANTOPEN,  # also raised for the shared-memory file (-shm)
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_PROTOCOL,
)
_LOCKS_FAIL = (sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK)


class StoreError(Exception):
    """The state can't be kept in this place: the message is the problem, `fix` is the advice."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


class Locked(StoreError):
    """Another exporter has the state open."""


class Busy(StoreError):
    """Another program, not an exporter, holds a lock that prevents writing; file and disk are all right."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"another program holds a lock on {path} ({reason}).", _FIX_BUSY)


class TooNew(StoreError):
    """A newer exporter has written the state."""


class Foreign(StoreError):
    """The file at this path is not the state of an exporter."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not the state of an exporter.", "Name a file of its own: --storage.path=OTHER")


class Broken(sqlite3.DatabaseError):
    """The file is not a readable state; the message is the reason."""


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's extended result code; `SQLITE_ERROR` if Python raised the error itself, without a code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def is_busy(error: sqlite3.Error) -> bool:
    """Return True if another connection holds a lock."""
    return code_of(error) & _PRIMARY in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def lacks_shared_memory(error: sqlite3.Error) -> bool:
    """Return True if the disk can't hold SQLite's write-ahead log, which needs a file shared as memory (-shm)."""
    return code_of(error) in _NO_SHARED_MEMORY


def is_short_read(error: sqlite3.Error) -> bool:
    """Return True if a file ended before the end of a page."""
    return code_of(error) == sqlite3.SQLITE_IOERR_SHORT_READ


def is_transient(error: sqlite3.Error) -> bool:
    """Return True if the error is not the file's fault and may go away: disk full, no permission, I/O error, lock."""
    return isinstance(error, sqlite3.OperationalError) and code_of(error) != sqlite3.SQLITE_ERROR


@contextmanager
def as_store_error(path: Path, done: str) -> Iterator[None]:
    """Convert an `OSError` or `sqlite3.Error` to a `StoreError`: why `path` can't be `done` (such as "written")."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_LOCKS:
            reason = f"{reason}: the file system has no locks, so nothing would keep a second exporter out"
        fix = _FIX_OF_ERRNO.get(error.errno or 0, FIX)
        raise StoreError(f"{error.filename or path} can't be {done} ({reason}).", fix) from None
    except sqlite3.Error as error:
        if is_busy(error):
            raise Busy(path, error) from None
        code = code_of(error)
        reason, fix = str(error), FIX
        if code in _LOCKS_FAIL:
            reason, fix = f"{reason}: the file system has no locks that work", _FIX_LOCAL_DISK
        elif code & _PRIMARY == sqlite3.SQLITE_FULL:
            fix = _FIX_FULL
        raise StoreError(f"{path} can't be {done} ({reason}).", fix) from None
