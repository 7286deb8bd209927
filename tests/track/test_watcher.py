"""The watcher of one payment against a simulated node, over every transport: ends, errors, aliases, secrets."""

import asyncio
from contextlib import aclosing

import grpc
import pytest

from exporter.app import current_moment
from exporter.lnd.client import LndError, PaymentNotFound
from exporter.payments.labels import AttemptStatus, Interruption, Method, Reason, Status
from exporter.payments.payment import Moment
from exporter.simulator.service import SMALLEST_PERMISSIONS
from exporter.track import watcher
from exporter.track.document import to_json_line
from tests.network.process import until
from tests.track.conftest import Scene, next_update, statuses


async def test_updates_from_the_current_state_to_the_end(scene: Scene) -> None:
    """The end comes twice, the second time as final; then the iterator stops."""
    scenario = scene.scenarios.retry()
    go_on = scene.begin(scenario, 1)
    seen = []
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        for _ in scenario.steps[1:-1]:
            seen.append(await next_update(updates))
            go_on()
        seen += [await next_update(updates), await next_update(updates)]
        with pytest.raises(StopAsyncIteration):
            await anext(updates)
    flying, failed, settled = AttemptStatus.IN_FLIGHT, AttemptStatus.FAILED, AttemptStatus.SETTLED
    assert [statuses(update) for update in seen] == [
        (Status.IN_FLIGHT, []),
        (Status.IN_FLIGHT, [flying]),
        (Status.IN_FLIGHT, [failed]),
        (Status.IN_FLIGHT, [failed, flying]),
        (Status.SUCCEEDED, [failed, settled]),
        (Status.SUCCEEDED, [failed, settled]),
    ]
    assert [update.final for update in seen] == [False] * 5 + [True]
    peers = {peer.node.pubkey: peer.node.alias for peer in scene.node.world.peers}
    assert seen[0].aliases == peers | {scene.node.world.me.pubkey: "simulated"}
    assert scene.messages == []


async def test_final_update_has_the_overwritten_reason(scene: Scene) -> None:
    """The attempts are kept, though lnd has deleted them."""
    scenario = scene.scenarios.held_then_cancelled(held_s=3600)
    go_on = scene.begin(scenario, 4)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        first = await next_update(updates)
        assert first.detail.payment.reason is Reason.INCORRECT_PAYMENT_DETAILS
        go_on()
        go_on()
        last = await next_update(updates)
    assert (last.final, last.detail.payment.reason) == (True, Reason.TIMEOUT)
    assert last.detail.attempts == first.detail.attempts != ()


async def test_without_inflight_only_the_end_is_yielded(scene: Scene) -> None:
    """lnd is asked to send nothing before it, either. A payment that has ended already is yielded at once."""
    scenario = scene.scenarios.success()
    go_on = scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash, inflight=False).updates()) as updates:
        waiting = asyncio.ensure_future(next_update(updates))

        async def subscribed() -> bool:
            return scene.node.calls[Method.TRACK_PAYMENT] == 2

        await until("the stream is open", subscribed)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        go_on()
        assert statuses(await waiting)[0] is Status.SUCCEEDED
        assert (await next_update(updates)).final
    async with aclosing(scene.watcher(scenario.payment_hash, inflight=False).updates()) as updates:
        assert [update.final async for update in updates] == [False, True]


@pytest.mark.parametrize("inflight", [True, False])
async def test_payment_that_ended_long_ago_is_final_at_once(scene: Scene, *, inflight: bool) -> None:
    """lnd is asked once, because its reason is final; twice if no attempt shows how long ago it ended."""
    won, lost = scene.scenarios.success(), scene.scenarios.no_route()
    for scenario in (won, lost):
        scene.begin(scenario, len(scenario.steps))

    def later() -> Moment:
        return current_moment()._replace(wall_ns=current_moment().wall_ns + 61 * 10**9)

    for scenario, now, finals in (
        (won, current_moment, [False, True]),
        (won, later, [True]),
        (lost, later, [False, True]),
    ):
        watching = scene.watcher(scenario.payment_hash, inflight=inflight)
        watching.now = now
        before = scene.node.calls[Method.TRACK_PAYMENT]
        assert [update.final async for update in watching.updates()] == finals
        assert scene.node.calls[Method.TRACK_PAYMENT] - before == len(finals)


async def test_end_after_a_long_time_without_attempts_is_rechecked(scene: Scene) -> None:
    """The reason of a payment that ends while it is watched may change, however old its last attempt is."""
    scenario = scene.scenarios.route_fails()
    go_on = scene.begin(scenario, 5)
    watching = scene.watcher(scenario.payment_hash)
    watching.now = lambda: current_moment()._replace(wall_ns=current_moment().wall_ns + 61 * 10**9)
    async with aclosing(watching.updates()) as updates:
        assert statuses(await next_update(updates)) == (Status.IN_FLIGHT, [AttemptStatus.FAILED] * 2)
        go_on()
        assert [update.final async for update in updates] == [False, True]


async def test_failed_recheck_keeps_the_received_reason(scene: Scene) -> None:
    """And warns that it may not be the final one."""
    scenario = scene.scenarios.no_route()
    scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        await next_update(updates)
        scene.node.faults.refuse(Method.TRACK_PAYMENT, grpc.StatusCode.UNKNOWN, "no mood")
        last = await next_update(updates)
    assert (last.final, last.detail.payment.reason) == (True, Reason.NO_ROUTE)
    assert len(scene.messages) == 1
    assert scene.messages[0].endswith("; the failure reason shown may not be lnd's final one")


async def test_payment_deleted_before_the_recheck(scene: Scene) -> None:
    """The end as received is the final one."""
    scenario = scene.scenarios.no_route()
    scene.begin(scenario, 3)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        await next_update(updates)
        scene.node.database.delete_all()
        assert (await next_update(updates)).detail.payment.reason is Reason.NO_ROUTE
    assert scene.messages == []


@pytest.mark.parametrize("inflight", [True, False])
@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("unknown", "doesn't know this payment"),
        ("locked", "lncli unlock"),
        ("revoked", "bake a new one"),
        ("smaller", "bake one that allows"),
        ("down", "can't be reached"),
        ("silent", "took too long"),
    ],
)
async def test_error_at_the_first_request_is_raised(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, problem: str, expected: str, *, inflight: bool
) -> None:
    """There is nothing to wait for."""
    scenario, node = scene.scenarios.success(), scene.node
    scene.begin(scenario, 0 if problem == "unknown" else 2)
    match problem:
        case "locked":
            await node.lock()
        case "revoked":
            node.revoke_macaroons()
        case "smaller":
            node.renew_macaroon(())
        case "down":
            await node.stop()
        case "silent":
            monkeypatch.setattr(watcher, "ANSWER_S", 0.3)
            node.faults.delay(Method.TRACK_PAYMENT)
    with pytest.raises(LndError) as refused:
        await next_update(scene.watcher(scenario.payment_hash, inflight=inflight).updates())
    assert expected in refused.value.advice or (problem, refused.value.cause) == ("down", Interruption.UNREACHABLE)
    assert (isinstance(refused.value, PaymentNotFound), scene.messages) == (problem == "unknown", [])


async def test_updates_without_aliases(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest macaroon doesn't allow those of peers; a node that takes minutes for its own isn't waited for."""
    monkeypatch.setattr(watcher, "ALIASES_WAIT_S", 0.3)
    scene.node.renew_macaroon(SMALLEST_PERMISSIONS)
    scene.node.faults.delay(Method.GET_INFO)
    scenario = scene.scenarios.success()
    scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        assert (await next_update(updates)).aliases == {}


async def test_secrets_are_kept_only_on_request(scene: Scene) -> None:
    """Not even `repr` shows them otherwise."""
    keysend, invoice = scene.scenarios.keysend(), scene.scenarios.success()
    for scenario in (keysend, invoice):
        scene.begin(scenario, len(scenario.steps))
        for secrets in (False, True):
            async with aclosing(scene.watcher(scenario.payment_hash, secrets=secrets).updates()) as updates:
                output = "".join(
                    [repr(update) + to_json_line(update, "alice", secrets=secrets) async for update in updates]
                )
            known = {secret for secret in scene.node.secrets() if secret in output}
            assert len(known) == (0 if not secrets else 2 if scenario is invoice else 1), scenario.name
