"""An HTLC that is on no channel any more is found by the lists of channels that the follower requests anyway."""

from dataclasses import replace

import pytest

from exporter.payments import ghosts
from exporter.payments.labels import Method
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow.test_counting import begin
from tests.follow.watch import QUICK, Watch, watching


def found(watch: Watch) -> int | None:
    """Return the number of ghosts on the page."""
    view = watch.follower.account.capture()
    return view.ghosts[0] if view.ghosts else None


async def test_ghost(node: SimulatedNode, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two HTLCs in flight only one is on its channel; when lnd ends the other one, it is no ghost any more."""
    monkeypatch.setattr(ghosts, "GHOST_NS", 50_000_000)
    async with watching(node, intervals=replace(QUICK, poll_s=0.02, channels_every=1)) as watch:
        await watch.live()
        begin(node, scenarios.held_then_settled())
        rest = begin(node, scenarios.held_then_settled())
        await watch.until(lambda: len(watch.follower.account.tracker.open) == 2)
        seen = node.calls[Method.LIST_CHANNELS]
        await watch.until(lambda: node.calls[Method.LIST_CHANNELS] > seen + 9)
        assert found(watch) == 0
        node.faults.ghosts.add(list(node.database)[-1].payment_hash)
        await watch.until(lambda: found(watch) == 1)
        await node.play(*rest)
        await watch.until(lambda: found(watch) == 0)
