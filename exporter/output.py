"""Makes stdout raise one error of its own and stderr none, whether they are a pipe, a full disk or closed."""

import io
import os
import select
import sys
from typing import Any, TextIO

STDOUT, STDERR = 1, 2


class StdoutError(Exception):
    """Writing to stdout failed; `args[0]` is the `OSError`."""

    @property
    def why(self) -> OSError:
        """The error of the operating system."""
        error: OSError = self.args[0]
        return error


class _Stdout(io.FileIO):
    """Raises `StdoutError`, which distinguishes its errors from other ones: connections to lnd break, too."""

    def write(self, data: Any, /) -> int:
        """Write the data, waiting for a slow reader; raise `StdoutError` if that fails."""
        try:
            while (written := super().write(data)) is None:  # full, and another program made it non-blocking
                select.select([], [self], [])
        except OSError as error:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self.fileno())  # or Python would flush again at its exit, and print an error of its own
            os.close(devnull)
            raise StdoutError(error) from None
        return written


class _Stderr(io.FileIO):
    """Ignores all errors: an exporter goes on when its log can't be written."""

    def write(self, data: Any, /) -> int:
        """Write the data; return its length even if that failed."""
        try:
            written = super().write(data)
        except OSError:
            written = None
        return len(data) if written is None else written  # None: non-blocking and full


def prepare() -> None:
    """Make `sys.stdout` raise only `StdoutError`, and `sys.stderr` nothing; call this before anything else.

    Closed streams are replaced by /dev/null, so that no other file gets their descriptor: C libraries write there.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass
    os.close(number)
    if sys.stdout is sys.__stdout__:  # unless a test has replaced it
        out = _Stdout(STDOUT, "w", closefd=False)
        # Aliases may hold characters that the encoding lacks.
        sys.stdout = _text_stream(out, sys.stdout, errors="replace", line_buffering=out.isatty())
    if sys.stderr is sys.__stderr__:
        err = _Stderr(STDERR, "w", closefd=False)
        sys.stderr = _text_stream(err, sys.stderr, errors="backslashreplace", line_buffering=True)


def _text_stream(raw: io.FileIO, replaced: TextIO | None, *, errors: str, line_buffering: bool) -> TextIO:
    """Return a text stream with the encoding of the replaced one, UTF-8 if that was closed."""
    encoding = replaced.encoding if replaced is not None else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=line_buffering)
