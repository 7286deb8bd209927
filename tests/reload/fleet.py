"""Simulated nodes, and an exporter in this process that follows some of them and can be reloaded."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

from exporter.app import client_of
from exporter.checkpoint import counted_lookup
from exporter.config import NodeConfig
from exporter.follow import Account, Backoff, Follower
from exporter.nodes import Changes, FollowedNodes
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.simulator.clock import WallClock
from exporter.simulator.server import SimulatedNode
from exporter.store import Store
from tests.follow.watch import QUICK, Clocks
from tests.patience import PATIENCE_S

NAMES = ("alice", "bob", "carol")


class Fleet:
    """Nodes by name, and the exporter's part that follows them. `clocks` of the exporter are beyond all holds."""

    def __init__(self, nodes: dict[str, SimulatedNode], store: Store | None) -> None:
        """Take running nodes; `start` follows some."""
        self.nodes = nodes
        self.store = store
        self.clocks = Clocks()
        self.intervals = QUICK
        self.destinations: dict[str, str] = {}
        """The groups of destinations by key; the next start or reload takes them."""

    def config(self, name: str, **changes: object) -> NodeConfig:
        """Return the configuration of a node."""
        node = self.nodes[name]
        return replace(NodeConfig(name, node.address, node.tls_cert, node.macaroon), **changes)  # type: ignore[arg-type]

    def rest(self, name: str) -> NodeConfig:
        """Return the configuration of a node that is followed over REST."""
        return self.config(name, address=f"https://{self.nodes[name].rest}", transport="rest")

    def start(self, group: asyncio.TaskGroup, *configs: NodeConfig) -> None:
        """Follow these nodes."""
        self.followed = FollowedNodes(configs, self.destinations, self.store, self._new_account, self._new_follower)
        self.followed.start(group)

    def _new_account(self, name: str) -> Account:
        return Account(name, self.clocks, 50)

    def _new_follower(self, node: NodeConfig, account: Account) -> Follower:
        counted = counted_lookup(self.store, node.name) if self.store else None
        return Follower(
            account, client_of(node), intervals=self.intervals, backoff=Backoff(Random(1), max_s=1), counted=counted
        )

    def end_process(self) -> None:
        """Forget everything that is not on disk, as a process that ends, and open the state again."""
        assert self.store is not None
        self.store.close()
        self.store = Store(self.store.path)
        del self.followed

    async def change(self, *configs: NodeConfig) -> Changes:
        """Reload with these nodes."""
        return await self.followed.change(configs, self.destinations)

    async def page(self) -> dict[str, View]:
        """Return a page that is on disk, with everything that was on hold."""
        self.clocks.ahead_s += 2
        return {view.node: view for view in (await self.followed.checkpoint.durable_page()).views}

    async def totals(self, name: str, *counters: Counter) -> tuple[int, ...]:
        """Return the sums of counters of a node."""
        view = (await self.page())[name]
        return tuple(sum(view.counters[counter].values()) for counter in counters)

    async def live(self, *names: str) -> None:
        """Wait until these nodes are followed."""
        await self.until(
            lambda: all(a.status.stream_up for a in self.followed.accounts() if a.name in names),
            f"{names} are followed",
        )

    async def until(self, condition: Callable[[], object], event: str) -> None:
        """Wait until `condition` returns something true."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"never happened: {event}"
            await asyncio.sleep(0.005)

    async def ended(self, name: str, ends: tuple[int, int, int, int]) -> None:
        """Wait until a node has started, succeeded, failed and lost so many payments."""
        deadline = time.monotonic() + PATIENCE_S
        while (counted := await self.totals(name, *ENDS)) != ends:
            assert time.monotonic() < deadline, f"{name}: {counted} instead of {ends}"
            await asyncio.sleep(0.01)


ENDS = (Counter.STARTED, Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)


@asynccontextmanager
async def fleet(home: Path, *, memory: bool = False) -> AsyncIterator[Fleet]:
    """Run the nodes within the block, and close the state after it."""
    async with AsyncExitStack() as stack:
        nodes = {}
        for name in NAMES:
            (home / name).mkdir(exist_ok=True)
            node = SimulatedNode(home / name, seed=name, clock=WallClock(float("inf")))
            nodes[name] = await stack.enter_async_context(node)
        the = Fleet(nodes, None if memory else Store(home / "state.sqlite"))
        try:
            yield the
        finally:
            if the.store is not None:
                the.store.close()


@asynccontextmanager
async def following(the: Fleet, *names: str) -> AsyncIterator[None]:
    """Follow these nodes within the block; an exception of a follower ends it."""
    async with asyncio.TaskGroup() as group:
        inner = group.create_task(_follow(the, *names))
        await the.until(lambda: hasattr(the, "followed"), "the exporter has started")
        await the.live(*names)
        yield
        inner.cancel()


async def _follow(the: Fleet, *names: str) -> None:
    async with asyncio.TaskGroup() as group:
        the.start(group, *(the.config(name) for name in names))
        await asyncio.Event().wait()
