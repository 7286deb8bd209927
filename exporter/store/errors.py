"""What can be wrong with the place of the state or with the file, and what a person can do about it."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIX = (
    "Let this user write there (chown, chmod), name another file: --storage.path=FILE, "
    "or keep nothing: --storage.memory"
)
LOCAL = "Keep it on a local disk: --storage.path=FILE, or keep nothing: --storage.memory"
_ROOM = "Make room there, name a file on another disk: --storage.path=FILE, or keep nothing: --storage.memory"
_READ_ONLY = "Mount it writable, name another file: --storage.path=FILE, or keep nothing: --storage.memory"
_HELD = (
    "Wait until that program is done, or end it; `fuser -v FILE` names it. "
    "On SMB there may be none: mount with the option nobrl, or keep the file on a local disk."
)

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_FIX_OF_ERRNO = {
    **dict.fromkeys(_NO_LOCKS, LOCAL),
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _READ_ONLY,
}
_PRIMARY = 0xFF
"""The lowest byte of an extended code of SQLite is the code that it extends."""
_NO_SHARED_MEMORY = (
    sqlite3.SQLITE_CANTOPEN,  # also of the file that is to be shared
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMLOCK,
    sqlite3.SQLITE_PROTOCOL,
)
_LOCKS_FAIL = (sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_IOERR_UNLOCK)


class StoreError(Exception):
    """The state can't be kept there: what is wrong, and `fix`, what would be right."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


class Locked(StoreError):
    """Another exporter has it open."""


class Busy(StoreError):
    """Another program, which is no exporter, keeps us from writing; nothing is wrong with file or disk."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"another program holds a lock on {path} ({reason}).", _HELD)


class TooNew(StoreError):
    """A newer exporter has written it."""


class Foreign(StoreError):
    """Something else is kept there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not the state of an exporter.", "Name a file of its own: --storage.path=OTHER")


class Broken(sqlite3.DatabaseError):
    """What is there is no state that we could read; the message says why."""


def code_of(error: sqlite3.Error) -> int:
    """SQLite's extended code; `SQLITE_ERROR` where Python itself raised the error, and there is none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)


def is_busy(error: sqlite3.Error) -> bool:
    """True if another connection holds a lock."""
    return code_of(error) & _PRIMARY in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def lacks_shared_memory(error: sqlite3.Error) -> bool:
    """True if SQLite's log can't be used there, because it needs memory that processes share by a file."""
    return code_of(error) in _NO_SHARED_MEMORY


def short_of_bytes(error: sqlite3.Error) -> bool:
    """True if a file ends where there should be more of it."""
    return code_of(error) == sqlite3.SQLITE_IOERR_SHORT_READ


def passing(error: sqlite3.Error) -> bool:
    """True if it may be well again without anybody's doing: no room, no right, no answer."""
    return isinstance(error, sqlite3.OperationalError) and code_of(error) != sqlite3.SQLITE_ERROR


@contextmanager
def explained(path: Path, done: str) -> Iterator[None]:
    """Turn what the system or SQLite says into a `StoreError`: that the file can't be `done` ("written"), and why."""
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
            reason, fix = f"{reason}: the file system has no locks that work", LOCAL
        elif code & _PRIMARY == sqlite3.SQLITE_FULL:
            fix = _ROOM
        raise StoreError(f"{path} can't be {done} ({reason}).", fix) from None
