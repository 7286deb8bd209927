"""Counting without faults: everything from now on, each payment once."""

from collections import Counter as Tally

import pytest

from exporter.follow import calls
from exporter.payments.labels import Status
from exporter.payments.totals import Counter
from exporter.simulator.mutation import Register, Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow.watch import ENDS, Watch, watching


def begin(node: SimulatedNode, scenario: Scenario) -> list[Scenario]:
    """Play a life until its first HTLC is sent; return the rest of it, as a list of one."""
    for number, step in enumerate(scenario.steps):
        node.database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            return [scenario._replace(steps=scenario.steps[number + 1 :])]
    raise AssertionError("this life has no HTLC")


def reasons(node: SimulatedNode) -> Tally[str]:
    """Return the reasons of the failed payments, as the node knows them."""
    return Tally(end.reason.value for end in node.truth() if end.status is Status.FAILED)


def counted_reasons(watch: Watch) -> Tally[str]:
    """Return the reasons of the failed payments, as counted."""
    tally: Tally[str] = Tally()
    for (_, _, reason), number in watch.labels(Counter.FAILED).items():
        tally[reason] += number
    return tally


async def test_only_history_is_not_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """A payment that ended before counting began is not counted; one in flight is, with its HTLC."""
    await node.play(scenarios.success(), scenarios.no_route(), scenarios.retry())
    rest = begin(node, scenarios.held_then_settled())
    async with watching(node) as watch:
        await watch.live()
        assert watch.totals(*ENDS) == {"started": 1, "succeeded": 0, "failed": 0, "lost": 0}
        await node.play(scenarios.success(), *rest)
        await node.wait_until_drained()
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 2})
        assert watch.totals(*ENDS, Counter.ATTEMPTS_STARTED) == {
            "started": 2, "succeeded": 2, "failed": 0, "lost": 0, "attempts_started": 2,
        }  # fmt: skip


async def test_old_payment_in_flight_is_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """It is older than all the history that is read: only the subscription shows it."""
    rest = begin(node, scenarios.held_then_settled())
    for _ in range(510):
        await node.play(scenarios.no_route())
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: watch.totals(Counter.STARTED) == {"started": 1})
        await node.play(*rest)
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})


@pytest.mark.slow
async def test_random_traffic_is_counted_exactly(node: SimulatedNode) -> None:
    """A thousand payments of every kind, at full speed: all totals are the simulator's."""
    mix = iter(RandomTraffic(node.world, 7))
    async with watching(node) as watch:
        await watch.live()
        for _ in range(1000):
            await node.play(next(mix))
        await node.wait_until_drained()
        truth = node.truth()
        ended = len(truth)
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED, Counter.FAILED) >= ended)
        won = [end for end in truth if end.status is Status.SUCCEEDED]
        assert watch.totals(Counter.SUCCEEDED, Counter.FAILED, Counter.SENT, Counter.FEES) == {
            "succeeded": len(won),
            "failed": ended - len(won),
            "sent": sum(end.value_msat for end in won),
            "fees": sum(end.fee_msat for end in won),
        }
        assert counted_reasons(watch) == reasons(node)
        kinds: Tally[str] = Tally()
        for counter in (Counter.SUCCEEDED, Counter.FAILED):
            for (kind, *_), number in watch.labels(counter).items():
                kinds[kind] += number
        assert kinds == Tally(end.kind.value for end in truth)
        assert watch.totals(Counter.ATTEMPTS_FAILED, Counter.ATTEMPTS_SETTLED) == {
            "attempts_failed": sum(len(end.failures) for end in truth),
            "attempts_settled": sum(end.settled for end in truth),
        }


async def test_old_payment_that_ends_before_any_stream_has_shown_it_is_counted(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is older than the history that is read, and the first stream breaks before lnd has read its table."""
    monkeypatch.setattr(calls, "PAGE_LIMIT", 2)
    rest = begin(node, scenarios.held_then_settled())
    await node.play(*[scenarios.no_route() for _ in range(5)])
    async with node.faults.scan_held(before=True) as scan, watching(node) as watch:
        await watch.live()
        await scan.reached.wait()
        scan.reached.clear()
        await node.kill()
        await watch.lost()
        await node.start()
        await watch.live()
        await scan.reached.wait()
        await node.play(*rest)
        scan.go_on.set()
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
        assert watch.totals(*ENDS) == {"started": 1, "succeeded": 1, "failed": 0, "lost": 0}


async def test_end_is_counted_without_a_scrape(node: SimulatedNode, scenarios: Scenarios) -> None:
    """A second later, when its hold is over."""
    async with watching(node) as watch:
        await watch.live()
        await node.play(scenarios.success())
        succeeded = watch.follower.account.ledger.counters[Counter.SUCCEEDED]
        await watch.until(lambda: watch.follower.account.tracker.on_hold)
        watch.clocks.ahead_s += 1
        await watch.until(lambda: sum(succeeded.values()) == 1)
