"""A stream with final updates only (`no_inflight_updates`)."""

from dataclasses import replace

import grpc
import pytest

from exporter.payments import finished
from exporter.payments.labels import Method, Mode
from exporter.payments.totals import Counter
from exporter.simulator.clock import WallClock
from exporter.simulator.database import Backend, Options
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow.watch import ENDS, QUICK, watching


async def test_payments_in_flight_are_listed(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Once per `Intervals.poll_s`, as the stream doesn't show them; the end that it sends is live and complete."""
    async with watching(node, final_only=True, intervals=replace(QUICK, poll_s=0.05)) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        await watch.until(lambda: node.calls[Method.LIST_PAYMENTS] >= 3)  # for the end of history, and two catch-ups
        for (
            step
        ) in scenarios.success().steps:  # once the stream has sent something, later ends are live whoever is first
            node.database.apply(step.mutation)
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == 1)
        updates = watch.labels(Counter.UPDATES)
        assert updates["stream",] == 1
        attempts, before = watch.counted(Counter.ATTEMPTS_STARTED), watch.counted(Counter.RECOVERED)
        begin, attempt, *rest = scenarios.retry().steps
        for step in (begin, attempt):
            node.database.apply(step.mutation)
        await watch.until(lambda: watch.counted(Counter.ATTEMPTS_STARTED) == attempts + 1)
        assert watch.labels(Counter.UPDATES)["stream",] == 1
        for step in rest:
            node.database.apply(step.mutation)
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == 2)
        assert watch.totals(*ENDS) == {"started": 2, "succeeded": 2, "failed": 0, "lost": 0}
        assert watch.totals(Counter.ATTEMPTS_FAILED, Counter.RECOVERED) == {
            "attempts_failed": 1,
            "recovered": before,
        }
        assert watch.labels(Counter.UPDATES)["stream",] == 2


async def test_without_that_stream_each_payment_has_its_own(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Then updates of payments in flight are received, too."""
    node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    async with watching(node, final_only=True) as watch:
        await watch.until(lambda: watch.status.mode is Mode.TRACK)
        await watch.live()
        for step in scenarios.success().steps[:2]:
            node.database.apply(step.mutation)
        await watch.until(lambda: ("stream",) in watch.labels(Counter.UPDATES))


@pytest.mark.slow
async def test_payments_are_found_after_all_are_deleted_and_numbering_restarts(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`deletepayments --all` on SQLite: the next payment in flight has a low index, and is found nevertheless."""
    monkeypatch.setattr(finished, "REMEMBERED", 50)
    options = Options(backend=Backend.SQLITE)
    async with SimulatedNode(tmp_path_factory.mktemp("sql"), clock=WallClock(float("inf")), options=options) as node:
        scenarios = Scenarios(node.world)
        async with watching(node, final_only=True, intervals=replace(QUICK, poll_s=0.05)) as watch:
            await watch.live()
            await node.wait_for_subscribers(1)
            remembered = watch.follower.account.tracker.finished
            while remembered.floor_index < 10:
                await node.play(*[scenarios.success() for _ in range(50)])
                listed = node.calls[Method.LIST_PAYMENTS]
                await watch.until(lambda listed=listed: node.calls[Method.LIST_PAYMENTS] > listed + 1)  # type: ignore[misc]
            node.database.delete_all()
            for step in scenarios.success().steps[:2]:
                node.database.apply(step.mutation)
            await watch.until(lambda: len(watch.follower.account.tracker.open) == 1)
            assert remembered.floor_index < 10
