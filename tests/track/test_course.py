"""The course of a payment, asked of a simulated node in every way: ends, refusals, names, secrets."""

import asyncio
from contextlib import aclosing

import grpc
import pytest

from exporter.app import clocks
from exporter.lnd.client import LndError, PaymentNotFound
from exporter.payments.labels import AttemptStatus, Interruption, Method, Reason, Status
from exporter.payments.payment import Moment
from exporter.simulator.service import SMALLEST
from exporter.track import course as following
from exporter.track.document import line
from tests.network.process import until
from tests.track.conftest import Scene, heard, told


async def test_every_update(scene: Scene) -> None:
    """From the present state to the end, which comes twice: the second time it is final. Then nothing more."""
    life = scene.lives.retry()
    go_on = scene.begin(life, 1)
    seen = []
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        for _ in life.steps[1:-1]:
            seen.append(await heard(updates))
            go_on()
        seen += [await heard(updates), await heard(updates)]
        with pytest.raises(StopAsyncIteration):
            await anext(updates)
    flying, failed, settled = AttemptStatus.IN_FLIGHT, AttemptStatus.FAILED, AttemptStatus.SETTLED
    assert [told(update) for update in seen] == [
        (Status.IN_FLIGHT, []),
        (Status.IN_FLIGHT, [flying]),
        (Status.IN_FLIGHT, [failed]),
        (Status.IN_FLIGHT, [failed, flying]),
        (Status.SUCCEEDED, [failed, settled]),
        (Status.SUCCEEDED, [failed, settled]),
    ]
    assert [update.final for update in seen] == [False] * 5 + [True]
    peers = {peer.node.pubkey: peer.node.alias for peer in scene.node.world.peers}
    assert seen[0].names == peers | {scene.node.world.me.pubkey: "simulated"}
    assert scene.said == []


async def test_a_reason_that_is_overwritten(scene: Scene) -> None:
    """The final one is what lnd will say of it from now on; its attempts are kept, though lnd has deleted them."""
    life = scene.lives.held_then_cancelled(held_s=3600)
    go_on = scene.begin(life, 4)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        first = await heard(updates)
        assert first.detail.payment.reason is Reason.INCORRECT_PAYMENT_DETAILS
        go_on()
        go_on()
        last = await heard(updates)
    assert (last.final, last.detail.payment.reason) == (True, Reason.TIMEOUT)
    assert last.detail.attempts == first.detail.attempts != ()


async def test_only_the_end(scene: Scene) -> None:
    """Nothing before; lnd is asked to say nothing before. One that has ended long ago is told at once."""
    life = scene.lives.success()
    go_on = scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash, inflight=False).updates()) as updates:
        waiting = asyncio.ensure_future(heard(updates))

        async def subscribed() -> bool:
            return scene.node.calls[Method.TRACK_PAYMENT] == 2

        await until("it is followed", subscribed)
        await asyncio.sleep(0.3)
        assert not waiting.done()
        go_on()
        assert told(await waiting)[0] is Status.SUCCEEDED
        assert (await heard(updates)).final
    async with aclosing(scene.course(life.payment_hash, inflight=False).updates()) as updates:
        assert [update.final async for update in updates] == [False, True]


@pytest.mark.parametrize("inflight", [True, False])
async def test_one_that_ended_long_ago(scene: Scene, *, inflight: bool) -> None:
    """Its reason changes no more: lnd is asked once; twice where no attempt tells how long ago."""
    won, lost = scene.lives.success(), scene.lives.no_route()
    for life in (won, lost):
        scene.begin(life, len(life.steps))

    def later() -> Moment:
        return clocks()._replace(wall_ns=clocks().wall_ns + 61 * 10**9)

    for life, now, finals in ((won, clocks, [False, True]), (won, later, [True]), (lost, later, [False, True])):
        course = scene.course(life.payment_hash, inflight=inflight)
        course.now = now
        before = scene.node.calls[Method.TRACK_PAYMENT]
        assert [update.final async for update in course.updates()] == finals
        assert scene.node.calls[Method.TRACK_PAYMENT] - before == len(finals)


async def test_one_that_ends_after_long_silence(scene: Scene) -> None:
    """However long ago its last attempt was: what ends while it is followed may change its reason."""
    life = scene.lives.route_fails()
    go_on = scene.begin(life, 5)
    course = scene.course(life.payment_hash)
    course.now = lambda: clocks()._replace(wall_ns=clocks().wall_ns + 61 * 10**9)
    async with aclosing(course.updates()) as updates:
        assert told(await heard(updates)) == (Status.IN_FLIGHT, [AttemptStatus.FAILED] * 2)
        go_on()
        assert [update.final async for update in updates] == [False, True]


async def test_the_last_question_finds_nobody(scene: Scene) -> None:
    """What was heard must do; it is said that it may not be lnd's last word."""
    life = scene.lives.no_route()
    scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        await heard(updates)
        scene.node.faults.refuse(Method.TRACK_PAYMENT, grpc.StatusCode.UNKNOWN, "no mood")
        last = await heard(updates)
    assert (last.final, last.detail.payment.reason) == (True, Reason.NO_ROUTE)
    assert len(scene.said) == 1
    assert scene.said[0].endswith("; the reason is what lnd said first")


async def test_deleted_at_once(scene: Scene) -> None:
    """Somebody deletes it before it is asked about again."""
    life = scene.lives.no_route()
    scene.begin(life, 3)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        await heard(updates)
        scene.node.database.delete_all()
        assert (await heard(updates)).detail.payment.reason is Reason.NO_ROUTE
    assert scene.said == []


@pytest.mark.parametrize("inflight", [True, False])
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("unknown", "doesn't know this payment"),
        ("locked", "lncli unlock"),
        ("revoked", "bake a new one"),
        ("smaller", "bake one that allows"),
        ("down", "can't be reached"),
        ("silent", "took too long"),
    ],
)
async def test_refused_from_the_outset(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, trouble: str, words: str, *, inflight: bool
) -> None:
    """There is nothing to wait for: the command ends and says why."""
    life, node = scene.lives.success(), scene.node
    scene.begin(life, 0 if trouble == "unknown" else 2)
    match trouble:
        case "locked":
            await node.lock()
        case "revoked":
            node.revoke_macaroons()
        case "smaller":
            node.renew_macaroon(())
        case "down":
            await node.stop()
        case "silent":
            monkeypatch.setattr(following, "ANSWER_S", 0.3)
            node.faults.delay(Method.TRACK_PAYMENT)
    with pytest.raises(LndError) as refused:
        await heard(scene.course(life.payment_hash, inflight=inflight).updates())
    assert words in refused.value.advice or (trouble, refused.value.cause) == ("down", Interruption.UNREACHABLE)
    assert (isinstance(refused.value, PaymentNotFound), scene.said) == (trouble == "unknown", [])


async def test_names_that_nobody_tells(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest macaroon does without those of peers; a node that takes minutes for its own isn't waited for."""
    monkeypatch.setattr(following, "NAMES_S", 0.3)
    scene.node.renew_macaroon(SMALLEST)
    scene.node.faults.delay(Method.GET_INFO)
    life = scene.lives.success()
    scene.begin(life, 2)
    async with aclosing(scene.course(life.payment_hash).updates()) as updates:
        assert (await heard(updates)).names == {}


async def test_secrets(scene: Scene) -> None:
    """What lnd sent of them isn't even kept; where it is wanted, it is all there."""
    keysend, invoice = scene.lives.keysend(), scene.lives.success()
    for life in (keysend, invoice):
        scene.begin(life, len(life.steps))
        for secrets in (False, True):
            async with aclosing(scene.course(life.payment_hash, secrets=secrets).updates()) as updates:
                said = "".join([repr(update) + line(update, "alice", secrets=secrets) async for update in updates])
            known = {secret for secret in scene.node.secrets() if secret in said}
            assert len(known) == (0 if not secrets else 2 if life is invoice else 1), life.name
