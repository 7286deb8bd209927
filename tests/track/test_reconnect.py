"""The watcher across lost connections: messages, kept attempts, reconnection."""

import asyncio
from contextlib import aclosing

import pytest

from exporter.lnd.client import PaymentNotFound
from exporter.payments.labels import AttemptStatus, Status
from exporter.track import watcher
from tests.network.process import until
from tests.track.conftest import Scene, next_update, statuses


async def test_reconnection_while_only_the_end_is_wanted(scene: Scene) -> None:
    """The return of lnd is reported before the end."""
    scenario = scene.scenarios.success()
    go_on = scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash, inflight=False).updates()) as updates:
        waiting = asyncio.ensure_future(next_update(updates))

        async def awaiting() -> bool:
            return scene.awaited == [Status.IN_FLIGHT]

        await until("the end is awaited", awaiting)
        await scene.node.kill()
        await asyncio.sleep(0.3)
        await scene.node.start()

        async def restored() -> bool:
            return scene.messages == ["lost: unreachable", "restored"]

        await until("the connection is restored", restored)
        assert not waiting.done()
        go_on()
        assert statuses(await waiting)[0] is Status.SUCCEEDED


async def test_updates_continue_after_a_reconnection(scene: Scene) -> None:
    """The loss and the return are each reported once."""
    scenario = scene.scenarios.success()
    go_on = scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        await next_update(updates)
        await scene.node.kill()
        waiting = asyncio.ensure_future(next_update(updates))
        await asyncio.sleep(0.5)
        assert scene.messages == ["lost: unreachable"]
        await scene.node.start()
        assert statuses(await waiting) == (Status.IN_FLIGHT, [AttemptStatus.IN_FLIGHT])
        assert scene.messages[1:] == ["restored"]
        go_on()
        assert [statuses(update)[0] async for update in updates] == [Status.SUCCEEDED] * 2


def test_delay_before_reconnecting_is_limited(scene: Scene) -> None:
    """However long lnd was unreachable: at most 5 seconds."""
    watching = scene.watcher("ab" * 32)
    delays = [watching.backoff.delay_s(0, 0) for _ in range(200)]
    assert 3 < max(delays) <= watcher.LONGEST_DELAY_S == 5


async def test_attempt_deleted_during_an_outage_is_kept(scene: Scene) -> None:
    """The payment ends meanwhile and lnd deletes the attempt, so its outcome is unknown."""
    scenario = scene.scenarios.refused()
    go_on = scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        first = await next_update(updates)
        await scene.node.kill()
        for _ in scenario.steps[2:]:
            go_on()
        await scene.node.start()
        ended, final = await next_update(updates), await next_update(updates)
    (before,), (after,) = first.detail.attempts, ended.detail.attempts
    assert (ended.detail.payment.status, ended.detail.payment.attempts) == (Status.FAILED, ())
    assert (before.deleted, after.deleted, ended.detail.in_flight) == (False, True, 0)
    assert (after.hops, after.duration_ns, after.attempt.code) == (before.hops, None, None)
    assert final.detail.attempts == (after,)


async def test_payment_unknown_after_a_reconnection(scene: Scene) -> None:
    """As when lnd has lost its database meanwhile."""
    scenario = scene.scenarios.success()
    scene.begin(scenario, 2)
    async with aclosing(scene.watcher(scenario.payment_hash).updates()) as updates:
        await next_update(updates)
        await scene.node.stop()
        scene.node.renew_database()
        await scene.node.start()
        with pytest.raises(PaymentNotFound):
            await next_update(updates)
