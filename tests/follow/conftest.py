"""Fixtures: a simulated node whose payments take no time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.follow import calls, page_size
from exporter.payments import finished
from exporter.simulator.clock import WallClock
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """Yield a running node; payments that take minutes on a real one pass at once, with the real time of day."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node:
        yield node


@pytest.fixture
def a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages and memory hold a tenth of the payments, so that a test needs a tenth of the time."""
    monkeypatch.setattr(calls, "PAGE_LIMIT", calls.PAGE_LIMIT // 10)
    monkeypatch.setattr(calls, "MANY", calls.MANY // 10)
    monkeypatch.setattr(page_size, "FIRST", page_size.FIRST // 10)
    monkeypatch.setattr(finished, "REMEMBERED", finished.REMEMBERED // 10)
    monkeypatch.setattr(finished, "_FORGOTTEN_AT_ONCE", finished._FORGOTTEN_AT_ONCE // 10)


@pytest.fixture
def scenarios(node: SimulatedNode) -> Scenarios:
    """Return lives of payments for `node`."""
    return Scenarios(node.world)
