"""Decide where the state file is."""

from collections.abc import Mapping
from pathlib import Path

from exporter.config.model import StorageConfig
from exporter.config.problems import InvalidValue, Problem
from exporter.config.raw import RawValues, optional_value, value
from exporter.config.storage_settings import (
    STORAGE_ENDED,
    STORAGE_ENDED_DESTINATIONS,
    STORAGE_MEMORY,
    STORAGE_PATH,
    STORAGE_RESET,
)

STATE_FILE = "state.sqlite"


def read_storage(raw: RawValues, environ: Mapping[str, str], problems: list[Problem]) -> StorageConfig:
    """Return the state file that is given, else the default one of this user; no file with `--storage.memory`."""
    path, reset = raw.get(STORAGE_PATH.name), optional_value(raw, STORAGE_RESET, problems)
    destinations = value(raw, STORAGE_ENDED_DESTINATIONS, problems)
    ended = value(raw, STORAGE_ENDED, problems)
    if value(raw, STORAGE_MEMORY, problems):
        list_ = raw.get(STORAGE_ENDED.name) if ended else None
        for given in filter(None, (path, raw.get(STORAGE_RESET.name), list_)):
            fix = "Leave one of them out."
            problems.append(Problem(given.where, "has no effect if nothing is kept (--storage.memory).", fix))
        return StorageConfig(None, ended_destinations=destinations)
    try:
        return StorageConfig(path.path if path else state_directory(environ) / STATE_FILE, reset, ended, destinations)
    except InvalidValue as error:
        problems.append(error.at(path.where if path else STORAGE_PATH.flag))
        return StorageConfig(None)


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return systemd's `StateDirectory=`, else the user's XDG state directory; raises `InvalidValue` without a home."""
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    xdg = environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(xdg) if xdg.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError:
        raise InvalidValue(
            "This user has no home directory for the state file.",
            "Give a file: --storage.path=FILE; an exporter may also keep nothing: --storage.memory",
        ) from None
    return base / "lnd-payments-exporter"
