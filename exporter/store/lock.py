"""The lock beside the state: one exporter, one file; and what it tells of a state that is gone."""

import fcntl
import os
import time
from pathlib import Path

from exporter.store.file import Foreign, Locked, is_sqlite

TRIES = 10
PAUSE_S = 0.02
"""Between two tries: who only looks whether the lock is taken has it for less than that."""


class Lock:
    """Keeps a second exporter out; the kernel lets go of it however the process ends.

    Its file outlives the state, if that is removed: it says that there was one.
    """

    def __init__(self, state: Path) -> None:
        """Raises `Locked`, naming the process that has it, `Foreign` if the file has never been ours, and `OSError`."""
        self._path = path = _beside(state)
        if not path.exists() and state.is_file() and not is_sqlite(state):
            raise Foreign(state)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _take(self._file):
            holder = (os.read(self._file, 40).decode(errors="replace").split() or ["unknown"])[0]
            os.close(self._file)
            raise Locked(
                f"another exporter (process {holder}) keeps its state there.",
                "Stop it, or give this one a file of its own: --storage.path=OTHER",
            )
        self.note(self.resets)

    @property
    def resets(self) -> int | None:
        """Resets that the state knew of when it was last written; None if none was written beside this lock."""
        words = os.pread(self._file, 40, 0).split()
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else None

    def note(self, resets: int | None) -> None:
        """Say that a state is written beside this lock; None if it was forgotten on purpose."""
        line = f"{os.getpid()}" if resets is None else f"{os.getpid()} {resets}"
        os.pwrite(self._file, line.encode(), 0)
        os.ftruncate(self._file, len(line))

    def stands(self) -> bool:
        """False if somebody has removed its file: then another exporter could take another one."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others in. The file stays: to remove it would let in two."""
        os.close(self._file)


def is_taken(state: Path) -> bool:
    """True if an exporter keeps its state there now. Raises `OSError` if it can't be told."""
    try:
        file = os.open(_beside(state), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _beside(state: Path) -> Path:
    return state.with_name(state.name + ".lock")


def _take(file: int) -> bool:
    """Lock a file; False if somebody else keeps it locked."""
    for number in range(TRIES):
        time.sleep(PAUSE_S if number else 0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        return True
    return False
