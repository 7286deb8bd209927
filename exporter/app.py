"""The composition root: builds everything, keeps it alive, takes it down again."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from exporter import __version__
from exporter.checkpoint import Checkpoint, looking_up
from exporter.config import AUTO, Config, ConfigError, NodeConfig, Problem, StorageConfig, cannot_listen
from exporter.config.addresses import GRPC, WEBSOCKET
from exporter.follow import Follower, tell_overdue
from exporter.lnd.client import DetailedClient
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.metrics.server import build, serve
from exporter.payments.labels import Mode
from exporter.payments.overdue import Limits
from exporter.payments.payment import Moment
from exporter.progress import best_display, tell
from exporter.store import Store, StoreError, rehearse


def clocks() -> Moment:
    """Now, on both clocks: the one place where payments get their times from us."""
    return Moment(time.time_ns(), time.monotonic_ns())


async def run(config: Config, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve and follow until cancelled; a bug in one task ends all of them, loudly.

    `on_ready` gets the address on which metrics are served, once they are. Raises `ConfigError` if they can't be, or
    if the state can't be kept.
    """
    store = _open(config.storage)
    try:
        await _run(config, store, on_ready)
    finally:
        if store is not None:
            store.close()


async def _run(config: Config, store: Store | None, on_ready: Callable[[str], None] | None) -> None:
    followers = [_follower(node, config.max_peers, store) for node in config.nodes]
    if store is not None:
        _resume(store, followers)
    accounts = [follower.account for follower in followers]
    checkpoint = Checkpoint(accounts, store)
    app = build(checkpoint.instant, config.web.telemetry_path)
    try:
        runner, port = await serve(app, config.web.host, config.web.port)
    except OSError as error:
        raise ConfigError([cannot_listen(config.web.address, error)]) from None
    log = structlog.get_logger("exporter.app")
    display = best_display(config.log.format)
    try:
        log.info(
            "serving metrics",
            address=f"{config.web.host}:{port}",
            nodes=len(followers),
            version=__version__,
            state=str(config.storage.path or "memory only"),
        )
        if on_ready is not None:
            on_ready(f"{config.web.host or 'localhost'}:{port}")
        async with asyncio.TaskGroup() as group:
            for follower in followers:
                group.create_task(follower.run(), name=f"follow {follower.account.name}")
            group.create_task(checkpoint.keep(), name="checkpoint")
            group.create_task(tell(accounts, display), name="progress")
            limits = Limits(config.log.open_after_s, config.log.blocks_left)
            group.create_task(tell_overdue(accounts, limits, checkpoint.instant), name="overdue")
    finally:
        await runner.cleanup()
        await checkpoint.finish()
        log.info("stopped")


def forget(config: Config) -> str:
    """Forget what is kept of a node (`--storage.reset`); what there is to say. Raises `ConfigError`."""
    store, node = _open(config.storage), config.storage.reset
    if store is None or node is None:
        return "Nothing is kept."
    try:
        if store.set_aside is not None:
            problem = f"{store.path} could not be read ({store.broken}): it is now {store.set_aside}."
            fix = "Nothing is kept of any node any more; the next start begins at zero."
            raise ConfigError([Problem("--storage.path", problem, fix)])
        if store.forget(node):
            return f"Nothing is kept of {node} any more."
        others = f" Kept is something of {', '.join(store.nodes())}." if store.nodes() else ""
        return f"Nothing was kept of {node}.{others}"
    finally:
        store.close()


def check(storage: StorageConfig) -> list[str]:
    """Try whether the state can be kept where it should be, and leave no trace. Raises `ConfigError`.

    Returns what a person should know about the place all the same.
    """
    if storage.path is None:
        return []
    with _as_problem():
        return rehearse(storage.path)


def _open(storage: StorageConfig) -> Store | None:
    if storage.path is None:
        return None
    with _as_problem():
        return Store(storage.path)


@contextmanager
def _as_problem() -> Iterator[None]:
    """A state that can't be kept there is a wrong configuration."""
    try:
        yield
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix)]) from None


def _resume(store: Store, followers: list[Follower]) -> None:
    """Go on where the last process was."""
    log = structlog.get_logger("exporter.app")
    if store.broken:
        old = {"old": str(store.set_aside)} if store.set_aside else {}
        log.error(
            "the state could not be read: all counters begin at zero", path=str(store.path), reason=store.broken, **old
        )
    if store.fell:
        log.error("the state is older than what was shown: counters go back", path=str(store.path), reason=store.fell)
    for warning in store.warnings:
        log.warning(warning)
    for histogram in sorted(store.restarted):
        log.warning("a histogram has other buckets than before: it begins at zero", histogram=histogram)
    for follower in followers:
        account = follower.account
        saved = store.load(account.name)
        if saved is not None:
            account.resume(saved)
            log.info("counting goes on", node=account.name, in_flight=len(account.tracker.open), path=str(store.path))


def _follower(node: NodeConfig, max_peers: int, store: Store | None) -> Follower:
    counted = looking_up(store, node.name) if store else None
    mode = None if node.mode == AUTO else Mode(node.mode)
    return Follower(
        node.name,
        client_of(node),
        now=clocks,
        max_peers=max_peers,
        counted=counted,
        mode=mode,
        final_only=node.final_only,
    )


def client_of(node: NodeConfig) -> DetailedClient:
    """How this node is asked; not yet connected."""
    way: dict[str, Any] = {"proxy": node.proxy, "server_name": node.tls_server_name}
    if node.transport == GRPC:
        return GrpcClient(node.address, node.tls_cert, node.macaroon, **way)
    return RestClient(node.address, node.tls_cert, node.macaroon, websocket=node.transport == WEBSOCKET, **way)
