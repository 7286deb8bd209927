"""By sample lnd is asked why payments have found no route: not often, not long, and nothing waits for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from exporter.explain.check import NEEDED
from exporter.follow import no_route
from exporter.payments.labels import CallOutcome, Method, Mode, RouteCheck
from exporter.payments.totals import Counter
from exporter.simulator.calls import Question
from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import GiveUp
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import ALL_PERMISSIONS, METHOD_PATHS, READONLY_PERMISSIONS
from tests.follow.watch import Watch, watching

SAT = 1000
CHECKS, FAILED = Counter.NO_ROUTE_CHECKS, Counter.FAILED
DECODE, ROUTES = Question.DECODE_PAY_REQ, Question.QUERY_ROUTES
DENIAL = "the macaroon doesn't allow DecodePayReq and QueryRoutes: payments without a route are not looked into"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A node whose macaroon allows everything, and where everything takes no time."""
    async with SimulatedNode(tmp_path, permissions=READONLY_PERMISSIONS, clock=WallClock(float("inf"))) as node:
        yield node


def verdicts(watch: Watch) -> dict[str, int]:
    """Return the checks by what they found."""
    series = watch.follower.account.ledger.counters[CHECKS]
    return {str(verdict): number for (verdict,), number in series.items() if number}


async def fails(node: SimulatedNode, watch: Watch, scenarios: Scenarios, *, sat: int = 5_000) -> str:
    """Let a payment find no route, wait until it is counted, and return its hash."""
    before = watch.counted(FAILED)
    lost = scenarios.no_route(sat * SAT)
    await node.play(lost)
    await watch.until(lambda: watch.counted(FAILED) == before + 1)
    return lost.payment_hash


async def fails_unexplained(node: SimulatedNode, watch: Watch, scenarios: Scenarios) -> None:
    """Let a payment find no route, and wait for so long that a check of it would have begun."""
    asked = node.calls[DECODE]
    await fails(node, watch, scenarios)
    before = watch.counted(Counter.SUCCEEDED)
    await node.play(scenarios.success())
    await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == before + 1)
    assert node.calls[DECODE] == asked


async def test_a_route_that_there_is(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Then it was probably the fee limit. No names are asked for, all calls are counted, and no secret is logged."""
    async with watching(node, explain=True) as watch:
        await watch.live()
        assert watch.follower.account.ledger.counters[CHECKS] == {(verdict,): 0 for verdict in RouteCheck}
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS))
        assert verdicts(watch) == {RouteCheck.FEE_LIMIT: 1}
        assert [node.calls[question] for question in Question] == [1, 1, 0]
        calls = watch.follower.account.ledger.counters[Counter.LND_CALLS]
        assert [calls[method, CallOutcome.OK] for method in (Method.DECODE_PAY_REQ, Method.QUERY_ROUTES)] == [1, 1]
        assert calls[Method.TRACK_PAYMENT, CallOutcome.OK] == node.calls[Method.TRACK_PAYMENT] == 1
        assert "lnbc" not in str(watch.logs)
        assert "lnbc" not in repr(vars(watch.follower.account))


async def test_an_amount_that_needs_parts(node: SimulatedNode, scenarios: Scenarios) -> None:
    """No single channel holds so much."""
    largest = max(peer.spendable_msat for peer in node.world.peers) // SAT
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios, sat=largest * 3)
        await watch.until(lambda: watch.counted(CHECKS))
        assert verdicts(watch) == {RouteCheck.TOO_LARGE: 1}


async def test_the_time_was_over_before_the_first_attempt(node: SimulatedNode, scenarios: Scenarios) -> None:
    """With a route now it wasn't the fee limit, which lnd notices at once."""
    lost = scenarios.no_route(5_000 * SAT)
    steps = [
        step._replace(mutation=step.mutation._replace(reason=1)) if isinstance(step.mutation, GiveUp) else step
        for step in lost.steps
    ]
    async with watching(node, explain=True) as watch:
        await watch.live()
        await node.play(lost._replace(steps=tuple(steps)))
        await watch.until(lambda: watch.counted(CHECKS))
        assert verdicts(watch) == {RouteCheck.TIMEOUT: 1}


async def test_final_updates_are_enough(node: SimulatedNode, scenarios: Scenarios) -> None:
    """They have all attempts, that is none."""
    async with watching(node, explain=True, final_only=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS))
        assert verdicts(watch) == {RouteCheck.FEE_LIMIT: 1}


async def test_followed_each_by_itself(node: SimulatedNode, scenarios: Scenarios) -> None:
    """A payment that fails at once is over when it is found: nobody knows whether it had attempts."""
    async with watching(node, explain=True, mode=Mode.TRACK) as watch:
        await watch.live()
        await fails_unexplained(node, watch, scenarios)
        assert verdicts(watch) == {}


async def test_once_in_ten_seconds(node: SimulatedNode, scenarios: Scenarios) -> None:
    """However many fail, and what ends in a pause isn't looked into later."""
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS) == 1)
        await fails(node, watch, scenarios)
        await fails_unexplained(node, watch, scenarios)
        watch.clocks.ahead_s += 11
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS) == 2)
        assert node.calls[DECODE] == 2


async def test_a_share_of_the_time(node: SimulatedNode, scenarios: Scenarios) -> None:
    """After a check of a minute there is none for twenty, also in another session."""
    node.faults.delay(ROUTES, 0.3)
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: node.calls[ROUTES] == 1)
        watch.clocks.ahead_s += 60
        await watch.until(lambda: watch.counted(CHECKS) == 1)
        watch.clocks.ahead_s += 20 * 60 - 30
        await fails_unexplained(node, watch, scenarios)
        await node.restart()
        await watch.until(lambda: watch.counted(Counter.INTERRUPTIONS) == 1)
        await watch.live()
        await fails_unexplained(node, watch, scenarios)
        watch.clocks.ahead_s += 60
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS) == 2)


async def test_the_pause_holds_if_the_session_ends_meanwhile(node: SimulatedNode, scenarios: Scenarios) -> None:
    """An lnd that dies while it is asked isn't asked again as soon as it is back, and nothing is counted."""
    node.faults.delay(ROUTES)
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: node.calls[ROUTES] == 1)
        watch.clocks.ahead_s += 60
        await node.restart()
        await watch.until(lambda: watch.counted(Counter.INTERRUPTIONS) == 1)
        await watch.live()
        await fails_unexplained(node, watch, scenarios)
        assert watch.counted(CHECKS) <= 1
        assert set(verdicts(watch)) <= {RouteCheck.FAILED}


async def test_counting_waits_for_no_check(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lnd answers nothing about routes: payments are counted meanwhile, and after a while the check is given up."""
    monkeypatch.setattr(no_route, "LONGEST_S", 3.0)
    node.faults.delay(ROUTES)
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: node.calls[ROUTES] == 1)
        await node.play(*(scenarios.success() for _ in range(5)))
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED) == 5)
        assert watch.counted(CHECKS) == 0
        await watch.until(lambda: watch.counted(CHECKS), 20)  # the call itself would take 30 s
        assert verdicts(watch) == {RouteCheck.FAILED: 1}
        assert watch.status.stream_up
        assert watch.counted(Counter.INTERRUPTIONS) == 0


@pytest.mark.parametrize("call", [DECODE, ROUTES, Method.TRACK_PAYMENT])
async def test_an_error_of_lnd(node: SimulatedNode, scenarios: Scenarios, call: Question | Method) -> None:
    """The check has failed; the next one goes well."""
    async with watching(node, explain=True) as watch:
        await watch.live()
        node.faults.refuse(call, grpc.StatusCode.UNKNOWN, "overloaded")
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS))
        node.faults.heal()
        watch.clocks.ahead_s += 30
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS) == 2)
        assert verdicts(watch) == {RouteCheck.FAILED: 1, RouteCheck.FEE_LIMIT: 1}
        assert watch.counted(Counter.INTERRUPTIONS) == 0


@pytest.mark.parametrize("denied", [DECODE, ROUTES])
async def test_denied(node: SimulatedNode, scenarios: Scenarios, denied: Question) -> None:
    """No further check over this connection; over the next one it is tried again. The log says once what to do."""
    node.renew_macaroon(READONLY_PERMISSIONS - {METHOD_PATHS[denied]})
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS))
        watch.clocks.ahead_s += 30
        await fails_unexplained(node, watch, scenarios)
        assert node.calls[denied] == 1
        await node.restart()
        await watch.until(lambda: watch.counted(Counter.INTERRUPTIONS) == 1)
        await watch.live()
        watch.clocks.ahead_s += 30
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS) == 2)
        assert verdicts(watch) == {RouteCheck.DENIED: 2}
        (line,) = watch.logged(DENIAL)
        assert line["advice"].endswith(no_route.BAKE)
        assert watch.counted(Counter.INTERRUPTIONS) == 1


def test_the_macaroon_of_the_log_line_allows_all_that_is_called() -> None:
    """What the exporter needs anyway, and the two calls."""
    uris = {word.removeprefix("uri:") for word in no_route.BAKE.split() if word.startswith("uri:")}
    assert uris == ALL_PERMISSIONS | {f"/lnrpc.Lightning/{call}" for call in NEEDED}
    assert uris == ALL_PERMISSIONS | {METHOD_PATHS[question] for question in (DECODE, ROUTES)}


async def test_without_list_channels(node: SimulatedNode, scenarios: Scenarios) -> None:
    """It is optional, here as elsewhere."""
    node.renew_macaroon(READONLY_PERMISSIONS - {METHOD_PATHS[Method.LIST_CHANNELS]})
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS))
        assert verdicts(watch) == {RouteCheck.FEE_LIMIT: 1}


async def test_off_by_default(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Then none of these calls is made."""
    async with watching(node) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await node.play(scenarios.success())
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED))
        assert [node.calls[question] for question in Question] == [0, 0, 0]
        assert verdicts(watch) == {}


async def test_what_is_not_looked_into(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Attempts say why themselves, and what a rebalance may use isn't known."""
    async with watching(node, explain=True) as watch:
        await watch.live()
        await node.play(
            scenarios.route_fails(),
            scenarios.rebalance_without_route(),
            scenarios.insufficient_balance(),
            scenarios.refused(),
            scenarios.send_to_route(fails=True),
        )
        await watch.until(lambda: watch.counted(FAILED) == 5)
        await node.play(scenarios.success())
        await watch.until(lambda: watch.counted(Counter.SUCCEEDED))
        assert [node.calls[question] for question in Question] == [0, 0, 0]


async def test_what_ended_while_nobody_followed(node: SimulatedNode, scenarios: Scenarios) -> None:
    """It is too late to ask. Totals go on in the next process."""
    async with watching(node, explain=True) as watch:
        await watch.live()
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS))
        account = watch.follower.account
        saved = account.save(account.capture())
    await node.play(scenarios.no_route(5_000 * SAT))
    async with watching(node, explain=True, saved=saved) as watch:
        await watch.live()
        await watch.until(lambda: watch.totals(FAILED) == {FAILED: 2})
        assert node.calls[DECODE] == 1
        await fails(node, watch, scenarios)
        await watch.until(lambda: watch.counted(CHECKS) == 2)
        assert verdicts(watch) == {RouteCheck.FEE_LIMIT: 2}


async def test_a_hash_that_is_paid_again_at_once(node: SimulatedNode, scenarios: Scenarios) -> None:
    """lnd answers about the run that has succeeded: nothing can be said about the one before."""
    async with watching(node, explain=True) as watch:
        await watch.live()
        await node.play(scenarios.retried_hash())
        await watch.until(lambda: watch.counted(CHECKS))
        assert verdicts(watch) == {RouteCheck.UNKNOWN: 1}
        assert node.calls[ROUTES] == 0
