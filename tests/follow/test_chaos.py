"""An hour of a busy node behind a bad line, many times over: whatever breaks when, every payment counts once."""

import asyncio
import os
from collections import Counter as Tally
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from exporter.checkpoint import Checkpoint, looking_up
from exporter.follow import Backoff, Follower, Pace, audit, follower
from exporter.payments import memory
from exporter.payments.payment import Run
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.simulator.database import Backend, Options
from exporter.store import Frozen, Store
from tests.follow.chaos import SCANS_S, ChaoticNode
from tests.follow.oracle import Log, check
from tests.follow.virtual import VirtualLoop, run_virtually

SEEDS = int(os.environ.get("CHAOS_SEEDS", "6"))
LIVES_S = (1.0, 20.0, 120.0)
GAPS_S = (0.0, 0.5, 10.0, 100.0)
CALM_S = 400.0
"""After this long everything has been tried again, asked twice, and counted."""


class Written(Store):
    """Tells what has reached the disk."""

    def __init__(self, path: Path, log: Log) -> None:
        """Open it."""
        super().__init__(path)
        self._log = log

    def save(self, nodes: Mapping[str, Frozen]) -> None:
        """In virtual time a write takes none: all that was heard until now is on disk."""
        super().save(nodes)
        self._log.written()


class Exporter:
    """What a process of the exporter does with one node; it can be killed and started again."""

    def __init__(self, node: ChaoticNode, path: Path) -> None:
        """Not started yet; the state is kept at `path`."""
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
            max_peers=5,
            backoff=Backoff(self._node.random),
            pace=Pace(audit_s=20),
            counted=looking_up(self._store, "lnd"),
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
        assert fallen == {}, "a counter went back"
        self._before = flat
        return view

    def __len__(self) -> int:
        """Payments in flight, as far as it knows."""
        return len(self._one.account.tracker.open)


async def an_hour(loop: VirtualLoop, seed: int, options: Options, path: Path, *, kills: bool) -> None:
    """Payments, weather, then calm; at the end the books must agree with the node's."""
    random = Random(seed)
    node = ChaoticNode(loop, seed, options)
    node.hold(random.choice((0, 10)))  # older than what is read when counting begins
    await asyncio.sleep(5)
    node.pay_at_once(random.choice((0, 3, 100)))
    await node.pay(20, every_s=1)  # some of them are in flight when counting begins
    exporter = Exporter(node, path)
    exporter.start()
    async with asyncio.TaskGroup() as group:
        scraping = group.create_task(exporter.scrape())
        await node.met.wait()
        history = node.history
        await asyncio.sleep(2 * max(SCANS_S))  # until the first stream has shown the old ones
        weather = [group.create_task(node.weather())]
        await exporter.page()
        if kills:
            weather.append(group.create_task(exporter.weather()))
        await node.pay(300, every_s=random.choice((0.2, 2.0, 10.0)))
        await asyncio.gather(*node.lives)
        for task in weather:
            task.cancel()
        await asyncio.wait(weather)
        if not exporter.up.is_set():
            exporter.start()
        node.clear_up()
        await asyncio.sleep(CALM_S)
        scraping.cancel()
    page = await exporter.page()
    compare(page, node, history)
    check(page, exporter.log, history=history, ended=set(node.ends()), deleted=node.deleted)
    assert len(exporter) == 0
    await exporter.kill()


def compare(view: View, node: ChaoticNode, history: set[Run]) -> None:
    """Each run that ended since counting began is counted as it ended; what lnd erased may be lost, but not wrong."""
    ends = {run: end for run, end in node.ends().items() if run not in history}
    last = {run.payment_hash: run for run in ends}
    expected = Tally((end.status.value, end.reason.value) for end in ends.values())
    erased = Tally(
        (end.status.value, end.reason.value)
        for run, end in ends.items()
        if last[run.payment_hash] != run or run in node.deleted
    )
    counted = Tally[tuple[str, str]]()
    for (_, _, reason), number in view.counters[Counter.FAILED].items():
        counted["failed", reason] += number
    late = Tally({reason: n for (reason,), n in view.counters[Counter.SUCCEEDED_LATE].items()})
    counted.update({("succeeded", reason): n for reason, n in late.items()})
    counted["succeeded", "none"] = sum(view.counters[Counter.SUCCEEDED].values()) - late.total()
    assert not counted - expected, "counted, but it didn't happen"
    assert not expected - counted - erased, "it happened, but isn't counted"
    if node.deleted:
        return
    succeeded = [end for end in ends.values() if end.status.value == "succeeded"]
    assert sum(view.counters[Counter.SENT].values()) == sum(end.value_msat for end in succeeded)
    assert sum(view.counters[Counter.FEES].values()) == sum(end.fee_msat for end in succeeded)


@pytest.mark.parametrize("kills", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_payment_counts_once(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kills: bool) -> None:
    """Cuts, outages, slow scans, stale answers, gaps in the numbering, times in which the exporter stands still.

    With `kills` the exporter is killed again and again as well: no page ever shows less than one before it.
    """
    random = Random(seed)
    monkeypatch.setattr(memory, "REMEMBERED", random.choice((20, 1000)))
    monkeypatch.setattr(follower, "PAGE", random.choice((50, 500)))
    monkeypatch.setattr(audit, "PAGE", 20)
    options = Options(backend=random.choice(list(Backend)))
    run_virtually(lambda loop: an_hour(loop, seed, options, tmp_path / "state.sqlite", kills=kills))
