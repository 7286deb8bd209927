"""A running follower of a simulated node, with clocks that can be put forward."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from structlog.testing import capture_logs

from exporter.config.addresses import GRPC, WEBSOCKET
from exporter.follow import Account, Backoff, CountedLookup, Follower, Intervals
from exporter.lnd.client import ExplainingClient
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Mode
from exporter.payments.node import NodeStatus
from exporter.payments.payment import Moment
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter
from exporter.simulator.server import SimulatedNode
from tests.patience import PATIENCE_S

QUICK = Intervals(
    first_info_s=0.3,
    info_s=0.5,
    state_s=0.5,
    second_catch_up_s=0.02,
    list_s=0.02,
    list_longest_s=0.05,
    poll_s=3600,
    channels_every=5,
)
"""Short waits, and no polling: things happen only when a test causes them."""


TRANSPORT = GRPC
"""The transport of all clients; tests set it with `monkeypatch`."""


def client_of(node: SimulatedNode, transport: str, address: str = "") -> ExplainingClient:
    """Return a client of a node, at `address` if it is not the node's own."""
    if transport == GRPC:
        return GrpcClient(address or node.address, node.tls_cert, node.macaroon)
    url = f"https://{address or node.rest}"
    return RestClient(url, node.tls_cert, node.macaroon, websocket=transport == WEBSOCKET)


@dataclass
class Clocks:
    """Both clocks: the real ones, put forward by `ahead_s`."""

    ahead_s: float = 0.0

    def __call__(self) -> Moment:
        """Return the present moment."""
        ahead_ns = int(self.ahead_s * 1e9)
        return Moment(time.time_ns() + ahead_ns, time.monotonic_ns() + ahead_ns)


@dataclass
class Watch:
    """A running follower, its clocks and its log."""

    follower: Follower
    clocks: Clocks
    logs: list[Any]
    task: asyncio.Task[None]
    delays: list[float]
    """The delays between its tries, seconds; the tests don't wait for them."""

    @property
    def status(self) -> NodeStatus:
        """Return the present status of the node."""
        return self.follower.account.status

    async def until(self, condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        """Wait until `condition` returns something true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"never happened: {self.status} {self.logs[-3:]}"
            await asyncio.sleep(0.002)

    async def stop(self) -> None:
        """Stop the follower; raise its exception if it had a bug."""
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
        """Put the clocks beyond all holds and return the sums of counters.

        While a busy machine polls this, the clocks get far ahead: wait with `counted` where the time matters.
        """
        self.clocks.ahead_s += 2
        view = self.follower.account.capture()
        return {counter.value: sum(view.counters[counter].values()) for counter in counters}

    def counted(self, *counters: Counter) -> int:
        """Return the sum of counters without ending holds: a second terminal update may be on its way."""
        return sum(sum(self.follower.account.ledger.counters[counter].values()) for counter in counters)

    def labels(self, counter: Counter) -> dict[tuple[str, ...], int]:
        """Put the clocks beyond all holds and return the series of a counter that are not 0."""
        self.clocks.ahead_s += 2
        return {tuple(map(str, k)): n for k, n in self.follower.account.capture().counters[counter].items() if n}

    def logged(self, event: str) -> list[Any]:
        """Return the log lines with this event, except debug lines."""
        return [line for line in self.logs if line["event"] == event and line["log_level"] != "debug"]


ENDS = (Counter.STARTED, Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)


@asynccontextmanager
async def watching(
    node: SimulatedNode,
    *,
    intervals: Intervals = QUICK,
    address: str = "",
    counted: CountedLookup | None = None,
    ahead_s: float = 0.0,
    mode: Mode | None = None,
    final_only: bool = False,
    saved: SavedNode | None = None,
    explain: bool = False,
) -> AsyncIterator[Watch]:
    """Run a follower of a node, at `address` if it is not the node's own, almost without delays between its tries.

    `saved` is the state that an earlier process saved. With `explain` payments without a route are looked into.
    """
    with capture_logs() as logs:
        clocks = Clocks(ahead_s)
        client = client_of(node, TRANSPORT, address)
        follower = Follower(
            Account("lnd", clocks, 50),
            client,
            intervals=intervals,
            backoff=Backoff(Random(1)),
            counted=counted,
            mode=mode,
            final_only=final_only,
            explaining=client if explain else None,
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
