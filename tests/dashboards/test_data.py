"""Every query of every dashboard returns data from a real Prometheus that scrapes the exporter."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from dashboards.query import VALUES
from exporter.config import NodeConfig
from exporter.rules.generate import groups
from exporter.rules.rule import as_yaml
from exporter.simulator import demo
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import READONLY_PERMISSIONS
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
NOT_HERE = (
    "Alerts firing: ",
    "Payments per minute, the busiest nodes: sum(",
    "What may hang: ",
    "Until the first expiry: 600 / 3600 * ",
    "Spendable now: label_replace(min(",
    "Success, against its target: 1 + 0 * (count(",
)
"""Queries without a result if no alert fires, there are not more than ten nodes, nothing hangs or is held, the balance
isn't known for hours, and no node is away."""

Both = Mapping[str, Prometheus]
"""The servers that scrape one page for all nodes, and a page a node."""


@asynccontextmanager
async def watched(
    node: SimulatedNode, home: Path, destinations: Mapping[str, str] | None = None
) -> AsyncIterator[Both]:
    """Run a node, the exporter and Prometheus in both layouts, long enough for rates."""
    lab = NodeConfig("alice", node.address, node.tls_cert, node.macaroon, explain_no_route=True)
    async with exporting([lab], home / "exporter", destinations=destinations) as exporter, AsyncExitStack() as stack:
        both = {
            "one page": Prometheus(home / "one", exporter.target, rules=quick_rules()),
            "a page a node": Prometheus(home / "discovering", exporter.target, rules=quick_rules(), discover=True),
        }
        for prometheus in both.values():
            stack.push_async_callback(prometheus.stop)
            await prometheus.start()
        await asyncio.sleep(SCRAPED_S)
        yield both


def quick_rules() -> str:
    """Return the shipped rules, evaluated each second."""
    rules = as_yaml(groups(VALUES), VALUES)
    return json.dumps({"groups": [group | {"interval": "1s"} for group in rules["groups"]]})


async def lacking(both: Both) -> dict[tuple[str, str], list[str]]:
    """Return the queries with an empty result, by layout and dashboard."""
    return {(layout, uid): await empty_queries(both[layout], uid) for layout in both for uid in FILES}


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
        node.renew_macaroon(READONLY_PERMISSIONS)
        traffic = [asyncio.create_task(demo.traffic(node, PACE)), asyncio.create_task(without_route(node))]
        async with watched(node, tmp_path, demo.destinations(node)) as both:
            missing = {
                (where, query)
                for where, queries in (await lacking(both)).items()
                for query in queries
                if not query.startswith(NOT_HERE)
            }
            assert missing == set()
        for task in traffic:
            task.cancel()


async def without_route(node: SimulatedNode) -> None:
    """Let a payment find no route, again and again until cancelled: lnd is asked why every ten seconds."""
    scenarios = Scenarios(node.world, "no route", now_s=int(time.time()))
    while True:
        await node.play(scenarios.no_route())


async def test_panels_of_a_quiet_node_show_zeros(tmp_path: Path) -> None:
    """Zeros are shown as zeros: no panel shows 'No data'."""
    async with SimulatedNode(tmp_path) as node, watched(node, tmp_path) as both:
        found = {where: without_text(where[1], queries) for where, queries in (await lacking(both)).items()}
        assert {where: panels for where, panels in found.items() if panels} == {}
