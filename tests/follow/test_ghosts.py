"""An HTLC that is on no channel any more is found by the lists of channels that the follower requests anyway."""

from dataclasses import replace

import pytest

from exporter.payments import ghosts
from exporter.payments.labels import Method
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.store import encode
from exporter.store.codec import decode_run
from tests.follow.test_counting import begin
from tests.follow.watch import QUICK, Watch, watching

LISTS = replace(QUICK, poll_s=0.02, channels_every=1)
"""The channels are listed all the time."""


def found(watch: Watch) -> int | None:
    """Return the number of ghosts on the page."""
    view = watch.follower.account.capture()
    return view.ghosts[0] if view.ghosts else None


def saved(watch: Watch) -> list[frozenset[int]]:
    """Return the ghosts of each payment in flight, as they are written to disk."""
    account = watch.follower.account
    return [decode_run(text).ghosts for text in encode(account.save(account.capture())).open.values()]


async def test_ghost(node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two HTLCs in flight only one is on its channel; when lnd ends the other one, it is no ghost any more."""
    monkeypatch.setattr(ghosts, "GHOST_NS", 50_000_000)
    async with watching(node, intervals=LISTS) as watch:
        await watch.live()
        begin(node, scenarios.held_then_settled())
        rest = begin(node, scenarios.held_then_settled())
        await watch.until(lambda: len(watch.follower.account.tracker.open) == 2)
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 9)
        assert found(watch) == 0
        node.faults.ghosts.add(list(node.database)[-1].payment_hash)
        assert {key for keys in saved(watch) for key in keys} == set()
        await watch.until(lambda: found(watch) == 1)
        assert sorted(map(len, saved(watch))) == [0, 1]
        await node.play(*rest)
        await watch.until(lambda: found(watch) == 0)


async def test_ghost_of_a_rebalance(node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its HTLC that comes back has the same hash: it doesn't stand for the one that was sent."""
    monkeypatch.setattr(ghosts, "GHOST_NS", 50_000_000)
    async with watching(node, intervals=LISTS) as watch:
        await watch.live()
        begin(node, scenarios.rebalance())
        await watch.until(lambda: len(watch.follower.account.tracker.open) == 1)
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 9)
        assert found(watch) == 0
        (run,) = watch.follower.account.tracker.open.values()
        node.faults.ghosts.add(run.run.payment_hash)
        htlcs = [htlc for channel in node.channels().channels for htlc in channel.pending_htlcs]
        assert [htlc.incoming for htlc in htlcs] == [True]
        await watch.until(lambda: found(watch) == 1)


async def test_loss_of_the_connection(
    node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HTLC that ended meanwhile was missing long enough: but that it ended is learnt before it counts."""
    monkeypatch.setattr(ghosts, "GHOST_NS", 50_000_000)
    async with watching(node, intervals=LISTS) as watch:
        await watch.live()
        rest = begin(node, scenarios.held_then_settled())
        await watch.until(lambda: len(watch.follower.account.tracker.open) == 1)
        monkeypatch.setattr(ghosts, "GHOST_NS", 3600 * 10**9)
        (run,) = watch.follower.account.tracker.open.values()
        node.faults.ghosts.add(run.run.payment_hash)
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 1)
        await node.stop()
        for step in rest[0].steps:
            node.database.apply(step.mutation)
        monkeypatch.setattr(ghosts, "GHOST_NS", 0)
        node.faults.delay(Method.TRACK_PAYMENT, 0.5)
        node.faults.delay(Method.LIST_PAYMENTS, 0.5)
        await node.start()
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 3)
        assert run.run in watch.follower.account.tracker.open, "its end isn't known yet"
        assert found(watch) == 0
        await watch.until(lambda: not watch.follower.account.tracker.open)
        assert found(watch) == 0
