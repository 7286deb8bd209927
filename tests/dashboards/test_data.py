"""Every query of every dashboard returns data from a real Prometheus that scrapes the exporter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.config import NodeConfig
from exporter.simulator import demo
from exporter.simulator.server import SimulatedNode
from tests.dashboards.panels import FILES, panels, with_variables
from tests.stories.process import exporting
from tests.stories.prometheus import Prometheus

pytestmark = pytest.mark.usefixtures("programs")

PACE = 5.0
"""Speed relative to the demo, so that every kind of payment occurs within seconds."""
SCRAPED_S = 20.0
"""Longer than the window of the rates."""
NO_WORDS = "-"
"""The text of an empty panel that should have data."""


@asynccontextmanager
async def watched(node: SimulatedNode, home: Path) -> AsyncIterator[Prometheus]:
    """Run a node, the exporter and Prometheus, long enough for rates."""
    lab = NodeConfig("alice", node.address, node.tls_cert, node.macaroon)
    async with exporting([lab], home / "exporter") as exporter:
        prometheus = Prometheus(home / "prometheus", exporter.target)
        await prometheus.start()
        try:
            await asyncio.sleep(SCRAPED_S)
            yield prometheus
        finally:
            await prometheus.stop()


async def empty_queries(prometheus: Prometheus, uid: str) -> list[str]:
    """Return the queries of a dashboard with an empty result, as `panel: query`."""
    return [
        f"{panel['title']}: {target['expr']}"
        for panel in panels(uid)
        for target in panel["targets"]
        if not await prometheus.query(with_variables(target["expr"]))
    ]


def without_text(uid: str, lacking: list[str]) -> list[str]:
    """Return the panels without any result and without a text of their own for that."""
    return [
        panel["title"]
        for panel in panels(uid)
        if panel["fieldConfig"]["defaults"].get("noValue", NO_WORDS) == NO_WORDS
        and all(f"{panel['title']}: {target['expr']}" in lacking for target in panel["targets"])
    ]


async def test_every_query_of_a_busy_node_has_a_result(tmp_path: Path) -> None:
    """Every query has a result."""
    async with demo.node(tmp_path) as node:
        traffic = asyncio.create_task(demo.traffic(node, PACE))
        async with watched(node, tmp_path) as prometheus:
            assert {uid: await empty_queries(prometheus, uid) for uid in FILES} == {uid: [] for uid in FILES}
        traffic.cancel()


async def test_panels_of_a_quiet_node_show_zeros(tmp_path: Path) -> None:
    """Zeros are shown as zeros: no panel shows 'No data'."""
    async with SimulatedNode(tmp_path) as node, watched(node, tmp_path) as prometheus:
        found = {uid: without_text(uid, await empty_queries(prometheus, uid)) for uid in FILES}
        assert found == {uid: [] for uid in FILES}
