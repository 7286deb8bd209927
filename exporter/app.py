"""The composition root: builds everything, keeps it alive, takes it down again."""

import asyncio
import time
from collections.abc import Callable

import structlog

from exporter import __version__
from exporter.config import Config, ConfigError, NodeConfig, cannot_listen
from exporter.follow import Follower
from exporter.lnd.grpc import GrpcClient
from exporter.metrics.server import build, serve
from exporter.payments.payment import Moment


def clocks() -> Moment:
    """Now, on both clocks: the one place where the exporter looks at them."""
    return Moment(time.time_ns(), time.monotonic_ns())


async def run(config: Config, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve and follow until cancelled; a bug in one task ends all of them, loudly.

    `on_ready` gets the address on which metrics are served, once they are. Raises `ConfigError` if they can't be.
    """
    followers = {node.name: _follower(node, config.max_peers) for node in config.nodes}
    app = build(lambda: [follower.view() for follower in followers.values()], config.web.telemetry_path)
    try:
        runner, port = await serve(app, config.web.host, config.web.port)
    except OSError as error:
        raise ConfigError([cannot_listen(config.web.address, error)]) from None
    log = structlog.get_logger("exporter.app")
    try:
        log.info("serving metrics", address=f"{config.web.host}:{port}", nodes=len(followers), version=__version__)
        if on_ready is not None:
            on_ready(f"{config.web.host or 'localhost'}:{port}")
        async with asyncio.TaskGroup() as group:
            for name, follower in followers.items():
                group.create_task(follower.run(), name=f"follow {name}")
    finally:
        await runner.cleanup()
        log.info("stopped")


def _follower(node: NodeConfig, max_peers: int) -> Follower:
    client = GrpcClient(node.address, node.tls_cert, node.macaroon)
    return Follower(node.name, client, now=clocks, max_peers=max_peers)
