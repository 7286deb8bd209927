"""TrackPayments and TrackPaymentV2: snapshots, ends of streams, and updates out of order."""

import asyncio
from pathlib import Path

import grpc
import pytest

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.clock import VirtualClock
from exporter.simulator.database import Options
from exporter.simulator.faults import BROKEN
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.subscriptions import RpcStatus
from tests.simulator.raw import Raw, connected, shape, shapes

IN_FLIGHT = "IN_FLIGHT [in flight]"


def split(scenario: Scenario, at: int) -> tuple[Scenario, Scenario]:
    """Split a scenario after its first `at` steps."""
    return scenario._replace(steps=scenario.steps[:at]), scenario._replace(steps=scenario.steps[at:])


async def test_stream_begins_with_open_payments_in_hash_order(
    node: SimulatedNode, raw: Raw, scenarios: Scenarios
) -> None:
    """A subscriber receives each payment that isn't terminal, then every change."""
    held = [split(scenarios.success(), 2) for _ in range(5)]
    await node.play(scenarios.success(), scenarios.refused(), *(begin for begin, _ in held))
    stream = raw.track_all()
    snapshot = await stream.take(5)
    assert [payment.payment_hash for payment in snapshot] == sorted(begin.payment_hash for begin, _ in held)
    assert shapes(snapshot) == [IN_FLIGHT] * 5
    await node.play(held[3][1])
    (update,) = await stream.take(1)
    assert (update.payment_hash, shape(update)) == (held[3][0].payment_hash, "SUCCEEDED [settled]")


async def test_stream_without_payments_sends_no_headers(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """Headers arrive with the first message only, so a client can't know that it is subscribed."""
    stream = raw.track_all()
    headers = asyncio.ensure_future(stream.call.initial_metadata())
    await node.wait_for_subscribers(1)
    await raw.info()  # answered later, on the same connection: headers of the stream would have arrived by now
    assert not headers.done()
    await node.play(scenarios.no_route())
    await headers


@pytest.mark.slow
async def test_every_subscriber_receives_all_updates(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """A subscriber that doesn't read doesn't delay the others."""
    idle, first, second = raw.track_all(), raw.track_all(), raw.track_all()
    await node.wait_for_subscribers(3)
    await node.play(*(scenarios.success() for _ in range(2000)))
    assert len(await first.take(6000)) == len(await second.take(6000)) == 6000
    idle.call.cancel()
    await node.wait_for_subscribers(2)


async def test_no_inflight_updates_sends_terminal_updates_only(
    node: SimulatedNode, raw: Raw, scenarios: Scenarios
) -> None:
    """There is no snapshot either."""
    begin, end = split(scenarios.success(), 2)
    await node.play(begin)
    stream = raw.track_all(no_inflight_updates=True)
    await node.wait_for_subscribers(1)
    await node.play(end, scenarios.held_then_cancelled(90))
    assert shapes(await stream.take(3)) == [
        "SUCCEEDED [settled]",
        "FAILED INCORRECT_PAYMENT_DETAILS [failed]",
        "FAILED TIMEOUT [failed]",
    ]


async def test_status_initiated_is_optional(tmp_path: Path) -> None:
    """With `routerrpc.usestatusinitiated` a payment without an attempt is INITIATED."""
    options = Options(use_status_initiated=True)
    async with SimulatedNode(tmp_path, clock=VirtualClock(), options=options) as node, connected(node) as raw:
        stream = raw.track_all()
        await node.wait_for_subscribers(1)
        await node.play(Scenarios(node.world).retry())
        updates = shapes(await stream.take(5))
        assert updates[:3] == ["INITIATED []", IN_FLIGHT, "IN_FLIGHT [failed]"]


async def test_stale_snapshot_follows_a_terminal_update(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """If a payment ends between lnd's scan and the sending of the snapshot, the terminal update is sent first."""
    begin, end = split(scenarios.success(), 2)
    await node.play(begin)
    async with node.faults.scan_held() as scan:
        stream = raw.track_all()
        await scan.reached.wait()
        await node.play(end)
    assert shapes(await stream.take(2)) == ["SUCCEEDED [settled]", IN_FLIGHT]


async def test_update_before_the_scan_is_sent_twice(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """A change between the registration of a subscriber and the scan is sent as an update and in the snapshot."""
    begin, _ = split(scenarios.success(), 2)
    async with node.faults.scan_held(before=True) as scan:
        stream = raw.track_all()
        await scan.reached.wait()
        await node.play(begin)
    assert shapes(await stream.take(3)) == ["IN_FLIGHT []", IN_FLIGHT, IN_FLIGHT]


async def test_track_one_begins_with_the_present_state(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """The stream ends with OK at the first terminal update, not at the second."""
    begin, end = split(scenarios.held_then_settled(90), 2)
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
        ("00" * 32, RpcStatus(grpc.StatusCode.NOT_FOUND, "payment isn't initiated")),
        ("010203", RpcStatus(grpc.StatusCode.UNKNOWN, "invalid hash length of 3, want 32")),
    ],
)
async def test_track_one_refuses_unknown_and_invalid_hashes(payment_hash: str, refused: RpcStatus, raw: Raw) -> None:
    """The status and text are lnd's."""
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
async def test_failed_attempts_are_deleted(tmp_path: Path, *, keep: bool, name: str, left: str) -> None:
    """Right after the terminal update, unless lnd is told to keep them; those of SendToRoute always stay."""
    options = Options(keep_failed_payment_attempts=keep)
    async with SimulatedNode(tmp_path, clock=VirtualClock(), options=options) as node, connected(node) as raw:
        scenarios = Scenarios(node.world)
        scenario = scenarios.send_to_route(fails=True) if name == "send_to_route" else getattr(scenarios, name)()
        await node.play(scenario)
        late, _ = await raw.track(scenario.payment_hash).rest()
        listed = (await raw.list_payments()).payments
        assert shapes(late) == shapes(listed) == [left]


@pytest.mark.parametrize(
    "end", [BROKEN, RpcStatus(), RpcStatus(grpc.StatusCode.UNKNOWN, "routerrpc server shutting down")]
)
async def test_cut_ends_one_stream(node: SimulatedNode, raw: Raw, scenarios: Scenarios, end: RpcStatus) -> None:
    """A stream ends after some messages with the given status; the next stream is not cut."""
    node.faults.cut(Method.TRACK_PAYMENTS, after=2, end=end)
    broken = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.play(scenarios.success())
    updates, ended = await broken.rest()
    assert (shapes(updates), ended) == (["IN_FLIGHT []", IN_FLIGHT], RpcStatus(end.code, end.text))
    await node.wait_for_subscribers(0)
    alive = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.play(scenarios.success())
    assert len(await alive.take(3)) == 3


async def test_deletion_sends_no_update(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """A deleted payment is unknown afterwards, but `truth` still has it."""
    scenario = scenarios.success()
    await node.play(scenario)
    stream = raw.track_all()
    await node.wait_for_subscribers(1)
    node.database.delete_all()
    await node.play(scenarios.no_route())
    assert shapes(await stream.take(2)) == ["IN_FLIGHT []", "FAILED NO_ROUTE []"]
    assert await raw.track(scenario.payment_hash).rest() == (
        [],
        RpcStatus(grpc.StatusCode.NOT_FOUND, "payment isn't initiated"),
    )
    assert [run.status.value for run in node.truth()] == ["succeeded", "failed"]


async def test_delete_all_keeps_payments_in_flight(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Only the finished payment is deleted."""
    begin, _ = split(scenarios.success(), 2)
    await node.play(begin, scenarios.success())
    node.database.delete_all()
    current = node.database.current(begin.payment_hash)
    assert current is not None
    assert (len(node.database), current.status) == (1, pb.Payment.IN_FLIGHT)
