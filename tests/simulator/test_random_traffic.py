"""Random traffic and the traffic of the demo: its proportions, and its truth compared with the stream."""

import asyncio
import itertools
import math
from collections import Counter
from pathlib import Path

import pytest

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import AmountBand, Kind, Status, amount_band
from exporter.simulator.clock import VirtualClock, WallClock
from exporter.simulator.demo import node as demo_node
from exporter.simulator.demo import traffic
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.server import SimulatedNode
from exporter.simulator.timeline import delayed
from exporter.simulator.truth import reason
from tests.simulator.raw import connected


async def test_truth_equals_the_streamed_updates(tmp_path: Path) -> None:
    """500 scenarios at once: `truth` equals the last terminal update of each run."""
    async with SimulatedNode(tmp_path, clock=VirtualClock()) as node, connected(node) as raw:
        stream = raw.track_all()
        await node.wait_for_subscribers(1)
        scenarios = [
            delayed(n / 10, scenario) for n, scenario in enumerate(itertools.islice(RandomTraffic(node.world, 1), 500))
        ]
        await node.play(*scenarios)
        number = sum(type(step.mutation).__name__ != "Finish" for scenario in scenarios for step in scenario.steps)
        ends: dict[tuple[str, int], pb.Payment] = {}
        for update in await stream.take(number):
            if update.status in (pb.Payment.SUCCEEDED, pb.Payment.FAILED):
                ends[update.payment_hash, update.creation_time_ns] = update
        observed = {
            run: (
                end.status == pb.Payment.SUCCEEDED,
                reason(end.failure_reason),
                end.value_msat,
                end.fee_msat,
                len(end.htlcs),
                end.payment_index,
            )
            for run, end in ends.items()
        }
        assert observed == {
            (run.payment_hash, run.created_ns): (
                run.status is Status.SUCCEEDED,
                run.reason,
                run.value_msat,
                run.fee_msat,
                run.attempts,
                run.payment_index,
            )
            for run in node.truth()
        }


@pytest.mark.slow
async def test_proportions_are_realistic(tmp_path: Path) -> None:
    """About 9 of 10 payments succeed, fewer of the large ones; every kind occurs."""
    async with SimulatedNode(tmp_path, clock=VirtualClock()) as node:
        await node.play(*itertools.islice(RandomTraffic(node.world, 2), 3000))
        paid = [run for run in node.truth() if run.kind in (Kind.INVOICE, Kind.KEYSEND, Kind.AMP)]
        good = Counter(amount_band(run.value_msat) for run in paid if run.status is Status.SUCCEEDED)
        everything = Counter(amount_band(run.value_msat) for run in paid)
        rate = {band: good[band] / everything[band] for band in everything}
        assert 0.85 < good.total() / everything.total() < 0.95
        assert rate[AmountBand.UNDER_1K] > rate[AmountBand.UNDER_1M] > rate[AmountBand.UNDER_10M]
        assert {run.kind for run in node.truth()} == set(Kind) - {Kind.UNKNOWN}


async def test_first_hundred_payments_of_the_demo_have_every_kind_and_reason(tmp_path: Path) -> None:
    """They have every kind and every reason, one has several parts, and an HTLC near its expiry is held."""
    async with demo_node(tmp_path) as node:
        node.clock = WallClock(speed=math.inf)
        enough = asyncio.Event()
        node.database.watchers.append(lambda _: enough.set() if len(node.truth()) >= 100 else None)
        demo = asyncio.create_task(traffic(node))
        await enough.wait()
        demo.cancel()
        await asyncio.gather(demo, return_exceptions=True)
        runs = node.truth()
        assert {run.kind for run in runs} == set(Kind) - {Kind.UNKNOWN}
        assert {run.reason.value for run in runs} >= {
            "no_route",
            "insufficient_balance",
            "timeout",
            "canceled",
            "error",
            "incorrect_payment_details",
        }
        assert max(run.settled for run in runs) > 1
        oldest = pb.Payment.FromString(node.database.snapshot()[0].message)
        for update in node.database.snapshot():
            payment = pb.Payment.FromString(update.message)
            oldest = min(oldest, payment, key=lambda some: some.creation_time_ns)
        assert oldest.htlcs[0].route.total_time_lock - node.world.height < 36
