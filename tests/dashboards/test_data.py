"""Every query of every dashboard returns data from a real Prometheus that scrapes the exporter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.config import NodeConfig
from exporter.simulator import demo
from exporter.simulator.server import SimulatedNode
from tests.dashboards.panels import FILES, filled, panels
from tests.stories.process import exporting
from tests.stories.prometheus import Prometheus

pytestmark = pytest.mark.usefixtures("programs")

PACE = 5.0
"""Times as fast as the demo, so that there is something of everything within seconds."""
SCRAPED_S = 20.0
"""Longer than the rates look back."""
NO_WORDS = "-"
"""What a panel shows that isn't meant to be empty."""


@asynccontextmanager
async def watched(node: SimulatedNode, home: Path) -> AsyncIterator[Prometheus]:
    """A node, the exporter and Prometheus, for long enough that rates are known."""
    lab = NodeConfig("alice", node.address, node.tls_cert, node.macaroon)
    async with exporting([lab], home / "exporter") as exporter:
        prometheus = Prometheus(home / "prometheus", exporter.target)
        await prometheus.start()
        try:
            await asyncio.sleep(SCRAPED_S)
            yield prometheus
        finally:
            await prometheus.stop()


async def empty(prometheus: Prometheus, uid: str) -> list[str]:
    """The queries of a dashboard without an answer, as `panel: query`."""
    return [
        f"{panel['title']}: {target['expr']}"
        for panel in panels(uid)
        for target in panel["targets"]
        if not await prometheus.query(filled(target["expr"]))
    ]


def speechless(uid: str, lacking: list[str]) -> list[str]:
    """Panels all of whose queries are without an answer, and that have no words of their own for that."""
    return [
        panel["title"]
        for panel in panels(uid)
        if panel["fieldConfig"]["defaults"].get("noValue", NO_WORDS) == NO_WORDS
        and all(f"{panel['title']}: {target['expr']}" in lacking for target in panel["targets"])
    ]


async def test_a_busy_node(tmp_path: Path) -> None:
    """There is no query without an answer."""
    async with demo.node(tmp_path) as node:
        traffic = asyncio.create_task(demo.traffic(node, PACE))
        async with watched(node, tmp_path) as prometheus:
            assert {uid: await empty(prometheus, uid) for uid in FILES} == {uid: [] for uid in FILES}
        traffic.cancel()


async def test_a_quiet_node(tmp_path: Path) -> None:
    """Zero is zero: no panel says No data."""
    async with SimulatedNode(tmp_path) as node, watched(node, tmp_path) as prometheus:
        found = {uid: speechless(uid, await empty(prometheus, uid)) for uid in FILES}
        assert found == {uid: [] for uid in FILES}
