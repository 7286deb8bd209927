"""Each story is told twice: to real lnds and to the simulator."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.network.regtest import Network as RealNetwork
from tests.stories.lab import Lab
from tests.stories.prometheus import Prometheus
from tests.stories.real import RealLab
from tests.stories.simulated import Network as SimulatedNetwork
from tests.stories.simulated import SimulatedLab
from tests.stories.test_payments import storm
from tests.stories.world import World, exporting

NAMES = ("alice", "carol")


@pytest.fixture(
    scope="session",
    params=["simulator", pytest.param("real", marks=[pytest.mark.network, pytest.mark.xdist_group("real")])],
)
async def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Both labs, watched by one exporter from the beginning."""
    kind: str = request.param
    home = tmp_path_factory.mktemp(kind)
    async with AsyncExitStack() as stack:
        labs: dict[str, Lab] = {}
        if kind == "real":
            request.getfixturevalue("programs")  # built, or the stories are skipped
            network = RealNetwork()
            stack.push_async_callback(network.stop)
            await network.start()
            opened: list[RealLab | SimulatedLab] = [RealLab(network, name) for name in NAMES]
        else:
            simulated = SimulatedNetwork(home)
            opened = [SimulatedLab(simulated, name) for name in NAMES]
        for lab in opened:
            await lab.open()
            stack.push_async_callback(lab.close)
            labs[lab.name] = lab
        target, log = await stack.enter_async_context(exporting(list(labs.values()), home / "exporter"))
        world = World(kind, labs, target, log)
        for name in NAMES:
            await world.live(name)
        if kind == "real":
            world.prometheus = Prometheus(home / "prometheus", target)
            stack.push_async_callback(world.prometheus.stop)
            await world.prometheus.start()
        world.storm = asyncio.create_task(storm(world))
        yield world
        world.storm.cancel()
