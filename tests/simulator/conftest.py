"""A node whose time passes at once, a client, and an author of lives."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.simulator.clock import ScriptClock
from exporter.simulator.lives import Lives
from exporter.simulator.server import SimulatedNode
from tests.simulator.raw import Raw, connected


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A node that runs."""
    async with SimulatedNode(tmp_path, clock=ScriptClock()) as node:
        yield node


@pytest.fixture
async def raw(node: SimulatedNode) -> AsyncIterator[Raw]:
    """A client of it."""
    async with connected(node) as raw:
        yield raw


@pytest.fixture
def lives(node: SimulatedNode) -> Lives:
    """Lives for it."""
    return Lives(node.world)
