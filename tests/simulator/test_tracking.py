"""TrackPayments and TrackPaymentV2: snapshots, ends, and what a subscription may get wrong about the order."""

import asyncio
from pathlib import Path

import grpc
import pytest

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.clock import ScriptClock
from exporter.simulator.database import Options
from exporter.simulator.faults import BROKEN
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Life
from exporter.simulator.server import SimulatedNode
from exporter.simulator.tower import End
from tests.simulator.raw import Raw, Refused, connected, shape, shapes

IN_FLIGHT = "IN_FLIGHT [in flight]"


def cut(life: Life, at: int) -> tuple[Life, Life]:
    """The first `at` steps of a life, and what follows."""
    return life._replace(steps=life.steps[:at]), life._replace(steps=life.steps[at:])


async def test_snapshot_of_what_is_open(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """A subscriber is told each payment that isn't terminal, in the order of the hashes, then every change."""
    held = [cut(lives.success(), 2) for _ in range(5)]
    await node.play(lives.success(), lives.refused(), *(begin for begin, _ in held))
    stream = raw.track_all()
    snapshot = await stream.take(5)
    assert [payment.payment_hash for payment in snapshot] == sorted(begin.payment_hash for begin, _ in held)
    assert shapes(snapshot) == [IN_FLIGHT] * 5
    await node.play(held[3][1])
    (update,) = await stream.take(1)
    assert (update.payment_hash, shape(update)) == (held[3][0].payment_hash, "SUCCEEDED [settled]")


async def test_quiet_node_says_nothing(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """Not even headers arrive before the first message: a client can't know that it is subscribed."""
    stream = raw.track_all()
    headers = asyncio.ensure_future(stream.call.initial_metadata())
    await node.subscribers(1)
    await raw.info()  # an answer on the same connection, sent later: what was to come of the stream would be here
    assert not headers.done()
    await node.play(lives.no_route())
    await headers


@pytest.mark.slow
async def test_every_subscriber_hears_all(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """Streams don't take from each other, and one that doesn't read delays nobody."""
    idle, first, second = raw.track_all(), raw.track_all(), raw.track_all()
    await node.subscribers(3)
    await node.play(*(lives.success() for _ in range(2000)))
    assert len(await first.take(6000)) == len(await second.take(6000)) == 6000
    idle.call.cancel()
    await node.subscribers(2)


async def test_no_inflight_updates(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """Only ends are sent, and no snapshot."""
    begin, end = cut(lives.success(), 2)
    await node.play(begin)
    stream = raw.track_all(no_inflight_updates=True)
    await node.subscribers(1)
    await node.play(end, lives.held_then_cancelled(90))
    assert shapes(await stream.take(3)) == [
        "SUCCEEDED [settled]",
        "FAILED INCORRECT_PAYMENT_DETAILS [failed]",
        "FAILED TIMEOUT [failed]",
    ]


async def test_initiated_only_where_lnd_is_told_to(tmp_path: Path) -> None:
    """With `routerrpc.usestatusinitiated` a payment without any HTLC so far says so."""
    options = Options(use_status_initiated=True)
    async with SimulatedNode(tmp_path, clock=ScriptClock(), options=options) as node, connected(node) as raw:
        stream = raw.track_all()
        await node.subscribers(1)
        await node.play(Lives(node.world).retry())
        updates = shapes(await stream.take(5))
        assert updates[:3] == ["INITIATED []", IN_FLIGHT, "IN_FLIGHT [failed]"]


async def test_stale_snapshot(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """What ends between lnd's scan and the snapshot's sending is told first; then the snapshot denies it."""
    begin, end = cut(lives.success(), 2)
    await node.play(begin)
    async with node.faults.scan_held() as scan:
        stream = raw.track_all()
        await scan.reached.wait()
        await node.play(end)
    assert shapes(await stream.take(2)) == ["SUCCEEDED [settled]", IN_FLIGHT]


async def test_doubled_snapshot(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """What happens between the registration of a subscriber and the scan comes as an update and in the snapshot."""
    begin, _ = cut(lives.success(), 2)
    async with node.faults.scan_held(before=True) as scan:
        stream = raw.track_all()
        await scan.reached.wait()
        await node.play(begin)
    assert shapes(await stream.take(3)) == ["IN_FLIGHT []", IN_FLIGHT, IN_FLIGHT]


async def test_track_one_from_its_present_state(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """The first message is the present state; the stream ends with OK at the first terminal, not at the second."""
    begin, end = cut(lives.held_then_settled(90), 2)
    await node.play(begin)
    stream = raw.track(begin.payment_hash)
    assert shapes(await stream.take(1)) == [IN_FLIGHT]
    await node.play(end)
    updates, ended = await stream.rest()
    assert (shapes(updates), ended.code) == (["SUCCEEDED [settled]"], grpc.StatusCode.OK)
    again, ended = await raw.track(begin.payment_hash).rest()
    assert (shapes(again), ended.code) == (["SUCCEEDED TIMEOUT [settled]"], grpc.StatusCode.OK)


@pytest.mark.parametrize(
    ("payment_hash", "refused"),
    [
        ("00" * 32, Refused(grpc.StatusCode.NOT_FOUND, "payment isn't initiated")),
        ("010203", Refused(grpc.StatusCode.UNKNOWN, "invalid hash length of 3, want 32")),
    ],
)
async def test_track_nothing(payment_hash: str, refused: Refused, raw: Raw) -> None:
    """A hash that lnd doesn't know, and something that is none."""
    assert await raw.track(payment_hash).rest() == ([], refused)


@pytest.mark.parametrize(
    ("keep", "name", "left"),
    [
        (False, "retry", "SUCCEEDED [settled]"),
        (False, "route_fails", "FAILED NO_ROUTE []"),
        (True, "route_fails", "FAILED NO_ROUTE [failed, failed]"),
        (False, "send_to_route", "FAILED ERROR [failed]"),
    ],
)
async def test_failed_attempts_vanish(tmp_path: Path, *, keep: bool, name: str, left: str) -> None:
    """Right after the terminal update, unless lnd keeps them; those of SendToRoute always stay."""
    options = Options(keep_failed_payment_attempts=keep)
    async with SimulatedNode(tmp_path, clock=ScriptClock(), options=options) as node, connected(node) as raw:
        lives = Lives(node.world)
        life = lives.send_to_route(fails=True) if name == "send_to_route" else getattr(lives, name)()
        await node.play(life)
        late, _ = await raw.track(life.payment_hash).rest()
        listed = (await raw.list_payments()).payments
        assert shapes(late) == shapes(listed) == [left]


@pytest.mark.parametrize("end", [BROKEN, End(), End(grpc.StatusCode.UNKNOWN, "routerrpc server shutting down")])
async def test_cut(node: SimulatedNode, raw: Raw, lives: Lives, end: End) -> None:
    """A stream ends after so many messages, in any way; the next one lives."""
    node.faults.cut(Method.TRACK_PAYMENTS, after=2, end=end)
    broken = raw.track_all()
    await node.subscribers(1)
    await node.play(lives.success())
    updates, ended = await broken.rest()
    assert (shapes(updates), ended) == (["IN_FLIGHT []", IN_FLIGHT], Refused(end.code, end.text))
    await node.subscribers(0)
    alive = raw.track_all()
    await node.subscribers(1)
    await node.play(lives.success())
    assert len(await alive.take(3)) == 3


async def test_delete_tells_nobody(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """A deleted payment is simply gone."""
    life = lives.success()
    await node.play(life)
    stream = raw.track_all()
    await node.subscribers(1)
    node.database.delete_all()
    await node.play(lives.no_route())
    assert shapes(await stream.take(2)) == ["IN_FLIGHT []", "FAILED NO_ROUTE []"]
    assert await raw.track(life.payment_hash).rest() == (
        [],
        Refused(grpc.StatusCode.NOT_FOUND, "payment isn't initiated"),
    )
    assert [run.status.value for run in node.truth()] == ["succeeded", "failed"]


async def test_in_flight_is_never_deleted(node: SimulatedNode, lives: Lives) -> None:
    """What is open survives delete-all."""
    begin, _ = cut(lives.success(), 2)
    await node.play(begin, lives.success())
    node.database.delete_all()
    current = node.database.current(begin.payment_hash)
    assert current is not None
    assert (len(node.database), current.status) == (1, pb.Payment.IN_FLIGHT)
