"""A simulated node whose lives pass at once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.simulator.clock import WallClock
from exporter.simulator.lives import Lives
from exporter.simulator.server import SimulatedNode


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A node that runs; what takes minutes on a real one passes at once, at true times of day."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node:
        yield node


@pytest.fixture
def lives(node: SimulatedNode) -> Lives:
    """Lives for it."""
    return Lives(node.world)
