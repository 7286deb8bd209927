"""Read a file, or explain why it can't be read and what is there instead."""

import os
import pwd
from pathlib import Path

from exporter.config.problems import InvalidValue

LARGEST = 1 << 20
"""The largest file that is read, bytes."""
SHOWN = 8
"""A directory with more names than this is not listed: only the names that may be meant are."""
LIKELY = (".macaroon", ".cert", ".pem", ".yml", ".yaml")
_DESCRIPTORS = (Path("/dev/fd"), Path("/proc/self/fd"))
"""Here a shell puts the output of a command (`--config.file=<(...)`), which ends."""
SIMILAR = 0.6
"""Cutoff of `difflib` for names that may be meant."""


def read(path: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a file of at most `largest` bytes; raises `InvalidValue`."""
    try:
        if path.is_fifo() and path.parent not in _DESCRIPTORS:
            raise InvalidValue(f"{path} is a named pipe: reading it could wait for ever.", "Give a regular file.")
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidValue(f"{path} does not exist.", _nearby(path)) from None
    except IsADirectoryError:
        raise InvalidValue(f"{path} is a directory, not a file.", _contents(path, "")) from None
    except PermissionError:
        raise may_not_read(path) from None
    except OSError as error:
        raise cannot_read(path, error) from None
    if len(content) > largest:
        raise InvalidValue(
            f"{path} is larger than {'a mebibyte' if largest == LARGEST else _size(largest)}.",
            "Give the path of the right file.",
        )
    return content


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= LARGEST else f"{count >> 10} KiB"


def cannot_read(path: Path, error: OSError) -> InvalidValue:
    """Return the error for rare reasons, such as a name that is too long."""
    return InvalidValue(f"{path} can't be read: {error.strerror}.", "Give the right path.")


def may_not_read(path: Path) -> InvalidValue:
    """Return the error that names the part of the path that is closed to this user."""
    try:
        user = f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        user = f"the user with the number {os.geteuid()}"
    closed = [parent for parent in path.parents if not os.access(parent, os.X_OK, effective_ids=True)]
    if closed:
        return InvalidValue(
            f"{path} can't be reached: {user} may not enter {closed[-1]}.",
            f"Copy the file to a place that {user} may read, or allow it to enter (chmod or chgrp on the directory).",
        )
    return InvalidValue(f"{path} may not be read by {user}.", "Allow that (chmod or chgrp), or run as the owner.")


def _nearby(path: Path) -> str:
    """Return advice: what was probably meant, or how far the path leads and what is there."""
    if path.name[-1:] in ("'", '"'):
        return "Leave out the quotation marks: here they are part of the name."
    try:
        there = next(parent for parent in path.parents if parent.is_dir())
        names = sorted(entry.name for entry in there.iterdir())
        deeper = sorted(there.glob(f"data/chain/bitcoin/*/{path.name}"))
    except OSError:
        return "Give the path of the file; in a container: is the volume mounted?"
    import difflib

    missing = path.relative_to(there).parts[0]
    close = [there / name for name in difflib.get_close_matches(missing, names, n=1, cutoff=0.85)]
    if guess := deeper or close:
        return f"Did you mean {guess[0]}?"
    return f"There is {there}, but no {missing} in it. {_contents(there, missing)}"


def _contents(directory: Path, missing: str) -> str:
    """Return a sentence with the names in a directory, likely ones first; of many only those that may be meant."""
    try:
        names = sorted((entry.name for entry in directory.iterdir()), key=_unlikely)
    except OSError:
        return "Give the path of the file."
    if not names:
        return "It is empty; in a container: is the volume mounted?"
    import difflib

    if len(names) <= SHOWN:
        return f"It contains {', '.join(names)}."
    similar = difflib.get_close_matches(missing, names, n=SHOWN, cutoff=SIMILAR)
    likely = similar or [name for name in names if name.endswith(LIKELY)][:SHOWN]
    return f"It contains, among others, {', '.join(likely)}." if likely else "Give the path of the file."


def _unlikely(name: str) -> tuple[bool, bool, str]:
    return not name.endswith(LIKELY), name.startswith("."), name
