"""The commands `state export` and `state import`: hand a node's state from one exporter to another."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from exporter.config import Config, ConfigError, Problem
from exporter.config.problems import FILE, NODE, InvalidValue
from exporter.config.values import node_name
from exporter.store.errors import OR_MEMORY, StoreError
from exporter.store.handover import Export, NoNode, export_node, from_bytes, to_bytes
from exporter.store.receive import receive

STDIN = Path("standard input")

STILL_FOLLOWED = (
    "warning: an exporter is running and still follows {node}. What it counts from now on is not in this export; an"
    " exporter that imports it counts these payments, too, so sums over both contain them twice. Stop this exporter"
    " first, or start it without the node, and export again."
)

LARGEST = 2 << 30
"""The largest export that is read, bytes: some fifty million counted payments."""


class WriteError(Exception):
    """An export can't be written: no space, an I/O error. The file has been removed again."""


def export_state(config: Config) -> list[str]:
    """Write the export of a node to a file or to standard output. Raises `ConfigError`, `WriteError`.

    Returns lines for standard error.
    """
    node, (target,) = config.handover.node, config.handover.files
    if target is None and sys.stdout.isatty():
        fix = f"Name a file: state export {node} FILE"
        raise ConfigError([Problem(FILE, "An export is binary, and standard output is a terminal.", fix)])
    assert config.storage.path is not None, "the configuration is refused without a path"
    try:
        export, followed = export_node(config.storage.path, node)
    except NoNode as error:
        raise ConfigError([Problem(NODE, str(error), error.fix)]) from None
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix)]) from None
    content = to_bytes(export)
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        _write_new(target, content)
    at = datetime.fromtimestamp(export.at_ns / 1e9, UTC)
    said = [f"{node}: exported as of {at:%Y-%m-%d %H:%M:%S} UTC, {export.in_flight} in flight"]
    return said + [STILL_FOLLOWED.format(node=node)] * followed


def import_state(config: Config) -> tuple[list[str], list[str]]:
    """Add the nodes of exports to the state file. Raises `ConfigError`.

    Returns lines for standard output, and warnings.
    """
    exports, problems = dict[str, Export](), list[Problem]()
    for path in config.handover.files:
        try:
            export = _read(path or STDIN, stream=path is None)
            node_name(export.node)
        except (StoreError, InvalidValue) as error:
            problems.append(Problem(FILE, str(error.args[0]), error.fix))
            continue
        if export.node in exports:
            what = f"{path or STDIN} has the node {export.node} a second time."
            problems.append(Problem(FILE, what, "Import one of the two."))
        exports[export.node] = export
    if problems:
        raise ConfigError(problems)
    assert config.storage.path is not None, "the configuration is refused without a path"
    try:
        added = receive(config.storage.path, [*exports.values()])
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix.removesuffix(OR_MEMORY))]) from None
    said = [
        f"{node}: {'imported into' if new else 'is already, with the same content, in'} {config.storage.path}"
        for node, new in zip(exports, added, strict=True)
    ]
    warnings = [
        f"warning: {node}: the histogram {histogram} has other buckets here: it begins at zero"
        for node, export in exports.items()
        for histogram in sorted(export.restarted)
    ]
    return said, warnings


def _read(path: Path, *, stream: bool) -> Export:
    with _read_errors(path):
        if stream:
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise StoreError(f"{path} is larger than {LARGEST >> 30} GiB.", "Give a file that `state export` has written.")
    return from_bytes(content, path)


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{path} does not exist.", "Give a file that `state export` has written.") from None
    except IsADirectoryError:
        raise StoreError(f"{path} is a directory.", f"Give the files in it: {path}/*") from None
    except PermissionError:
        fix = "Only its owner may read an export: change the owner, or import it as root."
        raise StoreError(f"{path} can't be read: this user has no permission.", fix) from None
    except OSError as error:
        raise StoreError(f"{path} can't be read ({error.strerror}).", "Give a regular file, or - for a pipe.") from None


def _write_new(path: Path, content: bytes) -> None:
    """Write a new file that only this user can read. Nothing is left of it if that fails."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        what = "is a directory" if path.is_dir() else "exists already"
        raise ConfigError([Problem(FILE, f"{path} {what}.", "Name a new file: nothing is overwritten.")]) from None
    except OSError as error:
        fix = "Name a file in a directory that this user may write to."
        raise ConfigError([Problem(FILE, f"{path} can't be created ({error.strerror}).", fix)]) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise WriteError(f"{path} can't be written ({error.strerror})") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise
