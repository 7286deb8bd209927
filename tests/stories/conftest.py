"""Fixtures of the stories, each of which runs twice: on real lnds and on the simulator."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest

from exporter.config.addresses import REST
from exporter.follow.intervals import Intervals
from tests.once import claim
from tests.stories.lab import Lab
from tests.stories.process import exporting, node_configs
from tests.stories.prometheus import Prometheus
from tests.stories.simulated import SimulatedLab
from tests.stories.simulated_network import Network
from tests.stories.test_payments import storm
from tests.stories.world import World

LISTED_TWICE_S = Intervals().second_catch_up_s + 1
"""Seconds after which a node that is followed has been listed for the second time.

A list that is ahead of the stream tells the news of a payment first, and what isn't live has no delay.
"""


@pytest.fixture(scope="session")
async def simulated_labs(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, SimulatedLab]]:
    """Return the labs of `alice` and `carol` in the simulator."""
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
    """Return the labs of the real network or of the simulator. Not async: it requests a fixture that is."""
    labs: Mapping[str, Lab] = request.getfixturevalue("real_labs" if request.param == "real" else "simulated_labs")
    return labs


@pytest.fixture(scope="session")
async def world(labs: Mapping[str, Lab], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Return both labs with one exporter that follows alice over each transport and carol over REST.

    On the real network a Prometheus scrapes the exporter from the beginning.
    """
    kind = "simulator" if isinstance(labs["alice"], SimulatedLab) else "real"
    home = tmp_path_factory.mktemp(kind)
    nodes = [*node_configs(labs["alice"]), *node_configs(labs["carol"], REST)]
    async with AsyncExitStack() as stack:
        exporter = await stack.enter_async_context(exporting(nodes, home / "exporter"))
        world = World(kind, labs, exporter.target, exporter.log)
        for name in labs:
            await world.followed(name)
        await asyncio.sleep(LISTED_TWICE_S)
        if kind == "real":
            world.prometheus = Prometheus(home / "prometheus", exporter.target)
            stack.push_async_callback(world.prometheus.stop)
            await world.prometheus.start()
        world.storm = asyncio.create_task(storm(world, home / "killed"))
        yield world
        world.storm.cancel()
        await asyncio.gather(world.storm, return_exceptions=True)
