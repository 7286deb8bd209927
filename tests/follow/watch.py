"""A follower at work on a simulated node, and clocks that can be put forward."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from structlog.testing import capture_logs

from exporter.config.addresses import GRPC, WEBSOCKET
from exporter.follow import Backoff, Counted, Follower, Pace
from exporter.lnd.client import Client
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Mode
from exporter.payments.node import NodeStatus
from exporter.payments.payment import Moment
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter
from exporter.simulator.server import SimulatedNode
from tests.patience import PATIENCE_S

QUICK = Pace(
    first_info_s=0.3,
    info_s=0.5,
    state_s=0.5,
    second_catch_up_s=0.02,
    list_s=0.02,
    list_longest_s=0.05,
    beat_s=3600,
    channels_every=5,
)
"""Nothing is waited for but what happens, and nothing is done twice by itself."""


TRANSPORT = GRPC
"""How nodes are asked."""


def asking(node: SimulatedNode, transport: str, address: str = "") -> Client:
    """A client of a node, perhaps at another address than its own."""
    if transport == GRPC:
        return GrpcClient(address or node.address, node.tls_cert, node.macaroon)
    url = f"https://{address or node.rest}"
    return RestClient(url, node.tls_cert, node.macaroon, websocket=transport == WEBSOCKET)


@dataclass
class Clocks:
    """Both clocks, true but for what they were put forward."""

    ahead_s: float = 0.0

    def __call__(self) -> Moment:
        """Now."""
        ahead_ns = int(self.ahead_s * 1e9)
        return Moment(time.time_ns() + ahead_ns, time.monotonic_ns() + ahead_ns)


@dataclass
class Watch:
    """A follower, its node, and what it said."""

    follower: Follower
    clocks: Clocks
    logs: list[Any]
    task: asyncio.Task[None]
    delays: list[float]
    """How long it would have waited between its tries."""

    @property
    def status(self) -> NodeStatus:
        """What is known of the node."""
        return self.follower.account.status

    async def until(self, what: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"never happened: {self.status} {self.logs[-3:]}"
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Stop the follower; a bug of it is raised."""
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()

    async def live(self) -> None:
        """Wait until the stream is up."""
        await self.until(lambda: self.status.stream_up)

    async def lost(self) -> None:
        """Wait until the stream is down."""
        await self.until(lambda: not self.status.stream_up)

    def totals(self, *counters: Counter) -> dict[str, int]:
        """The sums of counters, after all holds are over."""
        self.clocks.ahead_s += 2
        view = self.follower.account.view()
        return {counter.value: sum(view.counters[counter].values()) for counter in counters}

    def counted(self, *counters: Counter) -> int:
        """The sum of counters, holds that aren't over left as they are: a second terminal update may be on its way."""
        return sum(sum(self.follower.account.ledger.counters[counter].values()) for counter in counters)

    def labels(self, counter: Counter) -> dict[tuple[str, ...], int]:
        """The series of a counter that are not 0, after all holds are over."""
        self.clocks.ahead_s += 2
        return {tuple(map(str, k)): n for k, n in self.follower.account.view().counters[counter].items() if n}

    def logged(self, event: str) -> list[Any]:
        """The log lines with this event, but for debug ones."""
        return [line for line in self.logs if line["event"] == event and line["log_level"] != "debug"]


ENDS = (Counter.STARTED, Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)


@asynccontextmanager
async def watching(
    node: SimulatedNode,
    *,
    pace: Pace = QUICK,
    address: str = "",
    counted: Counted | None = None,
    ahead_s: float = 0.0,
    mode: Mode | None = None,
    final_only: bool = False,
    saved: SavedNode | None = None,
) -> AsyncIterator[Watch]:
    """Follow a node, perhaps at another address than its own; its tries follow each other almost at once.

    `saved` is what an earlier process kept of it.
    """
    with capture_logs() as logs:
        clocks = Clocks(ahead_s)
        client = asking(node, TRANSPORT, address)
        follower = Follower(
            "lnd",
            client,
            now=clocks,
            pace=pace,
            backoff=Backoff(Random(1)),
            counted=counted,
            mode=mode,
            final_only=final_only,
        )
        if saved is not None:
            follower.account.resume(saved)
        delays: list[float] = []

        async def nap(seconds: float) -> None:
            delays.append(seconds)
            await asyncio.sleep(min(seconds, 0.02))

        watch = Watch(follower, clocks, logs, asyncio.create_task(follower.run(nap)), delays)
        try:
            yield watch
        finally:
            await watch.stop()
