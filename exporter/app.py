"""The composition root: builds all objects, runs their tasks, and closes them."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from exporter import __version__
from exporter.checkpoint import counted_lookup
from exporter.config import (
    AUTO,
    Config,
    ConfigError,
    ListenAddress,
    LogConfig,
    NodeConfig,
    Problem,
    StorageConfig,
    cannot_listen,
)
from exporter.config.addresses import GRPC, WEBSOCKET
from exporter.follow import Account, EndedLog, Follower, log_overdue
from exporter.lnd.client import ExaminedClient
from exporter.lnd.grpc import GrpcClient
from exporter.nodes import NO_NODE, FollowedNodes
from exporter.payments.labels import Mode
from exporter.payments.payment import Moment
from exporter.progress import best_display, report_progress
from exporter.reload import Reloader, limits_of
from exporter.store import Locked, Store, StoreError, rehearse
from exporter.web.limits import limit_tls_buffers, raise_file_limit
from exporter.web.security import WebSecurity
from exporter.web.server import build_app, serve
from exporter.web.sockets import CannotListen
from exporter.web.systemd import passed_sockets

OnReady = Callable[[Sequence[ListenAddress]], None]
"""Gets the addresses of the server."""


class _Named:
    """Which payments the log names; a reload of the configuration changes it."""

    def __init__(self, config: LogConfig) -> None:
        self.ended = EndedLog()
        self.set(config)

    def set(self, config: LogConfig) -> None:
        """Apply the settings."""
        self.limits = limits_of(config)
        self.ended.which, self.ended.hashes = config.ended, config.payment_hashes


def current_moment() -> Moment:
    """Return the present moment on both clocks; the only source of our own times for payments."""
    return Moment(time.time_ns(), time.monotonic_ns())


async def run(config: Config, *, on_ready: OnReady | None = None, reloader: Reloader | None = None) -> None:
    """Serve metrics and follow all nodes until cancelled; an unexpected exception in one task ends all of them.

    `on_ready` is called with the addresses of the server as soon as it listens; with `reloader` the configuration can
    be reloaded. Raises `ConfigError` if an address can't be used or the state can't be kept.
    """
    raise_file_limit()
    limit_tls_buffers()
    store = _open(config.storage)
    try:
        await _run(config, store, on_ready, reloader)
    finally:
        if store is not None:
            store.close()


async def _run(config: Config, store: Store | None, on_ready: OnReady | None, reloader: Reloader | None) -> None:
    if store is not None:
        _report_condition(store)
    named, destinations = _Named(config.log), config.storage.ended_destinations
    nodes = FollowedNodes(
        config.nodes,
        config.destinations,
        store,
        lambda name: Account(name, current_moment, config.max_peers, ended_log=named.ended, destinations=destinations),
        lambda node, account: _follower(node, account, store),
    )
    checkpoint = nodes.checkpoint
    reload = reloader.reload if reloader is not None and config.web.enable_lifecycle else None
    security = WebSecurity(config.web.config_file, health_without_password=config.web.health_without_password)
    app = build_app(
        checkpoint.durable_page,
        config.web.telemetry_path,
        nodes=checkpoint.nodes,
        security=security,
        reload=reload,
        without=config.without,
    )
    try:
        passed = passed_sockets(os.environ) if config.web.systemd_socket else ()
        server = await serve(app, config.web.addresses, passed=passed, tls=security.tls)
    except CannotListen as error:
        raise ConfigError(cannot_listen(*failure) for failure in error.failures) from None
    log = structlog.get_logger("exporter.app")
    display = best_display(config.log.format)
    try:
        log.info(
            "serving metrics",
            address=", ".join(map(str, server.addresses)),
            nodes=len(config.nodes),
            version=__version__,
            state=str(config.storage.path or "memory only"),
            **({"shard": str(config.shard)} if config.shard else {}),
        )
        if not config.nodes:
            log.warning(NO_NODE)
        if on_ready is not None:
            on_ready(server.addresses)
        async with asyncio.TaskGroup() as group:
            nodes.start(group)
            group.create_task(checkpoint.run(), name="checkpoint")
            group.create_task(report_progress(nodes.accounts, display), name="progress")
            overdue = log_overdue(nodes.accounts, lambda: named.limits, checkpoint.durable_page)
            group.create_task(overdue, name="overdue")
            if reloader is not None:
                group.create_task(reloader.run(config, nodes, named.set, security.held_back), name="reload")
    finally:
        await server.close()
        await checkpoint.finish()
        log.info("stopped")


def forget(config: Config) -> str:
    """Delete everything about one node from the state (`--storage.reset`). Return a message. Raises `ConfigError`."""
    path, node = config.storage.path, config.storage.reset
    assert path is not None, "the configuration is refused without a path"
    assert node is not None, "this is called because of it"
    if not path.exists():
        fix = "Name the state file of the exporter: --storage.path=FILE"
        raise ConfigError([Problem("--storage.path", f"{path} does not exist.", fix)])
    with _as_config_error("Stop it, delete the node, and start it again."):
        store = Store(path)
    try:
        if store.set_aside is not None:
            problem = f"{path} could not be read ({store.replace_reason}): it is now {store.set_aside}."
            fix = "Nothing is kept of any node any more; the next start begins at zero."
            raise ConfigError([Problem("--storage.path", problem, fix)])
        if store.forget(node):
            return f"Nothing is kept of {node} any more in {path}."
        fix = f"It has {', '.join(store.nodes()) or 'none'}."
        raise ConfigError([Problem("--storage.reset", f"{path} has no node {node}.", fix)])
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
        return Store(storage.path, ended_length=storage.ended, destinations=storage.ended_destinations)


@contextmanager
def _as_config_error(if_locked: str = "") -> Iterator[None]:
    """Convert a `StoreError` to a `ConfigError` of `--storage.path`; `if_locked` is what to do if an exporter runs."""
    try:
        yield
    except StoreError as error:
        fix = if_locked if if_locked and isinstance(error, Locked) else error.fix
        raise ConfigError([Problem("--storage.path", str(error), fix)]) from None


def _report_condition(store: Store) -> None:
    """Log the condition of the state."""
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


def _follower(node: NodeConfig, account: Account, store: Store | None) -> Follower:
    counted = counted_lookup(store, node.name) if store else None
    mode = None if node.mode == AUTO else Mode(node.mode)
    client = client_of(node)
    explaining = client if node.explain_no_route else None
    return Follower(account, client, counted=counted, mode=mode, final_only=node.final_only, explaining=explaining)


def client_of(node: NodeConfig) -> ExaminedClient:
    """Return the client for a node's transport, not yet connected."""
    options: dict[str, Any] = {"proxy": node.proxy, "server_name": node.tls_server_name}
    if node.transport == GRPC:
        return GrpcClient(node.address, node.tls_cert, node.macaroon, **options)
    from exporter.lnd.rest import RestClient  # noqa: PLC0415 - it loads the proxy's library, and JSON by descriptors

    return RestClient(node.address, node.tls_cert, node.macaroon, websocket=node.transport == WEBSOCKET, **options)
