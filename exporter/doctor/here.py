"""What can be found out on this machine: whether the state can be kept, and whether the ports are free."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

from exporter.config import Config, ListenAddress, StorageConfig, WebConfig, cannot_listen
from exporter.doctor.finding import Area, Finding, Verdict
from exporter.healthcheck import check_ready
from exporter.store import StoreError, place, rehearse
from exporter.store.lock import is_locked
from exporter.web.sockets import CannotListen, open_sockets

VOLATILE = {
    "tmpfs": "it is in memory: a restart of the machine, or of the container, deletes it",
    "ramfs": "it is in memory: a restart of the machine deletes it",
    "overlay": "in a container that is its own layer, which is deleted with the container",
}
"""File systems whose files may not outlive what an exporter's state should outlive."""
_DURABLE = "keep it on a disk: --storage.path=FILE, in a container on a volume"
_GIB = 1 << 30


async def look_here(config: Config) -> AsyncIterator[Finding]:
    """Yield the findings."""
    for finding in state_file(config.storage):
        yield finding
    running = exporter_runs(config.storage.path)
    for address in config.web.addresses:
        yield await _port(address, config.web, config.storage.path, running=running)
    if config.web.systemd_socket:
        yield Finding(Area.PORT, Verdict.OK, "systemd opens the sockets")


def exporter_runs(path: Path | None) -> bool:
    """Return whether an exporter has the state file open; False if that can't be found out."""
    try:
        return path is not None and is_locked(path)
    except OSError:
        return False


def state_file(storage: StorageConfig) -> Iterator[Finding]:
    """Yield whether the state can be kept, and where."""
    if storage.path is None:
        yield Finding(Area.STATE_FILE, Verdict.OK, "none is kept: counters begin at zero at each start")
        return
    try:
        warnings = rehearse(storage.path)
    except StoreError as error:
        yield Finding(Area.STATE_FILE, Verdict.PROBLEM, str(error).rstrip("."), _small(error.fix))
        return
    path = Path(os.path.realpath(storage.path))
    system = place.file_system(path)
    free = place.free_bytes(next(parent for parent in path.parents if parent.exists()))
    parts = [f"{storage.path} can be written" + (f", on {system}" if system else "")]
    if free is not None:
        parts.append(f"{free / _GIB:.1f} GiB free")
    if exporter_runs(storage.path):
        parts.append("an exporter is running with it")
    values = {"path": str(storage.path), "file_system": system}
    yield Finding(Area.STATE_FILE, Verdict.OK, ", ".join(parts), values=values)
    for warning in warnings:
        yield Finding(Area.STATE_FILE, Verdict.WARNING, warning.rstrip("."))
    if system in VOLATILE:
        yield Finding(Area.STATE_FILE, Verdict.WARNING, f"on {system}: {VOLATILE[system]}", _DURABLE)


async def _port(address: ListenAddress, web: WebConfig, path: Path | None, *, running: bool) -> Finding:
    """Return whether the exporter can listen on an address: for an instant it is listened on."""
    try:
        (await open_sockets([address])).close()
    except CannotListen as error:
        ((_, refusal),) = error.failures
    else:
        return Finding(Area.PORT, Verdict.OK, f"{address} is free")
    answers = False
    if refusal.errno == errno.EADDRINUSE:
        answers = not await asyncio.to_thread(check_ready, replace(web, addresses=(address,)))
    if answers and running:
        return Finding(Area.PORT, Verdict.OK, f"the exporter that is running with this state file answers on {address}")
    problem = cannot_listen(address, refusal)
    if answers and path is None:
        what = f"{problem.what.rstrip('.')}, which answers as an exporter does"
        return Finding(Area.PORT, Verdict.WARNING, what, f"if it isn't this exporter: {_small(problem.fix)}")
    return Finding(Area.PORT, Verdict.PROBLEM, problem.what.rstrip("."), _small(problem.fix))


def _small(sentence: str) -> str:
    """Return the advice of a configuration error with a small letter, as those of lnd's errors begin."""
    return sentence[:1].lower() + sentence[1:]
