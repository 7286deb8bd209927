"""The course of a payment across lost lines: what is said, what is kept, and that it goes on."""

import asyncio
from contextlib import aclosing

import pytest

from exporter.lnd.client import PaymentNotFound
from exporter.payments.labels import AttemptStatus, Status
from exporter.track import course as following
from tests.network.process import until
from tests.track.conftest import Scene, heard, told


async def test_the_node_is_killed_before_the_end(scene: Scene) -> None:
    """Who waits for the end only is told, too, that lnd is back."""
    life = scene.lives.success()
    go_on = scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash, inflight=False).updates()) as updates:
        waiting = asyncio.ensure_future(heard(updates))

        async def waits() -> bool:
            return scene.waited == [Status.IN_FLIGHT]

        await until("it waits", waits)
        await scene.node.kill()
        await asyncio.sleep(0.3)
        await scene.node.start()

        async def found() -> bool:
            return scene.said == ["lost: unreachable", "found"]

        await until("it is found again", found)
        assert not waiting.done()
        go_on()
        assert told(await waiting)[0] is Status.SUCCEEDED


async def test_the_node_is_killed(scene: Scene) -> None:
    """It is said once, the course goes on when lnd is back, and that is said, too."""
    life = scene.lives.success()
    go_on = scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        await heard(updates)
        await scene.node.kill()
        waiting = asyncio.ensure_future(heard(updates))
        await asyncio.sleep(0.5)
        assert scene.said == ["lost: unreachable"]
        await scene.node.start()
        assert told(await waiting) == (Status.IN_FLIGHT, [AttemptStatus.IN_FLIGHT])
        assert scene.said[1:] == ["found"]
        go_on()
        assert [told(update)[0] async for update in updates] == [Status.SUCCEEDED] * 2


def test_a_person_waits_for_seconds_only(scene: Scene) -> None:
    """However long lnd was away: it is found again soon after it is back."""
    course = scene.course("ab" * 32)
    delays = [course.backoff.delay_s(0, 0) for _ in range(200)]
    assert 3 < max(delays) <= following.LAST_S == 5


async def test_what_was_seen_stays(scene: Scene) -> None:
    """The payment ends while the line is lost, and lnd deletes the attempt: nobody knows how that one ended."""
    life = scene.lives.refused()
    go_on = scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        first = await heard(updates)
        await scene.node.kill()
        for _ in life.steps[2:]:
            go_on()
        await scene.node.start()
        ended, final = await heard(updates), await heard(updates)
    (before,), (after,) = first.detail.attempts, ended.detail.attempts
    assert (ended.detail.payment.status, ended.detail.payment.attempts) == (Status.FAILED, ())
    assert (before.deleted, after.deleted, ended.detail.in_flight) == (False, True, 0)
    assert (after.hops, after.duration_ns, after.attempt.code) == (before.hops, None, None)
    assert final.detail.attempts == (after,)


async def test_what_lnd_knows_no_longer(scene: Scene) -> None:
    """Its database has been lost meanwhile."""
    life = scene.lives.success()
    scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        await heard(updates)
        await scene.node.stop()
        scene.node.renew_database()
        await scene.node.start()
        with pytest.raises(PaymentNotFound):
            await heard(updates)
