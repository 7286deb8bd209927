"""A simulated node that has a past, made in virtual time, and what lnd lists of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.simulator.clock import VirtualClock, WallClock
from exporter.simulator.database import Options
from exporter.simulator.mutation import Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.timeline import delayed
from exporter.simulator.world import generator
from tests.network.process import run

HOUR_S = 3600


class PastClock:
    """A clock of the past, where waiting takes no time, until it is put right."""

    def __init__(self, start_s: float) -> None:
        """Begin at `start_s`, seconds since 1970."""
        self._clock: VirtualClock | WallClock = VirtualClock(round(start_s * NS_PER_S))

    def put_right(self, speed: float = 1.0) -> None:
        """Show the true time from now on; waiting is shorter by `speed`."""
        self._clock = WallClock(speed)

    def now_ns(self) -> int:
        """Return nanoseconds since 1970, later than the last time."""
        return self._clock.now_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of this clock."""
        await self._clock.sleep(seconds)


def old_node(home: Path, clock: PastClock, *, keeps_attempts: bool) -> SimulatedNode:
    """Return a node that doesn't run yet; lnd keeps failed attempts only if it is told to."""
    home.mkdir()
    options = Options(keep_failed_payment_attempts=keeps_attempts)
    return SimulatedNode(home, seed="past", clock=clock, options=options)


def traffic(node: SimulatedNode, payments: int, span_s: float) -> list[Scenario]:
    """Return payments of all kinds, which begin at random times of a span."""
    rng = generator("when", "past")
    begins = sorted(rng.uniform(0, span_s) for _ in range(payments))
    return [delayed(at_s, each) for at_s, each in zip(begins, RandomTraffic(node.world, "past"), strict=False)]


def held(node: SimulatedNode, hours: Sequence[float]) -> list[Scenario]:
    """Return payments that begin at once, and whose HTLCs are held for so long: every other one is cancelled then."""
    own = Scenarios(node.world, "held")
    return [
        own.held_then_settled(each * HOUR_S) if place % 2 else own.held_then_cancelled(each * HOUR_S)
        for place, each in enumerate(hours)
    ]


def listed(node: SimulatedNode) -> list[pb.Payment]:
    """Return what `ListPayments` of the node answers."""
    request = pb.ListPaymentsRequest(include_incomplete=True, max_payments=1 << 30)
    return list(pb.ListPaymentsResponse.FromString(node.database.page(request)).payments)


def ended_ns(payment: pb.Payment) -> int:
    """Return when a payment ended, as far as lnd's list tells: when the last thing happened to it."""
    times = [max(attempt.attempt_time_ns, attempt.resolve_time_ns) for attempt in payment.htlcs]
    return max([payment.creation_time_ns, *times])


async def backfill(node: SimulatedNode, home: Path, *flags: str) -> None:
    """Run the command `backfill` for a node that runs; it is called alice."""
    await run(
        [
            sys.executable,
            "-m",
            "exporter",
            "backfill",
            f"--lnd.address={node.address}",
            f"--lnd.tls-cert={node.tls_cert}",
            f"--lnd.macaroon={node.macaroon}",
            "--lnd.name=alice",
            f"--output={home / 'history'}",
            *flags,
        ],
        home,
    )
