"""History and live counting in one real Prometheus, in both orders: raw samples, while payments end on both sides."""

import asyncio
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.config import NodeConfig
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.simulator.mutation import Register, Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.backfill.blocks import import_files
from tests.backfill.past import HOUR_S, PastClock, backfill, ended_ns, held, listed, old_node, traffic
from tests.network.process import until
from tests.stories.process import Exporter
from tests.stories.prometheus import JOB, Prometheus

pytestmark = [pytest.mark.usefixtures("programs"), pytest.mark.slow]

HOURS = 20
STEP_S = 300
PAYMENTS = 150
OPEN = 6
"""Payments that are in flight when counting begins."""
PER_SECOND = 12
SPEED = 20.0
LONGEST_S = 30.0
"""By the clock of the scenarios: a second or two of the true time."""
SOME_S = 2.0
"""So long payments are made on either side of what happens."""
NAMES = {"succeeded": "lnd_payments_succeeded_total", "failed": "lnd_payments_failed_total"}

Series = dict[frozenset[tuple[str, str]], list[tuple[float, float]]]
"""The samples of each series in ascending order: time in seconds since 1970, and value."""


class Living:
    """A node with a past, which makes payments; some have been in flight since long before."""

    def __init__(self, home: Path) -> None:
        """Prepare; `begin` makes the past."""
        self.start_s = time.time() - (HOURS + 1) * HOUR_S
        self.clock = PastClock(self.start_s)
        self.node = old_node(home / "lnd", self.clock, keeps_attempts=False)
        self._rest: list[Scenario] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._traffic: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Make the past, and begin to make payments."""
        past = [each for each in traffic(self.node, PAYMENTS, HOURS * HOUR_S) if each.name != "retried_hash"]
        await self.node.play(*held(self.node, (1, 4, 9.5, 14)), *past)
        own = Scenarios(self.node.world, "open")
        for number in range(OPEN):
            scenario = own.held_then_settled() if number % 2 else own.held_then_cancelled()
            at = next(place for place, step in enumerate(scenario.steps) if isinstance(step.mutation, Register))
            for step in scenario.steps[: at + 1]:
                self.node.database.apply(step.mutation)
            self._rest.append(scenario._replace(steps=scenario.steps[at + 1 :]))
        self.clock.put_right(SPEED)
        self._traffic = asyncio.create_task(self._pay())

    async def end(self) -> None:
        """Let all payments end."""
        assert self._traffic is not None
        self._traffic.cancel()
        await asyncio.wait([self._traffic])
        await asyncio.gather(*self._tasks, self.node.play(*self._rest))

    async def _pay(self) -> None:
        for scenario in RandomTraffic(self.node.world, "now"):
            takes_s = sum(step.delay_s for step in scenario.steps)
            if scenario.name != "retried_hash" and takes_s < LONGEST_S:  # lnd erases a run of a hash that is retried
                self._tasks.append(asyncio.create_task(self.node.play(scenario)))
                await asyncio.sleep(1 / PER_SECOND)


@asynccontextmanager
async def crossing(home: Path) -> AsyncIterator[tuple[Living, Exporter, Prometheus]]:
    """A node with a past that makes payments, and an exporter and a Prometheus that don't run yet."""
    living = Living(home)
    async with living.node as node:
        exporter = Exporter([NodeConfig("alice", node.address, node.tls_cert, node.macaroon)], home / "exporter")
        prometheus = Prometheus(home / "prometheus", exporter.target)
        await living.begin()
        await asyncio.sleep(SOME_S)
        try:
            yield living, exporter, prometheus
        finally:
            await prometheus.stop()
            await exporter.stop()


async def write(node: SimulatedNode, exporter: Exporter, home: Path, *flags: str) -> None:
    """Run `backfill`, and put what it wrote into the database of a Prometheus that isn't running."""
    labels = f"--labels=job={JOB},instance={exporter.target}"
    await backfill(node, home, labels, f"--step={STEP_S}s", f"--storage.path={exporter.state}", *flags)


async def all_samples(prometheus: Prometheus, name: str) -> Series:
    """Return all samples of a metric: of history, and live ones."""
    found = Series()
    for sample in await prometheus.query(f"{name}[{HOURS + 2}h]"):
        labels = {label: word for label, word in sample.labels.items() if label != "__name__"}
        found.setdefault(frozenset(labels.items()), []).append((sample.time_s, sample.value))
    return {labels: sorted(values) for labels, values in found.items()}


def rises(values: list[tuple[float, float]]) -> float:
    """Return by how much a counter rose, counted as `increase` does: at first, and after a fall, it began at zero."""
    before = rise = 0.0
    for _, value in values:
        rise += value - before if value >= before else value
        before = value
    return rise


def outcome(payment: pb.Payment) -> str:
    """Return how a payment of lnd's list has ended."""
    assert payment.status in {pb.Payment.SUCCEEDED, pb.Payment.FAILED}
    return "succeeded" if payment.status == pb.Payment.SUCCEEDED else "failed"


async def counted(node: SimulatedNode, prometheus: Prometheus) -> None:
    """Wait until Prometheus has seen that nothing is in flight."""
    await node.wait_until_drained()

    async def nothing_in_flight() -> bool:
        await prometheus.next_scrape()
        return [sample.value for sample in await prometheus.query("sum(lnd_payments_in_flight)")] == [0]

    await until("all payments are counted", nothing_in_flight)


async def test_adopted_before_the_first_scrape(tmp_path: Path) -> None:
    """No series falls, and all together rise over the seam by the payments that ended since."""
    async with crossing(tmp_path) as (living, exporter, prometheus):
        await write(living.node, exporter, tmp_path, "--adopt")
        import_files(tmp_path / "history", tmp_path / "prometheus" / "data")
        await asyncio.sleep(SOME_S)
        await exporter.start()
        await prometheus.start()
        await asyncio.sleep(SOME_S)
        await living.end()
        await counted(living.node, prometheus)
        before_s = round(living.start_s + HOURS // 2 * HOUR_S) // STEP_S * STEP_S
        payments = listed(living.node)
        assert len(payments) > PAYMENTS + OPEN
        since = [outcome(payment) for payment in payments if ended_ns(payment) > before_s * NS_PER_S]
        found = {}
        for name, metric in NAMES.items():
            series = await all_samples(prometheus, metric)
            assert all(map(never_falls, series.values()))
            at = dict[float, float]()
            for values in series.values():
                for time_s, value in values:
                    at[time_s] = at.get(time_s, 0) + value
            found[name] = at[max(at)] - at[before_s]
        assert found == Tally(since)


def never_falls(values: list[tuple[float, float]]) -> bool:
    """Return whether no sample is lower than the one before."""
    return all(before <= after for (_, before), (_, after) in pairwise(values))


async def test_adopted_later(tmp_path: Path) -> None:
    """History ends with a zero, the live counters begin at zero before it is written, and nothing counts twice."""
    async with crossing(tmp_path) as (living, exporter, prometheus):
        await exporter.start()
        await prometheus.start()
        await asyncio.sleep(SOME_S)
        await write(living.node, exporter, tmp_path)
        await prometheus.stop()
        import_files(tmp_path / "history", tmp_path / "prometheus" / "data")
        await prometheus.start()
        await asyncio.sleep(SOME_S)
        await living.end()
        await counted(living.node, prometheus)
        payments = listed(living.node)
        found = {}
        for name, metric in NAMES.items():
            series = await all_samples(prometheus, metric)
            found[name] = sum(map(rises, series.values()))
            began = [values for values in series.values() if values[0][0] < living.start_s + HOURS * HOUR_S]
            assert began
            assert all(ends_with_zero(values) for values in began)
        assert found == Tally(map(outcome, payments))


def ends_with_zero(values: list[tuple[float, float]]) -> bool:
    """Return whether exactly one zero comes a millisecond after a sample: what history ends with."""
    zeros = [after for before, after in pairwise(values) if round((after[0] - before[0]) * 1000) == 1]
    return [value for _, value in zeros] == [0]
