"""The audit: payments missed for whatever reason are found in another way, counted, and logged."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from exporter.follow import Account, Backoff, Follower, Intervals, audit, calls
from exporter.payments import horizon
from exporter.payments.payment import Run
from exporter.payments.totals import Counter
from exporter.simulator.database import Backend, Options
from exporter.simulator.mutation import GiveUp
from exporter.simulator.scenarios import TIMEOUT, Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.test_counting import begin, counted_reasons, reasons
from tests.follow.test_gaps import disconnect, reconnect
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.follow.watch import ENDS, QUICK, Watch, watching

INTERVALS: Intervals = replace(QUICK, audit_s=0.02)


class CountedList:
    """The list of runs that were counted."""

    def __init__(self) -> None:
        """Start empty and readable."""
        self.counted: set[Run] = set()
        self.readable = True
        self.looked_up = 0

    async def __call__(self, runs: Sequence[Run]) -> set[Run] | None:
        """Return those of the runs that are on it."""
        self.looked_up += 1
        return self.counted & set(runs) if self.readable else None

    def take_from(self, watch: Watch) -> None:
        """Move the runs counted until now from the account's memory to the list."""
        account = watch.follower.account
        watch.clocks.ahead_s += 2
        account.release()
        self.counted |= set(account.ended)
        account.ended.clear()
        memory = account.tracker.finished
        memory.go_by_index(max(memory.indexes.values()))
        memory.indexes.clear()


async def at_the_newest_payment(watch: Watch, counted_list: CountedList) -> None:
    """Hold the audit at the beginning of a round: it waits there until the list is readable again."""
    audit_of_the_node = watch.follower._audit
    assert audit_of_the_node is not None
    while True:
        await watch.until(lambda: audit_of_the_node._before == 0)
        counted_list.readable, seen = False, counted_list.looked_up
        await watch.until(lambda seen=seen: counted_list.looked_up > seen + 1)  # type: ignore[misc]
        if audit_of_the_node._before == 0:
            return
        counted_list.readable = True


async def test_audit_of_complete_counts_finds_nothing(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """History, counted payments, payments in flight and new payments are not missing."""
    monkeypatch.setattr(audit, "BATCH", 3)
    await node.play(*[scenarios.no_route() for _ in range(10)])
    counted_list = CountedList()
    async with watching(node, intervals=INTERVALS, counted=counted_list) as watch:
        watch.follower.account.lists_ended = True
        await watch.live()
        await node.play(
            scenarios.success(), scenarios.no_route(), scenarios.retry(), scenarios.retried_hash(), scenarios.keysend()
        )
        begin(node, scenarios.held_then_settled())
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == 4)
        counted_list.take_from(watch)
        watch.clocks.ahead_s += 700
        seen = counted_list.looked_up
        await watch.until(lambda: counted_list.looked_up > seen + 9)
        assert watch.status.unaccounted == 0
        assert watch.totals(Counter.STARTED) == {"started": 7}


async def test_audit_counts_payments_that_the_catch_up_missed(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A floor that is too high hides payments from the catch-up, but not from the audit."""
    monkeypatch.setattr(audit, "BATCH", 4)
    await node.play(*[scenarios.no_route() for _ in range(10)])
    counted_list = CountedList()
    async with watching(node, intervals=INTERVALS, counted=counted_list) as watch:
        watch.follower.account.lists_ended = True
        await watch.live()
        await node.play(scenarios.success())
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == 1)
        await disconnect(node, watch)
        await node.play(*[scenarios.held_then_cancelled(90) for _ in range(6)], scenarios.success())
        counted_list.take_from(watch)
        memory = watch.follower.account.tracker.finished
        memory.floor_index = 18  # 12 to 18 were never seen
        memory.note_created(Run("", 2**62))
        await reconnect(node, watch)
        await watch.until(lambda: counted_list.looked_up > 9)
        assert watch.totals(*ENDS) == {"started": 1, "succeeded": 1, "failed": 0, "lost": 0}
        await at_the_newest_payment(watch, counted_list)  # so that one round finds all of them
        watch.clocks.ahead_s += 700
        counted_list.readable = True
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 8, "succeeded": 2, "failed": 6, "lost": 0})
        assert counted_reasons(watch)["timeout"] == reasons(node)["timeout"] == 6
        assert watch.status.unaccounted == 7
        indexes = [index for line in watch.logged(FOUND) for index in line["indexes"]]
        assert sorted(indexes) == [12, 13, 14, 15, 16, 17, 18]
        await watch.until(lambda: watch.status.unaccounted == 0)  # two rounds later
        assert len(watch.logged(FOUND)) <= 3


async def test_audit_counts_an_open_payment_that_ended_long_ago(node: SimulatedNode, scenarios: Scenarios) -> None:
    """In flight here and ended in lnd: it is found once, after the grace time."""
    counted_list = CountedList()
    async with watching(node, intervals=replace(INTERVALS, second_catch_up_s=3600), counted=counted_list) as watch:
        watch.follower.account.lists_ended = True
        await watch.live()
        await node.play(scenarios.success())
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == 1)
        held = begin(node, scenarios.held_then_settled())
        await watch.until(lambda: watch.counted(Counter.STARTED) == 2)
        tracker = watch.follower.account.tracker
        node.subscriptions.leave(next(iter(node.subscriptions._all)))  # the stream stays open, but silent
        await node.play(*held, scenarios.success())
        seen = counted_list.looked_up
        await watch.until(lambda: counted_list.looked_up > seen + 3)
        assert watch.totals(Counter.SUCCEEDED) == {"succeeded": 1}
        tracker.finished.note_created(Run("", 2**62))
        watch.clocks.ahead_s += 700
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 3, "succeeded": 3, "failed": 0, "lost": 0})
        assert sum(line["payments"] for line in watch.logged(FOUND)) == 2


async def test_history_stays_history_when_our_clock_is_behind(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an hour, when counting begins: payments of that hour are not missing."""
    monkeypatch.setattr(audit, "BATCH", 3)
    monkeypatch.setattr(calls, "PAGE_LIMIT", 3)
    await node.play(*[scenarios.no_route() for _ in range(10)])
    counted_list = CountedList()
    async with watching(node, intervals=INTERVALS, counted=counted_list, ahead_s=-3600) as watch:
        await watch.live()
        await node.play(scenarios.success())
        watch.clocks.ahead_s += 7200
        watch.follower.account.tracker.finished.note_created(Run("", 2**62))
        await watch.until(lambda: counted_list.looked_up > 9)
        assert watch.status.unaccounted == 0
        assert watch.totals(Counter.STARTED) == {"started": 1}


async def test_audit_stops_at_its_horizon(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes back no further than the list of counted runs does, then begins again at the newest payment."""
    monkeypatch.setattr(audit, "BATCH", 3)
    counted_list = CountedList()
    async with watching(node, intervals=INTERVALS, counted=counted_list) as watch:
        watch.follower.account.lists_ended = True
        await watch.live()
        await node.play(*[scenarios.no_route() for _ in range(12)])
        await watch.until(lambda: watch.counted(Counter.FAILED) == 12)
        counted_list.take_from(watch)
        asked: list[int] = []
        audit_of_the_node = watch.follower._audit
        assert audit_of_the_node is not None
        await watch.until(lambda: 0 < audit_of_the_node._before <= 4)
        monkeypatch.setattr(horizon, "AUDITED_US", 0)
        await watch.until(lambda: audit_of_the_node._before == 0)
        step = audit_of_the_node._step

        async def noted(before: int) -> int:
            asked.append(before)
            return await step(before)

        monkeypatch.setattr(audit_of_the_node, "_step", noted)
        await watch.until(lambda: len(asked) > 5)
        assert set(asked) == {0}


async def test_audit_keeps_pace_with_new_payments(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The more payments begin, the earlier its next step; while none begin it waits."""
    monkeypatch.setattr(audit, "HURRY", 3)
    monkeypatch.setattr(audit, "HURRY_S", 0.01)
    counted_list = CountedList()
    async with watching(node, intervals=replace(QUICK, audit_s=3600), counted=counted_list) as watch:
        await watch.live()
        await watch.until(lambda: counted_list.looked_up == 1)
        account = watch.follower.account
        for steps in (2, 3, 4):
            await watch.until(lambda: account._awaited_started == account.started + 3)  # `HURRY_S` is over
            await node.play(scenarios.no_route(), scenarios.no_route())
            await watch.until(lambda: watch.counted(Counter.STARTED) % 3 == 2)
            assert counted_list.looked_up == steps - 1
            await node.play(scenarios.no_route())
            await watch.until(lambda steps=steps: counted_list.looked_up == steps)  # type: ignore[misc]


FOUND = "payments that ended were in no counter: they are now; please report this bug"


async def test_unreadable_list_reports_nothing(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Without the list the audit doesn't know what is missing."""
    counted_list = CountedList()
    counted_list.readable = False
    async with watching(node, intervals=INTERVALS, counted=counted_list) as watch:
        await watch.live()
        await node.play(scenarios.success())
        watch.clocks.ahead_s += 700
        await watch.until(lambda: counted_list.looked_up > 5)
        assert watch.status.unaccounted is None
        assert watch.logged(FOUND) == []


def test_end_that_a_new_stream_has_yet_to_send_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """lnd reads its table for 20 s before a stream sends its first update, and the payment ends meanwhile."""
    monkeypatch.setattr(chaos, "LAGS_S", (0.002,))
    monkeypatch.setattr(chaos, "SCANS_S", (20.0,))

    async def scenario(loop: VirtualLoop) -> None:
        node = ChaoticNode(loop, 1, Options(backend=Backend.KV))
        scenarios, counted_list = Scenarios(node.world), CountedList()
        follower = Follower(Account("lnd", node.clocks, 50), node, backoff=Backoff(Random(1)), counted=counted_list)
        task = asyncio.create_task(follower.run())
        await asyncio.sleep(200)
        stuck = scenarios.stuck()
        for mutation in (*stuck.steps, *scenarios.success().steps):
            node.database.apply(mutation.mutation)
        await asyncio.sleep(3600)
        for step in scenarios.success().steps:
            node.database.apply(step.mutation)
        await asyncio.sleep(100)
        counted_list.counted |= {end.run for end in node.ends().values()}
        node.lose()
        page = node.payments

        async def ends_as_it_is_read(**asked: Any) -> Any:
            if asked.get("newest_first") and asked["limit"] > 1 and node.database.snapshot():
                node.database.apply(GiveUp(stuck.payment_hash, TIMEOUT))
            return await page(**asked)

        monkeypatch.setattr(node, "payments", ends_as_it_is_read)
        await asyncio.sleep(300)
        view = follower.account.capture()
        assert sum(view.counters[Counter.FAILED].values()) == 1
        assert view.status.unaccounted == 0
        task.cancel()
        await asyncio.wait([task])

    run_virtually(scenario)
