"""When a payment lacks balance, lnd is asked for its channels: peers may be offline."""

import asyncio

import grpc
import pytest

from exporter.lnd.client import LndError
from exporter.lnd.grpc import GrpcClient
from exporter.payments.labels import Cause, Interruption, Method, NodeState
from exporter.payments.node import Channels
from exporter.payments.totals import Counter
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow.watch import Watch, watching


def take_offline(node: SimulatedNode) -> int:
    """Take all peers of a node offline, and return their balance in msat."""
    node.world.peers = tuple(peer._replace(active=False) for peer in node.world.peers)
    return sum(peer.local_sat - peer.reserve_sat for peer in node.world.peers) * 1000


def causes(watch: Watch) -> dict[str, int]:
    """Return the failed payments by cause, as counted without ending holds."""
    series = watch.follower.account.ledger.counters[Counter.FAILED_BY_CAUSE]
    found: dict[str, int] = {}
    for (_, cause, _), number in series.items():
        if number:
            found[cause] = found.get(cause, 0) + number
    return found


async def test_peers_are_offline(node: SimulatedNode, scenarios: Scenarios) -> None:
    """The channels are requested once in ten seconds, however many payments fail, and tell about all of them."""
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] == 1)
        balance_msat = take_offline(node)
        watch.clocks.ahead_s += 11
        for _ in range(3):
            await node.play(scenarios.insufficient_balance(balance_msat))
        await watch.until(lambda: watch.counted(Counter.FAILED) == 3)
        assert causes(watch) == {Cause.OWN_INACTIVE: 3}
        assert node.calls[Method.LIST_CHANNELS] == 2
        await node.play(scenarios.insufficient_balance(balance_msat + 1))
        await watch.until(lambda: watch.counted(Counter.FAILED) == 4)
        assert causes(watch) == {Cause.OWN_INACTIVE: 3, Cause.OWN_LIQUIDITY: 1}


async def test_an_answer_that_comes_too_late_changes_nothing(node: SimulatedNode, scenarios: Scenarios) -> None:
    """A payment isn't held longer for it."""
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] == 1)
        balance_msat = take_offline(node)
        watch.clocks.ahead_s += 11
        node.faults.delay(Method.LIST_CHANNELS)
        await node.play(scenarios.insufficient_balance(balance_msat))
        await watch.until(lambda: watch.counted(Counter.FAILED) == 1)
        assert causes(watch) == {Cause.OWN_LIQUIDITY: 1}


@pytest.mark.parametrize(("text", "calls"), [("permission denied", 1), ("overloaded", 2)])
async def test_without_the_channels_the_cause_is_what_lnd_says(
    node: SimulatedNode, scenarios: Scenarios, text: str, calls: int
) -> None:
    """If the macaroon doesn't allow `ListChannels`, it isn't requested again; if it fails, once in ten seconds."""
    node.faults.refuse(Method.LIST_CHANNELS, grpc.StatusCode.UNKNOWN, text)
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] == 1)
        balance_msat = take_offline(node)
        watch.clocks.ahead_s += 11
        for _ in range(3):
            await node.play(scenarios.insufficient_balance(balance_msat))
        await watch.until(lambda: watch.counted(Counter.FAILED) == 3)
        assert causes(watch) == {Cause.OWN_LIQUIDITY: 3}
        assert node.calls[Method.LIST_CHANNELS] == calls


@pytest.mark.parametrize("answers", [True, False])
async def test_what_comes_of_an_earlier_request_later_is_ignored(
    node: SimulatedNode, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    """The poll's request hangs, that for a payment is answered: neither an older balance nor a time-out replaces it."""
    requests: list[asyncio.Future[Channels]] = []

    async def channels(_client: object) -> Channels:
        requests.append(asyncio.get_running_loop().create_future())
        return await requests[-1]

    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: watch.status.channels)
        monkeypatch.setattr(GrpcClient, "channels", channels)
        account, poller = watch.follower.account, watch.follower._node_poller
        poll = asyncio.create_task(poller._refresh_channels())
        await watch.until(lambda: len(requests) == 1)
        watch.clocks.ahead_s += 11
        account.lacks_balance.set()
        await watch.until(lambda: len(requests) == 2)
        requests[1].set_result(Channels(5, inactive_msat=7))
        await watch.until(lambda: watch.status.channels == Channels(5, inactive_msat=7))
        if answers:
            requests[0].set_result(Channels(12))
        else:
            requests[0].set_exception(LndError(Interruption.TIMEOUT, NodeState.READY, "no answer"))
        await poll
        assert watch.status.channels == Channels(5, inactive_msat=7)
        assert account.tracker.balance is not None
        assert account.tracker.balance.inactive_msat == 7
