"""An exporter in virtual time with a state file on disk: it can be killed and started again."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from exporter.checkpoint import Checkpoint, counted_lookup
from exporter.follow import Account, Backoff, Follower, Intervals
from exporter.payments.labels import Mode
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.store import EncodedNode, Store
from tests.follow.chaos import ChaoticNode
from tests.follow.oracle import Log
from tests.follow.virtual import Inline

LIVES_S = (1.0, 20.0, 120.0)
GAPS_S = (0.0, 0.5, 10.0, 100.0)
PEERS = 5
BY_PEER = (Counter.PEER_ATTEMPTS, Counter.PEER_SENT, Counter.PEER_FEES)
"""Series that end when a peer loses its label, and start again if it gets one again; their sum never falls."""
CALM_S = 400.0
"""After this long without faults everything has been tried again, requested twice, and counted; seconds."""


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
        self._tasks: list[asyncio.Task[None]] = []
        self._store: Store | None = None
        self.up = asyncio.Event()
        self.log = Log()

    def start(self) -> None:
        """Start from the state on disk."""
        self._store = LoggingStore(self._path, self.log)
        self._follower = Follower(
            Account("lnd", self._node.clocks, PEERS),
            self._node,
            backoff=Backoff(self._node.random),
            intervals=Intervals(audit_s=20),
            counted=counted_lookup(self._store, "lnd"),
            mode=Mode.FIREHOSE if self._mode is Mode.FINAL else self._mode,
            final_only=self._mode is Mode.FINAL,
        )
        self.log.attach(self._follower.account)
        if saved := self._store.load("lnd"):
            self._follower.account.resume(saved)
        self._checkpoint = Checkpoint([self._follower.account], self._store)
        self._tasks = [asyncio.create_task(self._follower.run()), asyncio.create_task(self._checkpoint.run())]
        self.up.set()

    async def kill(self) -> None:
        """Stop all tasks without a last write; forget in the log what is not on disk."""
        self.up.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            assert task.cancelled(), task.exception()
        assert self._store is not None
        self._store.close()
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
        """Scrape one page and check that all laws hold on it."""
        (view,) = (await self._checkpoint.durable_page()).views
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
        of_peers = {key: now for key, (_, now) in decreased.items() if key[0] in BY_PEER}
        dropped = [key for key, now in of_peers.items() if now is None]  # they are counted as `former`
        returned = [key for key, now in of_peers.items() if now is not None and len(key[1]) == 66]
        assert decreased.keys() == {*dropped, *returned}, "a counter went back"
        for counter in BY_PEER:
            assert total[counter] >= sum(n for key, n in self._before.items() if key[0] == counter)
            assert len({key[1] for key in flat if key[0] == counter} - {"other", "former"}) <= PEERS
        self._before = flat
        return view

    def __len__(self) -> int:
        """Return how many payments it has in flight."""
        return len(self._follower.account.tracker.open)
