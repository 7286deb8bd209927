"""Writes files for other programs, and replaces only older versions of them."""

import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from exporter.config.command_settings import OUTPUT
from exporter.config.problems import ConfigError, Problem

MODE = 0o644
"""Of a new file: Prometheus and Grafana run as other users."""


class Made(NamedTuple):
    """The content of a file."""

    text: str
    mark: str
    """A part of the text that all versions of this file have, and no other file."""


def write(files: Mapping[Path, Made]) -> None:
    """Write files, each whole or not at all, but none if one of the paths has something else. Raises `ConfigError`."""
    for path, made in files.items():
        _refuse_other(path, made)
    for path, made in files.items():
        try:
            _write(path.resolve(), made.text)
        except OSError as error:
            raise _problem(f"{path} can't be written ({_reason(error, path.resolve().parent)}).") from None


def create_directory(path: Path) -> None:
    """Create a directory, if there is none. Raises `ConfigError`."""
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError:
        raise _problem(f"{path} is a file, not a directory.") from None
    except OSError as error:
        raise _problem(f"{path} can't be created ({_reason(error, path.parent)}).") from None


def _refuse_other(path: Path, made: Made) -> None:
    """Raise `ConfigError` if there is something else at this path."""
    try:
        with suppress(FileNotFoundError, NotADirectoryError):  # not `exists`: a link to itself is there, too
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise _problem(f"{path} is a directory, not a file.")
            if not stat.S_ISREG(mode) or made.mark.encode() not in path.read_bytes():
                raise _problem(f"{path} exists, and is not an older version of this file: it stays as it is.")
    except OSError as error:
        raise _problem(f"{path} can't be read ({error.strerror}).") from None


def _write(path: Path, text: str) -> None:
    """Write a file beside it and rename that. The mode of a file that is replaced is kept."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        new = Path(file.name)
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(MODE)
        with suppress(FileNotFoundError):
            shutil.copymode(path, new)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _reason(error: OSError, parent: Path) -> str | None:
    if isinstance(error, FileNotFoundError | NotADirectoryError) and not parent.is_dir():
        return f"there is no directory {parent}"
    return error.strerror


def _problem(what: str) -> ConfigError:
    return ConfigError([Problem(OUTPUT.flag, what, "Name another path, or a directory that this user may write to.")])
