"""An exporter in virtual time with a state file on disk: it can be killed and started again."""

import asyncio
from collections import Counter as Tally
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

from exporter.checkpoint import counted_lookup
from exporter.config import NodeConfig
from exporter.follow import Account, Backoff, Follower, Intervals
from exporter.nodes import FollowedNodes
from exporter.payments.ended import EndedPayment
from exporter.payments.labels import Mode
from exporter.payments.ledger import PEER_COUNTERS
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.store import EncodedNode, Store
from tests.destination_law import BY_DESTINATION, all_sums, sums
from tests.ended_law import between, check_numbers, grown, on_disk
from tests.follow.chaos import ChaoticNode
from tests.follow.oracle import Log
from tests.follow.virtual import Inline

LIVES_S = (1.0, 20.0, 120.0)
GAPS_S = (0.0, 0.5, 10.0, 100.0)
PEERS = 5
BY_PEER = PEER_COUNTERS
"""Series that end when a peer loses its label, and start again if it gets one again; their sum never falls."""
ALWAYS, SOMETIMES = "always", "sometimes"
"""Groups of destinations."""
FIRST, SECOND = (NodeConfig("lnd", address, None, Path("macaroon")) for address in ("chaos:10009", "chaos:10010"))
"""Two configurations of the same node."""
CALM_S = 400.0
"""After this long without faults everything has been tried again, requested twice, and counted; seconds."""


def total_ended(total: Mapping[Counter, int]) -> int:
    """Return how many runs were counted as over."""
    return total[Counter.SUCCEEDED] + total[Counter.FAILED] + total[Counter.LOST]


class LoggingStore(Store):
    """A store that marks in a log what has been written to disk."""

    def __init__(self, path: Path, log: Log) -> None:
        """Open the file; write in the calling thread."""
        super().__init__(path)
        self.executor.shutdown()
        self.executor = Inline()
        self._log = log

    def save(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Write, then mark all that was received until now as written: in virtual time a write takes no time."""
        super().save(nodes)
        self._log.mark_written()


class Exporter:
    """The tasks of an exporter process with one node; it can be killed and started again."""

    def __init__(self, node: ChaoticNode, path: Path, mode: Mode | None = None) -> None:
        """Prepare an exporter that keeps its state at `path`; `start` starts it."""
        self._mode = mode
        self._node = node
        self._path = path
        self._before: dict[tuple[str, ...], int] = {}
        self._process: asyncio.Task[None] | None = None
        self._store: Store | None = None
        self.up = asyncio.Event()
        """Set while it runs."""
        self.log = Log()
        self.reloads = False
        """Whether its configuration is reloaded from time to time."""
        self.may_reload = asyncio.Event()
        """Set when reloads may begin: the first stream has shown what only a stream of all payments shows."""
        far = [other.pubkey for other in node.world.far]
        self.always = far[::2]
        """Keys of a group of destinations that is always named."""
        self._sometimes = far[1::4]
        self._destinations = dict.fromkeys(self.always, ALWAYS)
        self.changes: Tally[str] = Tally()
        """How many times reloads added, removed and changed the node."""

    def start(self) -> None:
        """Start from the state on disk."""
        self._store = LoggingStore(self._path, self.log)
        self._nodes = FollowedNodes([FIRST], self._destinations, self._store, self._new_account, self._new_follower)
        self._process = asyncio.create_task(self._run())
        self.up.set()

    def _new_account(self, name: str) -> Account:
        account = Account(name, self._node.clocks, PEERS)
        self.log.attach(account)
        return account

    def _new_follower(self, config: NodeConfig, account: Account) -> Follower:
        """Follow in the mode of this exporter, or in a random one if a reload has changed the node."""
        assert self._store is not None
        mode = self._mode if config is FIRST else self._node.random.choice([None, *Mode])
        return Follower(
            account,
            self._node,
            backoff=Backoff(self._node.random),
            intervals=Intervals(audit_s=20),
            counted=counted_lookup(self._store, "lnd"),
            mode=Mode.FIREHOSE if mode is Mode.FINAL else mode,
            final_only=mode is Mode.FINAL,
        )

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._nodes.start(group)
            group.create_task(self._nodes.checkpoint.run())
            group.create_task(self._reload_repeatedly())

    async def _reload_repeatedly(self) -> None:
        """Change the node, or remove it for a while, again and again; it is always there in the end."""
        random, configs = self._node.random, cycle([SECOND, FIRST])
        while self.reloads:
            await self.may_reload.wait()
            await asyncio.sleep(random.expovariate(1 / random.choice(LIVES_S)))
            self._destinations = dict.fromkeys(self.always, ALWAYS)
            if random.random() < 0.5:
                self._destinations |= dict.fromkeys(self._sometimes, SOMETIMES)
            if random.random() < 0.5:
                await self._change([])
                await asyncio.sleep(random.choice(GAPS_S))
            await self._change([next(configs)])

    async def _change(self, configs: list[NodeConfig]) -> None:
        changes = await self._nodes.change(configs, self._destinations)
        self.changes.update({name: len(names) for name, names in changes._asdict().items() if name != "unchanged"})

    async def follows(self) -> None:
        """Wait until there is no reload any more and the node is followed."""
        self.reloads = False
        while not self._nodes.accounts():  # noqa: ASYNC110 - a second in virtual time takes none
            await asyncio.sleep(1)

    async def kill(self) -> None:
        """Stop all tasks without a last write; forget in the log what is not on disk."""
        self.up.clear()
        assert self._process is not None
        self._process.cancel()
        await self.killed()

    async def killed(self) -> None:
        """Wait for the end of a kill, of which whoever began it may have been cancelled."""
        assert self._process is not None
        await asyncio.wait([self._process])
        assert self._process.cancelled(), self._process.exception()
        if self._store is not None:
            self._store.close()
            self._store = None
            self.log.forget_unwritten()

    async def kill_repeatedly(self) -> None:
        """Kill and start the exporter again and again, for ever."""
        random = self._node.random
        while True:
            await asyncio.sleep(random.expovariate(1 / random.choice(LIVES_S)))
            await self.kill()
            await asyncio.sleep(random.choice(GAPS_S))
            self.start()

    async def scrape(self) -> None:
        """Scrape a page every 15 s, for ever."""
        while True:
            await self.up.wait()
            await self.page()
            await asyncio.sleep(15)

    async def page(self) -> View:
        """Scrape one page that has the node, and check that all laws hold on it."""
        while not (views := (await self._nodes.checkpoint.durable_page()).views):
            await asyncio.sleep(1)
            await self.up.wait()
        (view,) = views
        total = {counter: sum(series.values()) for counter, series in view.counters.items()}
        in_flight = sum(view.in_flight.runs.values())
        assert total[Counter.STARTED] == (
            total[Counter.SUCCEEDED] + total[Counter.FAILED] + total[Counter.LOST] + in_flight
        )
        assert total[Counter.ATTEMPTS_STARTED] == (
            total[Counter.ATTEMPTS_SETTLED]
            + total[Counter.ATTEMPTS_FAILED]
            + total[Counter.ATTEMPTS_UNRESOLVED]
            + view.in_flight.htlcs
        )
        flat = {(name, *labels): n for name, series in view.counters.items() for labels, n in series.items()}
        assert not view.status.unaccounted, "the audit found uncounted payments"
        decreased = {key: (n, flat.get(key)) for key, n in self._before.items() if flat.get(key, -1) < n}
        named = {key: now for key, (_, now) in decreased.items() if key[0] in (*BY_PEER, *BY_DESTINATION)}
        dropped = [key for key, now in named.items() if now is None]  # they are counted as `former`
        returned = [key for key, now in named.items() if now is not None and (len(key[1]) == 66 or key[1] == SOMETIMES)]
        assert decreased.keys() == {*dropped, *returned}, "a counter went back"
        assert {key[1] for key in dropped if key[0] in BY_DESTINATION} <= {SOMETIMES}
        assert sums(view) == all_sums(view)
        for counter in (*BY_PEER, *BY_DESTINATION):
            assert total[counter] >= sum(n for key, n in self._before.items() if key[0] == counter)
        for counter in BY_PEER:
            assert len({key[1] for key in flat if key[0] == counter} - {"other", "former"}) <= PEERS
        self._before = flat
        entries = [entry for entry in self.listed() if entry.number <= total_ended(total)]
        check_numbers(entries)
        assert len(entries) == total_ended(total), "an entry is missing"
        assert grown(entries) == between({}, view.counters), "the list is not what the counters grew by"
        return view

    def listed(self) -> list[EndedPayment]:
        """Return the list of ended payments on disk, the oldest first."""
        return on_disk(self._path, FIRST.name)

    def __len__(self) -> int:
        """Return how many payments it has in flight."""
        (account,) = self._nodes.accounts()
        return len(account.tracker.open)
