"""The web file while the exporter runs: read again when it or a file that it names has changed."""

import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from exporter.config.problems import ConfigError, InvalidValue
from exporter.config.servercontext import server_context
from exporter.config.webfile import WebFileError, read_web_file
from exporter.config.webmodel import WebFile

UNSETTLED_NS = 100_000_000
"""A file that was written so recently is read once more: clocks of file systems have ticks of some milliseconds."""
RETRY_S = 5.0
"""What can't be used is tried again after this time even if nothing has changed: the reason may be elsewhere."""
RETRY_SHARE = 50
"""So many times as long as the last try took is the least time until the next: requests wait for it."""

_Signature = tuple[object, ...]


class WatchedFile:
    """The content of the file that is in force, and what is made of it."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        """Read the file. Raises `ConfigError` if it can't be used."""
        self.path = path
        self.file = WebFile()
        self.context: ssl.SSLContext | None = None
        self._clock = clock
        self._files: tuple[Path, ...] = (path,)
        self._seen: _Signature | None = None
        self._reason = ""
        self._retry_at_s = 0.0
        self._log = structlog.get_logger("exporter.web.security")
        self._take(self._read())

    @property
    def held_back(self) -> bool:
        """Whether the last look at the file found something that can't be used, so that older content is in force."""
        return bool(self._reason)

    def refresh(self) -> bool:
        """Read the file again if something has changed; return whether its content has. Never raises."""
        signature = _signature(self._files)
        due = bool(self._reason) and self._clock() >= self._retry_at_s
        if signature is not None and signature == self._seen and not due:
            return False
        began_s = self._clock()
        try:
            file = self._read()
            if weaker := file.weaker_than(self.file):
                fix = "Restart the exporter if that is meant; a file that is being written may look like this"
                self._complain(began_s, f"it takes away {weaker}, which only a restart does. {fix}")
                return False
            changed = file != self.file
            if changed:
                self._take(file)
        except ConfigError as error:
            self._complain(began_s, "; ".join(f"{problem.where}: {problem.what}" for problem in error.problems))
            return False
        except Exception as error:  # noqa: BLE001 - a bug here must not stop connections
            self._complain(began_s, f"a bug, please report it: {type(error).__name__}")
            return False
        if self._reason:
            self._log.info("the web configuration can be used again", path=str(self.path), web=file.summary)
        elif changed:
            self._log.info("the web configuration has changed", path=str(self.path), web=file.summary)
        self._reason = ""
        return changed

    def _take(self, file: WebFile) -> None:
        try:
            context = server_context(file.tls) if file.tls else None
        except InvalidValue as error:
            raise WebFileError([error.at(str(self.path))], file.files) from None
        self.file, self.context = file, context

    def _read(self) -> WebFile:
        """Read the file, and remember how it and the files that it names looked before they were read."""
        while True:
            self._seen = _signature(self._files)
            known = set(self._files)
            try:
                file = read_web_file(self.path)
            except WebFileError as error:
                self._files = error.files
                if known.issuperset(error.files):
                    raise
            else:
                self._files = file.files
                if known.issuperset(file.files):
                    return file
            # It isn't known how the other files looked before they were read: once more.

    def _complain(self, began_s: float, reason: str) -> None:
        """Log why the last good content stays in force, once for each reason."""
        now_s = self._clock()
        self._retry_at_s = now_s + max(RETRY_S, RETRY_SHARE * (now_s - began_s))
        if reason != self._reason:
            text = "the web configuration can't be used: the last good one stays in force"
            self._log.error(text, path=str(self.path), reason=reason)
        self._reason = reason


def _signature(files: Iterable[Path]) -> _Signature | None:
    """Return what changes with the files; None if one was written just now, so that it may change unnoticed."""
    found: list[object] = []
    for file in files:
        try:
            status = file.stat()
        except (OSError, ValueError) as error:
            found.append(str(error))
            continue
        if abs(time.time_ns() - status.st_mtime_ns) < UNSETTLED_NS:
            return None
        found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)
