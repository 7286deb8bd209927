"""The exporter in virtual time, with a state file on disk: it can be killed and started again."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from exporter.checkpoint import Checkpoint, looking_up
from exporter.follow import Backoff, Follower, Pace
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
"""Their series end when a peer loses its place, and begin anew if it comes back; the sum never falls."""
CALM_S = 400.0
"""After this long in good weather everything has been tried again, asked twice, and counted."""


class Written(Store):
    """Tells what has reached the disk."""

    def __init__(self, path: Path, log: Log) -> None:
        """Open it."""
        super().__init__(path)
        self.thread.shutdown()
        self.thread = Inline()
        self._log = log

    def save(self, nodes: Mapping[str, EncodedNode]) -> None:
        """In virtual time a write takes none: all that was heard until now is on disk."""
        super().save(nodes)
        self._log.written()


class Exporter:
    """What a process of the exporter does with one node; it can be killed and started again."""

    def __init__(self, node: ChaoticNode, path: Path, mode: Mode | None = None) -> None:
        """Not started yet; the state is kept at `path`."""
        self._mode = mode
        self._node = node
        self._path = path
        self._before: dict[tuple[str, ...], int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._store: Store | None = None
        self.up = asyncio.Event()
        self.log = Log()

    def start(self) -> None:
        """Go on from what is on disk."""
        self._store = Written(self._path, self.log)
        self._one = Follower(
            "lnd",
            self._node,
            now=self._node.clocks,
            max_peers=PEERS,
            backoff=Backoff(self._node.random),
            pace=Pace(audit_s=20),
            counted=looking_up(self._store, "lnd"),
            mode=Mode.FIREHOSE if self._mode is Mode.FINAL else self._mode,
            final_only=self._mode is Mode.FINAL,
        )
        self.log.listen(self._one.account)
        if saved := self._store.load("lnd"):
            self._one.account.resume(saved)
        self._checkpoint = Checkpoint([self._one.account], self._store)
        self._tasks = [asyncio.create_task(self._one.run()), asyncio.create_task(self._checkpoint.keep())]
        self.up.set()

    async def kill(self) -> None:
        """Nothing is saved any more."""
        self.up.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        for task in self._tasks:
            assert task.cancelled(), task.exception()
        assert self._store is not None
        self._store.close()
        self.log.killed()

    async def weather(self) -> None:
        """Killed and started again, for ever."""
        random = self._node.random
        while True:
            await asyncio.sleep(random.expovariate(1 / random.choice(LIVES_S)))
            await self.kill()
            await asyncio.sleep(random.choice(GAPS_S))
            self.start()

    async def scrape(self) -> None:
        """A page every 15 s, for ever."""
        while True:
            await self.up.wait()
            await self.page()
            await asyncio.sleep(15)

    async def page(self) -> View:
        """One page, on which all laws hold."""
        (view,) = (await self._checkpoint.instant()).views
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
        assert not view.status.unaccounted, "the audit found something"
        fallen = {key: (n, flat.get(key)) for key, n in self._before.items() if flat.get(key, -1) < n}
        gone = [key for key, (_, now) in fallen.items() if now is None and key[0] in BY_PEER]  # they are `former`
        back = [key for key, (_, now) in fallen.items() if now is not None and key[0] in BY_PEER and len(key[1]) == 66]
        assert fallen.keys() == {*gone, *back}, "a counter went back"
        for counter in BY_PEER:
            assert total[counter] >= sum(n for key, n in self._before.items() if key[0] == counter)
            assert len({key[1] for key in flat if key[0] == counter} - {"other", "former"}) <= PEERS
        self._before = flat
        return view

    def __len__(self) -> int:
        """Payments in flight, as far as it knows."""
        return len(self._one.account.tracker.open)
