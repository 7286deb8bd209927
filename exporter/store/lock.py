"""The lock beside the state: one exporter, one file; and what it tells of a state that is gone."""

import fcntl
import os
from pathlib import Path

from exporter.store.file import Foreign, Locked, is_sqlite


class Lock:
    """Keeps a second exporter out; the kernel lets go of it however the process ends.

    Its file outlives the state, if that is removed: it says that there was one.
    """

    def __init__(self, state: Path) -> None:
        """Raises `Locked`, naming the process that has it, `Foreign` if the file has never been ours, and `OSError`."""
        self._path = path = state.with_name(state.name + ".lock")
        if not path.exists() and state.is_file() and not is_sqlite(state):
            raise Foreign(state)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = (os.read(self._file, 40).decode(errors="replace").split() or ["unknown"])[0]
            os.close(self._file)
            raise Locked(
                f"another exporter (process {holder}) keeps its state there.",
                "Stop it, or give this one a file of its own: --storage.path=OTHER",
            ) from None
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
