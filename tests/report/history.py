"""A simulated node with a history of some months, and what is true of it."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S, Payment
from exporter.simulator.clock import VirtualClock
from exporter.simulator.database import Database, Options
from exporter.simulator.mutation import Register, Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.truth import Finished, finished
from exporter.simulator.world import World

START_NS = 1_767_225_600 * NS_PER_S
"""1 January 2026, 0:00 UTC, when the history begins."""
DAY_S = 86_400


class LongClock(VirtualClock):
    """A virtual clock that passes over long times at once."""

    def skip(self, seconds: float) -> None:
        """Advance the time."""
        self._now_ns += round(seconds * NS_PER_S)


def play(database: Database, clock: LongClock, scenarios: Iterable[Scenario], *, every_s: float) -> None:
    """Apply the scenarios one after the other, with a pause between them."""
    for scenario in scenarios:
        for step in scenario.steps:
            clock.skip(step.delay_s)
            database.apply(step.mutation)
        clock.skip(every_s)


def begin(database: Database, scenario: Scenario) -> None:
    """Apply a scenario up to its first HTLC: then it is in flight."""
    for step in scenario.steps:
        database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            return


def random_history(world: World, count: int, seed: object = 0) -> Iterator[Scenario]:
    """Return the first scenarios of a busy node."""
    return islice(RandomTraffic(world, seed), count)


@asynccontextmanager
async def node_with_history(
    directory: Path, count: int = 300, *, seed: object = 0, keeps_failed: bool = False
) -> AsyncIterator[SimulatedNode]:
    """Start a node with payments of four months, of which one is in flight."""
    clock = LongClock(START_NS)
    options = Options(keep_failed_payment_attempts=keeps_failed)
    async with SimulatedNode(directory, seed=seed, clock=clock, options=options) as node:
        play(node.database, clock, random_history(node.world, count, seed), every_s=120 * DAY_S / count)
        begin(node.database, Scenarios(node.world, "in flight").held_then_settled(value_msat=5_000_000))
        yield node


def listed(database: Database, world: World) -> list[Payment]:
    """Return all payments as lnd lists them."""
    return [decode.payment(pb.Payment.FromString(record.update.message), world.me.pubkey) for record in database]


def truth(database: Database) -> list[Finished]:
    """Return the truth about each run that ended and that lnd still lists."""
    return [finished(record) for record in database if record.update.ended]
