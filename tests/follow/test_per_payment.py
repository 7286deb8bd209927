"""A node without a stream of all payments: each payment has a stream of its own."""

import asyncio
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from dataclasses import replace

import grpc
import pytest

from exporter.follow import Account, Follower, per_payment
from exporter.lnd.client import PaymentsPage
from exporter.payments.labels import Method, Mode
from exporter.payments.payment import Run
from exporter.payments.totals import Counter
from exporter.simulator.clock import WallClock
from exporter.simulator.database import Backend, Options
from exporter.simulator.mutation import Scenario, Step
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import ALL_PERMISSIONS, METHOD_PATHS
from tests.follow.chaos import ChaoticNode
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.follow.watch import ENDS, QUICK, Watch, watching
from tests.patience import PATIENCE_S

MISSED = (Counter.RECOVERED, Counter.ATTEMPTS_INCOMPLETE, Counter.ATTEMPTS_FAILED)


class CountingNode(ChaoticNode):
    """A node that counts how often its payments are listed."""

    lists = 0

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> PaymentsPage:
        """Count the call."""
        self.lists += 1
        return await super().payments(after=after, limit=limit, newest_first=newest_first)


def apply(node: SimulatedNode, steps: Iterable[Step]) -> None:
    """Apply steps of a life to the database, in no time."""
    for step in steps:
        node.database.apply(step.mutation)


def followed(node: SimulatedNode) -> set[str]:
    """Return the hashes of the payments that have a stream of their own."""
    return {payment_hash for payment_hash, some in node.subscriptions._by_hash.items() if some}


async def until_ended(watch: Watch, number: int) -> None:
    """Wait until that many payments have been counted."""
    await watch.until(lambda: watch.counted(Counter.SUCCEEDED, Counter.FAILED) == number)


@pytest.mark.parametrize("refusal", ["unimplemented", "denied"])
async def test_refused_stream_is_replaced_by_one_for_each_payment(
    refusal: str, node: SimulatedNode, scenarios: Scenarios
) -> None:
    """It is logged once, and all payments count: quick ones, a slow one, one with two terminal updates."""
    if refusal == "denied":
        node.renew_macaroon(ALL_PERMISSIONS - {METHOD_PATHS[Method.TRACK_PAYMENTS]})
    else:
        node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: watch.status.mode is Mode.TRACK)
        for scenario in (
            scenarios.success(),
            scenarios.retry(),
            scenarios.no_route(),
            scenarios.held_then_settled(240),
        ):
            await node.play(scenario)
        await until_ended(watch, 4)
        assert watch.totals(*ENDS) == {"started": 4, "succeeded": 3, "failed": 1, "lost": 0}
        assert watch.totals(Counter.SUCCEEDED_LATE) == {"succeeded_late": 1}
        assert len(watch.logged("no stream of all payments: following each by a stream of its own")) == 1


async def test_late_refusal_of_final_updates_lets_finished_runs_be_forgotten(
    node: SimulatedNode, scenarios: Scenarios
) -> None:
    """Until then lists show what begins and nothing is forgotten; afterwards `FinishedRuns.read_up_to` is None."""
    node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    node.faults.delay(Method.TRACK_PAYMENTS, 0.5)
    async with watching(node, intervals=replace(QUICK, poll_s=0.2), final_only=True) as watch:
        await watch.live()
        memory = watch.follower.account.tracker.finished
        await watch.until(lambda: memory.read_up_to == 0)
        await watch.until(lambda: watch.status.mode is Mode.TRACK)
        await watch.until(lambda: memory.read_up_to is None)
        await node.play(scenarios.success())
        await until_ended(watch, 1)


async def test_mode_track_never_requests_the_stream_of_all_payments(node: SimulatedNode, scenarios: Scenarios) -> None:
    """A payment that is seen from its beginning to its end is live."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        *begin, settled, last = scenarios.retry().steps
        apply(node, begin)
        tracker = watch.follower.account.tracker
        await watch.until(lambda: tracker.open and all(map(tracker.is_on_stream, tracker.open.values())))
        apply(node, (settled, last))
        await until_ended(watch, 1)
        assert watch.totals(Counter.RECOVERED, Counter.ATTEMPTS_INCOMPLETE) == {
            "recovered": 0,
            "attempts_incomplete": 0,
        }
        assert node.calls[Method.TRACK_PAYMENTS] == 0


async def test_mode_firehose_does_not_replace_the_stream(node: SimulatedNode) -> None:
    """Without permission for it the node is not followed."""
    node.renew_macaroon(ALL_PERMISSIONS - {METHOD_PATHS[Method.TRACK_PAYMENTS]})
    async with watching(node, mode=Mode.FIREHOSE) as watch:
        await watch.until(lambda: watch.logged("not following"))
        assert watch.status.mode is Mode.FIREHOSE


async def test_more_payments_than_streams_count(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest have streams; a quiet one loses its stream, is requested once per `Intervals.poll_s`, and counts."""
    monkeypatch.setattr(per_payment, "MAX_STREAMS", 2)
    monkeypatch.setattr(per_payment, "QUIET_NS", 0)
    monkeypatch.setattr(per_payment, "OVERLAP", 0)  # payments without a stream are not listed again with new ones
    begun: list[Scenario] = []
    async with watching(node, mode=Mode.TRACK, intervals=replace(QUICK, poll_s=0.3)) as watch:
        await watch.live()
        for number in range(1, 5):
            begun.append(scenarios.success())
            apply(node, begun[-1].steps[:2])
            await watch.until(lambda number=number: watch.counted(Counter.ATTEMPTS_STARTED) == number)  # type: ignore[misc]
            newest = {scenario.payment_hash for scenario in begun[-2:]}
            await watch.until(lambda newest=newest: followed(node) == newest)  # type: ignore[misc]
        for scenario in begun:
            apply(node, scenario.steps[2:])
        await until_ended(watch, 4)
        assert watch.totals(*ENDS) == {"started": 4, "succeeded": 4, "failed": 0, "lost": 0}


async def test_payment_between_two_lists_counts_without_its_failed_attempts(
    node: SimulatedNode, scenarios: Scenarios
) -> None:
    """The end is found, the failed attempt is not: `attempts_incomplete` counts that."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        apply(node, scenarios.retry().steps)
        await until_ended(watch, 1)
        assert watch.totals(*MISSED) == {"recovered": 1, "attempts_incomplete": 1, "attempts_failed": 0}


async def test_end_before_its_stream_began_is_recovered(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end in the first update of a stream is not live."""
    monkeypatch.setattr(per_payment, "OVERLAP", 0)  # only the stream shows the end
    node.faults.delay(Method.TRACK_PAYMENT, 0.3)
    async with watching(node, mode=Mode.TRACK, intervals=replace(QUICK, second_catch_up_s=3600)) as watch:
        await watch.live()
        scenario = scenarios.retry()
        apply(node, scenario.steps[:1])
        await watch.until(lambda: node.calls[Method.TRACK_PAYMENT])
        apply(node, scenario.steps[1:])
        await until_ended(watch, 1)
        assert watch.totals(*MISSED) == {"recovered": 1, "attempts_incomplete": 1, "attempts_failed": 0}


def test_quiet_node_is_listed_less_often() -> None:
    """Every ten seconds, and about every second while it pays; over a slow connection."""

    async def scenario(loop: VirtualLoop) -> None:
        node, lists = CountingNode(loop, 1), Tally[str]()
        task = asyncio.create_task(Follower(Account("lnd", node.clocks, 50), node, mode=Mode.TRACK).run())
        await asyncio.sleep(100)
        for phase, payments in (("quiet", 0), ("busy", 400), ("quiet again", 0)):
            node.lists = 0
            for _ in range(200):
                node.pay_at_once(payments // 200)
                await asyncio.sleep(0.5)
            lists[phase] = node.lists
        task.cancel()
        await asyncio.wait([task])
        assert lists["quiet"] <= 12
        assert lists["busy"] >= 40
        assert lists["quiet again"] <= 20

    run_virtually(scenario)


async def test_payments_that_the_audit_has_listed_are_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The audit lists the end of the table without recording it."""

    async def counted(runs: Sequence[Run]) -> set[Run]:
        return set(runs)

    intervals = replace(QUICK, list_s=0.6, list_longest_s=0.6, audit_s=0.02)
    async with watching(node, mode=Mode.TRACK, intervals=intervals, counted=counted) as watch:
        await watch.live()
        await asyncio.sleep(0.3)  # until the second catch-up has ended
        for _ in range(3 * per_payment.OVERLAP):
            for step in scenarios.success().steps:
                node.database.apply(step.mutation)
        await until_ended(watch, 3 * per_payment.OVERLAP)


@pytest.mark.slow
async def test_payments_count_after_all_are_deleted_and_numbering_restarts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """`deletepayments --all` on SQLite: no stream shows the next payments, which have low indexes."""
    options = Options(backend=Backend.SQLITE)
    async with SimulatedNode(tmp_path_factory.mktemp("sql"), clock=WallClock(float("inf")), options=options) as node:
        scenarios, many = Scenarios(node.world), 2 * per_payment.OVERLAP
        async with watching(node, mode=Mode.TRACK) as watch:
            await watch.live()
            await node.play(*[scenarios.success() for _ in range(many)])
            await until_ended(watch, many)
            node.database.delete_all()
            await node.play(scenarios.success(), scenarios.no_route())
            await until_ended(watch, many + 2)
            await node.play(scenarios.success())
            await until_ended(watch, many + 3)


async def test_page_shorter_than_the_overlap_is_no_sign_of_a_deletion(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large payments make short pages: one may end below the known index."""
    monkeypatch.setattr("exporter.follow.calls.PAGE_LIMIT", per_payment.OVERLAP // 2)
    for _ in range(2 * per_payment.OVERLAP):
        apply(node, scenarios.success().steps)
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        await asyncio.sleep(0.3)  # until the second catch-up has ended
        for _ in range(per_payment.OVERLAP):
            apply(node, scenarios.success().steps)
        await until_ended(watch, per_payment.OVERLAP)


async def test_payment_that_ends_during_a_loss_counts(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The node stops and starts again meanwhile."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        await node.stop()
        await watch.lost()
        apply(node, scenarios.success().steps)
        await node.start()
        await watch.live()
        await asyncio.wait_for(until_ended(watch, 1), PATIENCE_S)
