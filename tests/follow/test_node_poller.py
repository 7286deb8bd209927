"""The saved identity, height and aliases of a node are used until lnd reports them again."""

from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from exporter.config.addresses import TRANSPORTS
from exporter.follow import Account
from exporter.payments.labels import BlocksLeft, Method, Mode, NodeState
from exporter.payments.node import Channels
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.store import Store, encode
from tests.follow import watch as watch_module
from tests.follow.test_counting import begin
from tests.follow.watch import ENDS, QUICK, Watch, watching


@pytest.fixture(params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test over every transport."""
    monkeypatch.setattr(watch_module, "TRANSPORT", request.param)


def kept(account: Account, path: Path) -> SavedNode:
    """Save an account to a file and return what the next process reads from it."""
    store = Store(path)
    store.save({account.name: encode(account.save(account.capture()))})
    store.close()
    store = Store(path)
    saved = store.load(account.name)
    store.close()
    assert saved is not None
    return saved


def kinds(watch: Watch, counter: Counter) -> dict[str, int]:
    """Return payments by kind."""
    found: dict[str, int] = {}
    for (kind, *_), number in watch.labels(counter).items():
        found[kind] = found.get(kind, 0) + number
    return found


@pytest.mark.parametrize("mode", [Mode.FIREHOSE, Mode.TRACK])
async def test_rebalances_are_recognised_after_a_restart_before_getinfo_answers(
    node: SimulatedNode, scenarios: Scenarios, tmp_path: Path, mode: Mode
) -> None:
    """The saved state has the node's key: payments that ended meanwhile, and live ones, are recognised by it."""
    async with watching(node, mode=mode) as watch:
        await watch.live()
        await node.play(scenarios.success())  # a known payment: the next process sees that this is the same node
        await watch.until(lambda: watch.totals(Counter.SUCCEEDED) == {"succeeded": 1})
        saved = kept(watch.follower.account, tmp_path / "state.sqlite")
    await node.play(scenarios.rebalance(), scenarios.rebalance_without_route())
    node.faults.delay(Method.GET_INFO)
    async with watching(node, mode=mode, saved=saved) as watch:
        await watch.live()
        await node.play(
            scenarios.rebalance(), scenarios.rebalance_without_route(), scenarios.success(), scenarios.no_route()
        )
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 7, "succeeded": 4, "failed": 3, "lost": 0})
        assert watch.status.info is None
        assert kinds(watch, Counter.SUCCEEDED) == {"rebalance": 2, "invoice": 2}
        assert kinds(watch, Counter.FAILED) == {"rebalance": 2, "invoice": 1}


async def test_saved_height_and_aliases_are_used_until_lnd_reports_them(
    node: SimulatedNode, scenarios: Scenarios, tmp_path: Path
) -> None:
    """Held HTLCs have their blocks left and the aliases of their peers, as the last process knew them."""
    async with watching(node) as watch:
        await watch.live()
        (rest,) = begin(node, scenarios.held_then_settled())
        await watch.until(lambda: watch.counted(Counter.ATTEMPTS_STARTED) == 1)
        await watch.until(lambda: watch.status.channels and watch.status.info)
        before = watch.follower.account.capture()
        saved = kept(watch.follower.account, tmp_path / "state.sqlite")
    node.faults.delay(Method.GET_INFO)
    node.faults.delay(Method.LIST_CHANNELS)
    async with watching(node, saved=saved) as watch:
        await watch.live()
        watch.clocks.ahead_s += 3600
        view = watch.follower.account.capture()
        assert (watch.status.info, watch.status.channels) == (None, None)
        assert view.status.block_height == before.status.block_height == node.world.height
        assert view.in_flight.held is not None
        assert view.in_flight.held[BlocksLeft.OVER][0] + view.in_flight.held[BlocksLeft.UNDER_144][0] == 1
        (peer,) = view.in_flight.peers
        assert view.status.aliases == {peer: before.status.aliases[peer]} != {peer: ""}
        watch.follower.account.set_status(channels=Channels(0))
        assert watch.status.aliases == {}, "the present answer replaces the saved aliases"
        await node.play(rest)


@pytest.mark.slow
async def test_counting_begins_after_getinfo_answers(node: SimulatedNode, scenarios: Scenarios) -> None:
    """On the first start, because without the node's key no rebalance can be told from a payment."""
    node.faults.delay(Method.GET_INFO)
    async with watching(node, intervals=replace(QUICK, first_info_s=0.01, info_s=60)) as watch:
        await watch.until(lambda: watch.status.state is NodeState.STARTING)
        assert "waiting for GetInfo" in watch.status.detail
        (rest,) = begin(node, scenarios.rebalance())
        await node.play(scenarios.rebalance())
        assert watch.totals(Counter.STARTED) == {"started": 0}
        node.faults.heal()
        await node.restart()  # the call that hangs breaks off
        await watch.live()
        await node.play(rest, scenarios.rebalance_without_route())
        await watch.until(lambda: watch.totals(*ENDS) == {"started": 2, "succeeded": 1, "failed": 1, "lost": 0})
        assert kinds(watch, Counter.SUCCEEDED) == kinds(watch, Counter.FAILED) == {"rebalance": 1}


async def test_list_of_channels_that_fails_is_requested_again_at_the_next_poll(node: SimulatedNode) -> None:
    """Not only after five minutes, and each poll asks for height and synchronisation nevertheless."""
    node.faults.refuse(Method.LIST_CHANNELS, grpc.StatusCode.UNKNOWN, "database is locked", times=3)
    async with watching(node, intervals=replace(QUICK, poll_s=0.02, channels_every=10**6)) as watch:
        await watch.until(lambda: watch.status.channels is not None)
        calls = node.calls[Method.LIST_CHANNELS]
        assert calls == 4
        asked = node.calls[Method.GET_INFO]
        assert asked >= calls - 1
        await watch.until(lambda: node.calls[Method.GET_INFO] > asked + 3)
        assert node.calls[Method.LIST_CHANNELS] == calls


async def test_last_list_of_channels_is_shown_for_ten_minutes(node: SimulatedNode) -> None:
    """One call that fails blanks nothing; but what is older is no present balance of peers and channels."""
    async with watching(node, intervals=replace(QUICK, poll_s=0.02, channels_every=1)) as watch:
        await watch.until(lambda: watch.status.channels is not None)
        node.faults.refuse(Method.LIST_CHANNELS, grpc.StatusCode.UNKNOWN, "database is locked")
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 3)
        assert watch.status.channels is not None
        watch.clocks.ahead_s += 590
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 3)
        assert watch.status.channels is not None
        watch.clocks.ahead_s += 10
        await watch.until(lambda: watch.status.channels is None)
        node.faults.heal()
        await watch.until(lambda: watch.status.channels is not None)
