"""An hour of a busy node behind a bad line, many times over: whatever breaks when, every payment counts once."""

import asyncio
import os
from collections import Counter as Tally
from random import Random

import pytest

from exporter.follow import Backoff, Follower, follower
from exporter.payments import memory
from exporter.payments.payment import Run
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.simulator.database import Backend, Options
from tests.follow.chaos import ChaoticNode
from tests.follow.virtual import VirtualLoop, run_virtually

SEEDS = int(os.environ.get("CHAOS_SEEDS", "12"))
CALM_S = 400.0
"""After this long everything has been tried again, asked twice, and counted."""


class Scraper:
    """Looks at every page of a follower, and whether the laws hold on it."""

    def __init__(self, follower: Follower) -> None:
        """Nothing seen yet."""
        self._follower = follower
        self._before: dict[tuple[str, ...], int] = {}

    async def scrape(self) -> None:
        """Every 15 s, for ever."""
        while True:
            self.look()
            await asyncio.sleep(15)

    def look(self) -> View:
        """One page."""
        view = self._follower.view()
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
        assert all(flat[key] >= n for key, n in self._before.items())
        self._before = flat
        return view


async def an_hour(loop: VirtualLoop, seed: int, options: Options) -> None:
    """Payments, weather, then calm; at the end the books must agree with the node's."""
    random = Random(seed)
    node = ChaoticNode(loop, seed, options)
    node.pay_at_once(random.choice((0, 3, 100)))
    await node.pay(20, every_s=1)  # some of them are in flight when counting begins
    one = Follower("lnd", node, now=node.clocks, max_peers=5, backoff=Backoff(Random(seed)))
    scraper = Scraper(one)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(one.run())
        scraping = group.create_task(scraper.scrape())
        weather = group.create_task(node.weather())
        await node.met.wait()
        history = node.history
        await node.pay(300, every_s=random.choice((0.2, 2.0, 10.0)))
        await asyncio.gather(*node.lives)
        weather.cancel()
        node.clear_up()
        await asyncio.sleep(CALM_S)
        for task in (following, scraping):
            task.cancel()
    compare(scraper.look(), node, history)
    assert not one.account.tracker.open


def compare(view: View, node: ChaoticNode, history: set[Run]) -> None:
    """Each run that ended since counting began is counted as it ended; what lnd erased may be lost, but not wrong."""
    ends = {run: end for run, end in node.ends().items() if run not in history}
    last = {run.payment_hash: run for run in ends}
    expected = Tally((end.status.value, end.reason.value) for end in ends.values())
    erased = Tally((end.status.value, end.reason.value) for run, end in ends.items() if last[run.payment_hash] != run)
    counted = Tally[tuple[str, str]]()
    for (_, _, reason), number in view.counters[Counter.FAILED].items():
        counted["failed", reason] += number
    late = Tally({reason: n for (reason,), n in view.counters[Counter.SUCCEEDED_LATE].items()})
    counted.update({("succeeded", reason): n for reason, n in late.items()})
    counted["succeeded", "none"] = sum(view.counters[Counter.SUCCEEDED].values()) - late.total()
    assert not counted - expected, "counted, but it didn't happen"
    assert not expected - counted - erased, "it happened, but isn't counted"
    succeeded = [end for end in ends.values() if end.status.value == "succeeded"]
    assert sum(view.counters[Counter.SENT].values()) == sum(end.value_msat for end in succeeded)
    assert sum(view.counters[Counter.FEES].values()) == sum(end.fee_msat for end in succeeded)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_payment_counts_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cuts, outages, slow scans, stale answers, gaps in the numbering, times in which the exporter stands still."""
    random = Random(seed)
    monkeypatch.setattr(memory, "REMEMBERED", random.choice((20, 1000)))
    monkeypatch.setattr(follower, "PAGE", random.choice((50, 500)))
    backend = random.choice(list(Backend))
    run_virtually(lambda loop: an_hour(loop, seed, Options(backend=backend)))
