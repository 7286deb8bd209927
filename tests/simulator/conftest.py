"""Fixtures: a node whose waiting takes no time, a client of it, and scenarios for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.simulator.clock import VirtualClock
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.simulator.raw import Raw, connected


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """Return a node that runs."""
    async with SimulatedNode(tmp_path, clock=VirtualClock()) as node:
        yield node


@pytest.fixture
async def raw(node: SimulatedNode) -> AsyncIterator[Raw]:
    """Return a client of the node."""
    async with connected(node) as raw:
        yield raw


@pytest.fixture
def scenarios(node: SimulatedNode) -> Scenarios:
    """Return the scenarios of the node."""
    return Scenarios(node.world)
