"""Standard output and standard error, wherever they lead: to a terminal, a pipe, a full disk, nowhere."""

import io
import os
import select
import sys
from typing import Any, TextIO

OUT, ERR = 1, 2


class Unwritable(Exception):
    """Standard output takes no more; `args` holds the `OSError` that says why."""

    @property
    def why(self) -> OSError:
        """What the system said."""
        error: OSError = self.args[0]
        return error


class _Out(io.FileIO):
    """Its errors are told from all others that may occur: lnd's connections break, too."""

    def write(self, data: Any, /) -> int:
        """Raises `Unwritable`."""
        try:
            while (written := super().write(data)) is None:  # another program made it non-blocking, and it is full
                select.select([], [self], [])
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # or Python would try once more at the end, and complain itself
            os.close(nowhere)
            raise Unwritable(error) from None
        return written


class _Err(io.FileIO):
    """What can't be told to anybody is no reason to end: an exporter goes on when its log is gone."""

    def write(self, data: Any, /) -> int:
        """As if it had been written."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written  # None: it is non-blocking, and full


def prepare() -> None:
    """Make `sys.stdout` raise `Unwritable` and no other error, and `sys.stderr` none; call it first of all.

    Streams that were closed lead nowhere afterwards, so that no other file gets their number: C libraries write there.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= ERR:
        pass
    os.close(number)
    if sys.stdout is sys.__stdout__:  # not where a test has put something else there
        out = _Out(OUT, "w", closefd=False)
        sys.stdout = _text(out, sys.stdout, errors="replace", lines=out.isatty())  # peers' names may be any
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Err(ERR, "w", closefd=False), sys.stderr, errors="backslashreplace", lines=True)


def _text(raw: io.FileIO, before: TextIO | None, *, errors: str, lines: bool) -> TextIO:
    """A stream as Python makes it: of the same encoding, and with `lines` written line by line."""
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=lines)
