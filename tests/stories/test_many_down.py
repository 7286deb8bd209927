"""How many messages a person gets when exporters are killed: with a real Prometheus and a real Alertmanager."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from exporter.config import ListenAddress
from exporter.metrics.groups import Group
from exporter.page import PageData
from exporter.payments.labels import NodeState
from exporter.payments.ledger import Ledger
from exporter.payments.node import NodeStatus
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture_view
from exporter.rules.away import LISTED
from exporter.rules.rule import PREFIX
from exporter.rules.values import read
from exporter.web.server import Server, build_app, serve
from tests.incidents.targets import Layout
from tests.metrics import scene
from tests.network.process import until
from tests.stories.alertmanager import Alertmanager, Message, Notification, alerting, hurried
from tests.stories.prometheus import JOB, Prometheus

pytestmark = pytest.mark.usefixtures("programs")

DEPLOY, DOCS = (Path(__file__).parents[2] / name for name in ("deploy", "docs"))
NODES = [f"node-{number:02}" for number in range(24)]
TEN = ", ".join(NODES[:10])
DOWN, MANY = f"{PREFIX}ExporterDown", f"{PREFIX}ManyNodesDown"
WAIT, SETTLED_S = "2s", 10
"""How long Alertmanager waits for more alerts of a group, and a time within which it would have sent all."""


def view(node: str) -> View:
    """Return a node that has just begun."""
    tracker, ledger = Tracker(), Ledger()
    ledger.apply(tracker.begin([], 0, scene.at(0)))
    tracker.stream_started()
    return capture_view(node, tracker, ledger, NodeStatus(state=NodeState.READY, stream_up=True), scene.at(1))


async def exporter(nodes: Sequence[str]) -> Server:
    """Serve the pages of these nodes."""
    page = PageData([view(node) for node in nodes])

    async def pages(*_names: object) -> PageData:
        return page

    return await serve(build_app(pages, without=tuple(Group)), [ListenAddress("127.0.0.1", 0)])


class Watched(NamedTuple):
    """Exporters that were scraped, and the Alertmanager that gets the alerts on them."""

    exporters: list[Server]
    """Those that are alive."""
    alertmanager: Alertmanager

    async def killed(self) -> list[Message]:
        """Kill all exporters, wait until critical alerts have been sent, and return the messages about them."""
        await self.stop()

        async def paged() -> bool:
            await asyncio.sleep(0)
            return any(message.receiver == "pager" for message in self._messages())

        await until("somebody is paged", paged)
        await asyncio.sleep(SETTLED_S)
        return sorted(self._messages())

    async def page(self, alert: str) -> Notification:
        """Return the page about an alert, of which a mail was sent before."""
        calls = [await self.alertmanager.called(alert, "firing") for _ in ("mail", "page")]
        return calls[-1]

    async def stop(self) -> None:
        """Stop all exporters that are alive."""
        while self.exporters:
            await self.exporters.pop().close()

    def _messages(self) -> list[Message]:
        firing = [message for message in self.alertmanager.messages if message.status == "firing"]
        return [message for message in firing if message.alerts & {DOWN, MANY}]


@asynccontextmanager
async def watched(
    home: Path, nodes: Sequence[Sequence[str]], layout: Layout = Layout.ONE_PAGE, replicas: Sequence[str] = ("",)
) -> AsyncIterator[Watched]:
    """Serve exporters with these nodes, and let Prometheus scrape them; with `replicas` there are several."""
    rules = hurried(read(more={"job": JOB})["service"], "1s")
    async with AsyncExitStack() as stack, alerting(home / "alertmanager", WAIT) as alertmanager:
        story = Watched([await exporter(names) for names in nodes], alertmanager)
        stack.push_async_callback(story.stop)
        first, *others = (str(server.addresses[0]) for server in story.exporters)
        for replica in replicas:
            prometheus = Prometheus(
                home / f"prometheus{replica}",
                first,
                rules=rules,
                alertmanager=alertmanager.address,
                discover=layout is Layout.PAGE_A_NODE,
                others=others,
                more=yaml.safe_load(PAIR.replace("replica: a", f"replica: {replica}")) if replica else {},
            )
            stack.push_async_callback(prometheus.stop)
            await prometheus.start()

            async def listed(prometheus: Prometheus = prometheus) -> bool:
                return len(await prometheus.query(LISTED)) == sum(map(len, nodes))

            await until("all nodes are listed", listed)
        yield story


@pytest.mark.parametrize("layout", Layout)
async def test_exporter_of_many_nodes(layout: Layout, tmp_path: Path) -> None:
    """One mail and one page, which names its nodes."""
    async with watched(tmp_path, [NODES], layout) as story:
        (address,) = (str(server.addresses[0]) for server in story.exporters)
        assert await story.killed() == [
            Message("mail", "firing", frozenset({DOWN})),
            Message("pager", "firing", frozenset({DOWN})),
        ]
        call = await story.page(DOWN)
        assert call.annotations["summary"] == f"the payments exporter {address} of 24 nodes is away"
        assert f"held HTLCs of {TEN} and 14 more. When" in call.annotations["description"]


async def test_many_exporters(tmp_path: Path) -> None:
    """One mail and one page about all, and none about a single one."""
    async with watched(tmp_path, [[node] for node in NODES]) as story:
        assert await story.killed() == [
            Message("mail", "firing", frozenset({MANY})),
            Message("pager", "firing", frozenset({MANY})),
        ]
        call = await story.page(MANY)
        assert call.annotations["summary"] == f"{JOB}: 24 exporters or nodes are down at once"
        assert f"24 nodes are down: {TEN} and 14 more." in call.annotations["description"]


(PAIR,) = re.findall(
    r"```yaml\n(.*?)```", (DOCS / "alerts.md").read_text().partition("### A pair of Prometheus servers\n")[2], re.DOTALL
)[:1]


async def test_pair_of_prometheus_servers(tmp_path: Path) -> None:
    """Both scrape the same exporter: each alert is sent once."""
    async with watched(tmp_path, [["alice"]], replicas="ab") as story:
        assert await story.killed() == [
            Message("mail", "firing", frozenset({DOWN})),
            Message("pager", "firing", frozenset({DOWN})),
        ]


def test_example_has_the_pair_as_comments() -> None:
    """The example of Prometheus' configuration has the same lines as the documentation."""
    example = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    comments = {line.strip(" #") for line in example.splitlines() if line.strip().startswith("#")}
    assert {line.strip() for line in PAIR.splitlines() if line.startswith(" ")} - comments == set()
