"""The composition root: builds all objects, runs their tasks, and closes them."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from exporter import __version__
from exporter.checkpoint import Checkpoint, counted_lookup
from exporter.config import AUTO, Config, ConfigError, NodeConfig, Problem, StorageConfig, cannot_listen
from exporter.config.addresses import GRPC, WEBSOCKET
from exporter.follow import Follower, log_overdue
from exporter.lnd.client import DetailedClient
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Mode
from exporter.payments.overdue import Limits
from exporter.payments.payment import Moment
from exporter.progress import best_display, report_progress
from exporter.store import Store, StoreError, rehearse
from exporter.web.server import build_app, serve


def current_moment() -> Moment:
    """Return the present moment on both clocks; the only source of our own times for payments."""
    return Moment(time.time_ns(), time.monotonic_ns())


async def run(config: Config, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve metrics and follow all nodes until cancelled; an unexpected exception in one task ends all of them.

    `on_ready` is called with the address of the server as soon as it listens. Raises `ConfigError` if the address can't
    be used or the state can't be kept.
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
    app = build_app(checkpoint.durable_page, config.web.telemetry_path, checkpoint.nodes)
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
            group.create_task(checkpoint.run(), name="checkpoint")
            group.create_task(report_progress(accounts, display), name="progress")
            limits = Limits(config.log.open_after_s, config.log.blocks_left)
            group.create_task(log_overdue(accounts, limits, checkpoint.durable_page), name="overdue")
    finally:
        await runner.cleanup()
        await checkpoint.finish()
        log.info("stopped")


def forget(config: Config) -> str:
    """Delete everything about one node from the state (`--storage.reset`). Return a message. Raises `ConfigError`."""
    store, node = _open(config.storage), config.storage.reset
    if store is None or node is None:
        return "Nothing is kept."
    try:
        if store.set_aside is not None:
            problem = f"{store.path} could not be read ({store.replace_reason}): it is now {store.set_aside}."
            fix = "Nothing is kept of any node any more; the next start begins at zero."
            raise ConfigError([Problem("--storage.path", problem, fix)])
        if store.forget(node):
            return f"Nothing is kept of {node} any more."
        others = f" Kept is something of {', '.join(store.nodes())}." if store.nodes() else ""
        return f"Nothing was kept of {node}.{others}"
    finally:
        store.close()


def check(storage: StorageConfig) -> list[str]:
    """Check whether the state can be kept at its path, and leave no trace. Raises `ConfigError`.

    Returns warnings for the operator.
    """
    if storage.path is None:
        return []
    with _as_config_error():
        return rehearse(storage.path)


def _open(storage: StorageConfig) -> Store | None:
    if storage.path is None:
        return None
    with _as_config_error():
        return Store(storage.path)


@contextmanager
def _as_config_error() -> Iterator[None]:
    """Convert a `StoreError` to a `ConfigError` of `--storage.path`."""
    try:
        yield
    except StoreError as error:
        raise ConfigError([Problem("--storage.path", str(error), error.fix)]) from None


def _resume(store: Store, followers: list[Follower]) -> None:
    """Log the condition of the state, and resume each node from it."""
    log, path = structlog.get_logger("exporter.app"), str(store.path)
    if reason := store.replace_reason:
        old = {"old": str(store.set_aside)} if store.set_aside else {}
        log.error("the state could not be read: all counters begin at zero", path=path, reason=reason, **old)
    if reason := store.older_reason:
        log.error("the state is older than what was shown: counters go back", path=path, reason=reason)
    for warning in store.warnings:
        log.warning(warning)
    for histogram in sorted(store.restarted):
        log.warning("a histogram has other buckets than before: it begins at zero", histogram=histogram)
    for follower in followers:
        account = follower.account
        saved = store.load(account.name)
        if saved is not None:
            account.resume(saved)
            log.info("counting goes on", node=account.name, in_flight=len(account.tracker.open), path=path)


def _follower(node: NodeConfig, max_peers: int, store: Store | None) -> Follower:
    counted = counted_lookup(store, node.name) if store else None
    mode = None if node.mode == AUTO else Mode(node.mode)
    return Follower(
        node.name,
        client_of(node),
        now=current_moment,
        max_peers=max_peers,
        counted=counted,
        mode=mode,
        final_only=node.final_only,
    )


def client_of(node: NodeConfig) -> DetailedClient:
    """Return the client for a node's transport, not yet connected."""
    options: dict[str, Any] = {"proxy": node.proxy, "server_name": node.tls_server_name}
    if node.transport == GRPC:
        return GrpcClient(node.address, node.tls_cert, node.macaroon, **options)
    return RestClient(node.address, node.tls_cert, node.macaroon, websocket=node.transport == WEBSOCKET, **options)
