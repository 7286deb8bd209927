"""Faults of lnd and the network: counted by cause, logged once with advice, and recovered from automatically."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from exporter.config.addresses import TRANSPORTS, WEBSOCKET
from exporter.follow import Account, Follower
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import CallOutcome, Interruption, Method, Mode, NodeState
from exporter.payments.totals import Counter
from exporter.simulator.clock import WallClock
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import SMALLEST_PERMISSIONS
from exporter.simulator.subscriptions import RpcStatus
from exporter.simulator.world import World
from tests.follow import watch as watch_module
from tests.follow.chaos import ChaoticNode
from tests.follow.test_counting import begin
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.follow.watch import ENDS, QUICK, watching

Fault = Callable[[SimulatedNode], Awaitable[None]]


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test over every transport."""
    monkeypatch.setattr(watch_module, "TRANSPORT", request.param)
    value: str = request.param
    return value


async def cut(node: SimulatedNode) -> None:
    """Break the connection."""
    node.end_streams(RpcStatus(grpc.StatusCode.UNAVAILABLE, "Socket closed"))


async def end(node: SimulatedNode) -> None:
    """End the stream with status OK."""
    node.end_streams(RpcStatus())


async def restart(node: SimulatedNode) -> None:
    """Stop and start the node."""
    await node.restart()


async def kill(node: SimulatedNode) -> None:
    """Kill and start the node."""
    await node.kill()
    await node.start()


async def renew_certificate(node: SimulatedNode) -> None:
    """Restart the node with a new certificate, in the place of the old one."""
    await node.stop()
    node.renew_certificate()
    await node.start()


async def renew_macaroon(node: SimulatedNode) -> None:
    """Revoke the macaroon, put a new one in its place, and break the connection."""
    node.renew_macaroon()
    await cut(node)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (cut, Interruption.UNREACHABLE),
        (end, Interruption.ENDED),
        (restart, Interruption.SHUTTING_DOWN),
        (kill, Interruption.UNREACHABLE),
        (renew_certificate, Interruption.SHUTTING_DOWN),
        (renew_macaroon, Interruption.UNREACHABLE),
    ],
)
async def test_lost_stream_comes_back(
    node: SimulatedNode, scenarios: Scenarios, fault: Fault, cause: Interruption, transport: str
) -> None:
    """Payments in flight meanwhile, and later ones, count once; the loss is logged once."""
    if transport == WEBSOCKET and cause is Interruption.ENDED:
        cause = Interruption.UNREACHABLE  # lnd's WebSockets end without a status
    async with watching(node) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        calls = watch.follower.account.ledger.counters[Counter.LND_CALLS]
        await watch.until(lambda: calls.get((Method.LIST_PAYMENTS, CallOutcome.OK)) == 3)  # until both catch-ups ended
        rest = begin(node, scenarios.held_then_settled())
        await node.wait_until_drained()
        await fault(node)
        await watch.until(lambda: watch.labels(Counter.INTERRUPTIONS))
        await node.play(*rest, scenarios.no_route())
        await watch.live()
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 2, "succeeded": 1, "failed": 1, "lost": 0})
        assert watch.labels(Counter.INTERRUPTIONS) == {(cause.value,): 1}
        assert [line["cause"] for line in watch.logged("not following")] == [cause.value], "logged once"


async def test_locked_wallet_is_followed_once_unlocked(node: SimulatedNode) -> None:
    """The state and the advice are shown, and the unlocked node is followed the moment it is ready."""
    async with watching(node) as watch:
        await watch.live()
        await node.lock()
        await watch.until(lambda: watch.status.state is NodeState.LOCKED)
        assert "lncli unlock" in watch.status.detail
        tries = len(watch.delays)
        await asyncio.sleep(0.1)
        assert len(watch.delays) == tries, "a locked node isn't tried again and again"
        await node.unlock()
        await watch.live()
        assert watch.status.detail == ""
        assert len(watch.logged("waiting for lnd")) <= 3  # locked, starting, and perhaps locked seen twice


@pytest.mark.parametrize(
    ("state", "expected"),
    [(pb.NON_EXISTING, NodeState.NO_WALLET), (pb.WAITING_TO_START, NodeState.STARTING), (pb.LOCKED, NodeState.LOCKED)],
)
async def test_node_that_is_not_ready_at_first_is_awaited(
    tmp_path: Path, state: pb.WalletState, expected: NodeState
) -> None:
    """The exporter starts before the node is ready."""
    node = SimulatedNode(tmp_path)
    await node.start(state)
    try:
        async with watching(node) as watch:
            await watch.until(lambda: watch.status.state is expected)
            await node.unlock()
            await watch.live()
    finally:
        await node.stop()


async def test_unreachable_address_is_tried_with_backoff(node: SimulatedNode) -> None:
    """Nothing listens there: logged once, tried again with growing delays, then found."""
    await node.stop()
    async with watching(node) as watch:
        await watch.until(lambda: len(watch.delays) >= 9)
        assert watch.status.state is NodeState.UNREACHABLE
        assert len(watch.logged("not following")) == 1
        assert all(1 <= delay <= 60 for delay in watch.delays)
        assert max(watch.delays) > 5
        assert watch.labels(Counter.INTERRUPTIONS) == {}, "a stream that was never up can't be interrupted"
        await node.start()
        await watch.live()


async def test_refused_macaroon_can_be_replaced(node: SimulatedNode) -> None:
    """The state is denied, with advice; the node is followed as soon as the file holds a good macaroon."""
    async with watching(node) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        node.revoke_macaroons()
        await cut(node)
        await watch.until(lambda: watch.status.state is NodeState.DENIED)
        assert "macaroon" in watch.status.detail
        node.renew_macaroon()
        await watch.live()


async def test_macaroon_without_list_channels_is_enough(tmp_path: Path) -> None:
    """Only aliases and balance are missing."""
    async with SimulatedNode(tmp_path, permissions=SMALLEST_PERMISSIONS) as node, watching(node) as watch:
        await watch.live()
        await watch.until(lambda: watch.labels(Counter.LND_CALLS).get(("list_channels", "error")))
        assert watch.status.stream_up
        assert watch.status.channels is None


async def test_wrong_certificate_can_be_replaced(node: SimulatedNode) -> None:
    """The node has a new certificate: the advice names the file to copy, and once copied the node is followed."""
    async with watching(node) as watch:
        await watch.live()
        await node.stop()
        old = node.tls_cert.read_bytes()
        node.renew_certificate()
        new = node.tls_cert.read_bytes()
        node.tls_cert.write_bytes(old)
        await node.start()
        await watch.until(lambda: "must be a copy of lnd's current tls.cert" in watch.status.detail)
        node.tls_cert.write_bytes(new)
        await watch.live()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_broken_certificate_file_can_be_replaced(node: SimulatedNode, content: bytes | None) -> None:
    """A certificate file that vanishes or is damaged while running is retried like any fault."""
    async with watching(node) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        good = node.tls_cert.read_bytes()
        node.tls_cert.unlink()
        if content is not None:
            node.tls_cert.write_bytes(content)
        await cut(node)
        await watch.until(lambda: str(node.tls_cert) in watch.status.detail)
        node.tls_cert.write_bytes(good)
        await watch.live()


async def test_payments_count_while_getinfo_hangs(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Payments don't wait for `GetInfo`."""
    node.faults.delay(Method.GET_INFO)
    async with watching(node) as watch:
        await watch.live()
        assert watch.status.info is None
        await node.play(scenarios.success())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})


async def test_node_that_never_answers_is_unreachable(node: SimulatedNode) -> None:
    """It accepts connections, but sends nothing."""
    node.faults.silence()
    async with watching(node) as watch:
        await watch.until(lambda: "doesn't answer" in watch.status.detail)
        assert watch.status.state is NodeState.UNREACHABLE
        node.faults.heal()
        await watch.live()


async def test_node_without_payments_is_up(node: SimulatedNode) -> None:
    """Its stream sends nothing at all, not even headers."""
    async with watching(node) as watch:
        await watch.live()
        await asyncio.sleep(0.3)
        assert watch.status.stream_up
        assert watch.labels(Counter.INTERRUPTIONS) == {}


async def test_another_node_at_the_address_is_not_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The status names it; when the right node is back, counting continues."""
    ours = node.world
    async with watching(node) as watch:
        await watch.live()
        await node.play(scenarios.success())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
        await node.stop()
        database, tower = node.database, node.subscriptions
        node.change_identity(World.random("somebody else"))
        await node.start()
        await watch.until(lambda: watch.status.state is NodeState.WRONG_NODE)
        await node.play(Scenarios(node.world, 5).success())
        await asyncio.sleep(0.1)
        assert watch.totals(*ENDS) == {"started": 1, "succeeded": 1, "failed": 0, "lost": 0}
        assert node.world.me.pubkey in watch.status.detail
        await node.stop()
        node.world, node.database, node.subscriptions = ours, database, tower
        await node.start()
        await watch.live()


async def test_another_node_without_an_identity_is_not_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Its payments are not the known ones, so it must answer `GetInfo` before anything is counted."""
    async with watching(node) as watch:
        await watch.live()
        await node.play(scenarios.success())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
        await node.stop()
        node.change_identity(World.random("somebody else"))
        node.faults.delay(Method.GET_INFO)
        await node.start()
        await node.play(Scenarios(node.world, 5).success())
        await watch.until(lambda: "doesn't report its identity" in watch.status.detail)
        node.faults.heal()
        await watch.until(lambda: watch.status.state is NodeState.WRONG_NODE)
        assert watch.totals(*ENDS) == {"started": 1, "succeeded": 1, "failed": 0, "lost": 0}


async def test_rebalance_before_getinfo_answers_is_recognised(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Its attempt is seen before the node's own key is known."""
    node.faults.delay(Method.GET_INFO, 1)
    async with watching(node, intervals=replace(QUICK, poll_s=0.05, channels_every=99)) as watch:
        await watch.live()
        rest = begin(node, scenarios.rebalance())
        await watch.until(lambda: watch.totals(Counter.ATTEMPTS_STARTED) == {"attempts_started": 1})
        assert watch.status.info is None
        node.faults.heal()
        await watch.until(lambda: watch.status.info)
        await node.play(*rest)
        await watch.until(lambda: watch.labels(Counter.SUCCEEDED))
        assert {kind for kind, _ in watch.labels(Counter.SUCCEEDED)} == {"rebalance"}


async def test_end_whose_hold_was_over_before_a_loss_is_counted(node: SimulatedNode, scenarios: Scenarios) -> None:
    """It is counted when the stream breaks, without a scrape in between."""
    async with watching(node) as watch:
        await watch.live()
        await node.play(scenarios.success())
        await node.wait_until_drained()
        settled = watch.follower.account.ledger.counters[Counter.ATTEMPTS_SETTLED]
        await watch.until(lambda: settled == {(): 1})
        watch.clocks.ahead_s += 10
        await node.stop()
        await watch.lost()
        assert watch.totals(*ENDS) == {"started": 1, "succeeded": 1, "failed": 0, "lost": 0}


async def test_subscription_that_breaks_during_a_catch_up_is_an_interruption(node: SimulatedNode) -> None:
    """lnd has scanned its table for it; the call is counted as well."""
    async with watching(node) as watch:
        await watch.until(lambda: node.calls[Method.LIST_PAYMENTS] == 3)  # for the end of history, and two catch-ups
        await node.wait_for_subscribers(1)
        node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=1, times=1)
        await node.play(Scenarios(node.world).no_route())
        await cut(node)
        await watch.until(lambda: watch.labels(Counter.INTERRUPTIONS) == {("unreachable",): 2})
        await watch.live()
        assert watch.logged("lnd numbers its payments anew: reading back to known ones") == []
        assert watch.labels(Counter.LND_CALLS)["track_payments", "error"] == 2


@pytest.mark.parametrize("steps", range(25))
def test_stop_during_a_loss_stops_the_follower(steps: int) -> None:
    """At whatever step of handling the loss it is cancelled."""

    async def scenario(loop: VirtualLoop) -> None:
        node = ChaoticNode(loop, 1)
        task = asyncio.create_task(Follower(Account("lnd", node.clocks, 50), node).run())
        await asyncio.sleep(500)
        node.lose()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()

    run_virtually(scenario)


async def test_page_that_makes_no_progress_ends_the_session(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same page for every request would be read for ever."""
    await node.play(scenarios.no_route(), scenarios.success())
    async with watching(node) as watch:
        await watch.live()
        await node.wait_for_subscribers(1)
        whole = pb.ListPaymentsRequest(include_incomplete=True, max_payments=2)
        with monkeypatch.context() as patch:
            page = node.database.page(whole)
            patch.setattr(node.database, "page", lambda _: page)
            await cut(node)
            await watch.until(lambda: "is there a proxy in between?" in watch.status.detail)
        await watch.live()


async def test_lnd_without_state_service_is_followed(node: SimulatedNode, scenarios: Scenarios) -> None:
    """lnd before 0.13 has no `lnrpc.State`: the other calls show whether it is ready."""
    node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNIMPLEMENTED, "unknown service lnrpc.State")
    async with watching(node) as watch:
        await watch.live()
        await node.play(scenarios.success())
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})


async def test_lnd_without_trackpayments_is_tried_again(node: SimulatedNode) -> None:
    """With mode `firehose` an lnd before 0.16 is not followed, until it is upgraded."""
    node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    async with watching(node, mode=Mode.FIREHOSE) as watch:
        await watch.until(lambda: "0.16" in watch.status.detail)
        node.faults.heal()
        await watch.live()


async def test_one_node_never_delays_another(tmp_path: Path) -> None:
    """One node hangs, the next is gone, the third is followed."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    async with (
        SimulatedNode(tmp_path / "a") as hanging,
        SimulatedNode(tmp_path / "b") as gone,
        SimulatedNode(tmp_path / "c", clock=WallClock(float("inf"))) as well,
    ):
        hanging.faults.silence()
        await gone.stop()
        async with watching(hanging), watching(gone), watching(well) as watch:
            await watch.live()
            await well.play(Scenarios(well.world).success())
            await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})


async def test_idle_node_gets_one_cheap_call_per_interval(node: SimulatedNode) -> None:
    """After the catch-ups only `GetInfo`, and every fifth time `ListChannels` instead."""
    async with watching(node, intervals=replace(QUICK, poll_s=0.01)) as watch:
        await watch.live()
        await watch.until(lambda: node.calls[Method.LIST_PAYMENTS] == 3)  # for the end of history, and two catch-ups
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] == seen + 1)
        before = node.calls.copy()
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] == seen + 4)
        assert node.calls - before == {Method.LIST_CHANNELS: 3, Method.GET_INFO: 12}
