"""Each story is told twice: to real lnds and to the simulator."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from exporter.config.addresses import REST
from tests.once import claim
from tests.stories.lab import Lab
from tests.stories.process import exporting, ways
from tests.stories.prometheus import Prometheus
from tests.stories.simulated import SimulatedLab
from tests.stories.simulated_network import Network
from tests.stories.test_payments import storm
from tests.stories.world import World


@pytest.fixture(scope="session")
async def simulated_labs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, SimulatedLab]]:
    """The labs of `alice` and `carol` in the simulator."""
    claim("simulated network", tmp_path_factory)
    network = Network(tmp_path_factory.mktemp("simulated"))
    labs = {name: SimulatedLab(network, name) for name in ("alice", "carol")}
    for lab in labs.values():
        await lab.open()
    yield labs
    for lab in labs.values():
        await lab.close()


@pytest.fixture(scope="session", params=["simulator", pytest.param("real", marks=pytest.mark.network)])
def labs(request: pytest.FixtureRequest) -> Mapping[str, Lab]:
    """Either world. Not async, for only so it may ask for a fixture that is."""
    found: Mapping[str, Lab] = request.getfixturevalue("real_labs" if request.param == "real" else "simulated_labs")
    return found


@pytest.fixture(scope="session")
async def world(labs: Mapping[str, Lab], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Both labs, watched from the beginning by one exporter, alice in every way; real ones by a Prometheus, too."""
    kind = "simulator" if isinstance(labs["alice"], SimulatedLab) else "real"
    home = tmp_path_factory.mktemp(kind)
    nodes = [*ways(labs["alice"]), *ways(labs["carol"], REST)]
    async with AsyncExitStack() as stack:
        exporter = await stack.enter_async_context(exporting(nodes, home / "exporter"))
        world = World(kind, labs, exporter.target, exporter.log)
        for name in labs:
            await world.live(name)
        if kind == "real":
            world.prometheus = Prometheus(home / "prometheus", exporter.target)
            stack.push_async_callback(world.prometheus.stop)
            await world.prometheus.start()
        world.storm = asyncio.create_task(storm(world, home / "killed"))
        yield world
        world.storm.cancel()
        await asyncio.gather(world.storm, return_exceptions=True)
