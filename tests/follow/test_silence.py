"""A dead connection: nothing passes any more, though neither side has closed it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from exporter.lnd import liveness
from exporter.payments.totals import Counter
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow.watch import watching


class Relay:
    """Forwards bytes between a client and a node; connections drop everything once `swallowing` is set."""

    def __init__(self, target: str) -> None:
        """Forward to `target`, HOST:PORT of the node."""
        self.target = target
        self.address = ""
        self.swallowing = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward both directions of one connection."""
        host, port = self.target.rsplit(":", 1)
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._forward(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        swallow = False
        try:
            while data := await source.read(65536):
                swallow = swallow or self.swallowing
                if not swallow:
                    sink.write(data)
                    await sink.drain()
        except ConnectionError:
            pass  # the other side is gone: close this one, too
        finally:
            sink.close()


@asynccontextmanager
async def relaying(node: SimulatedNode) -> AsyncIterator[Relay]:
    """Run a relay in front of a node."""
    relay = Relay(node.address)
    server = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
    relay.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        for task in list(relay._tasks):
            task.cancel()


@pytest.mark.slow
async def test_dead_connection_is_replaced(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lnd no longer answers a request for its state; over a fresh connection the missed payment is counted."""
    monkeypatch.setattr(liveness, "PING_S", 1.0)  # a minute in production
    monkeypatch.setattr(liveness, "PONG_S", 3.0)  # 20 s in production
    async with relaying(node) as relay, watching(node, address=relay.address) as watch:
        await watch.live()
        relay.swallowing = True
        await node.play(scenarios.success())
        await watch.until(lambda: watch.labels(Counter.INTERRUPTIONS) == {("unreachable",): 1})
        relay.swallowing = False
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
