"""A target label `node`, as in many clusters, hides the names of nodes: the documented fixes in a real Prometheus."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import ListenAddress
from exporter.metrics import landing
from exporter.page import PageData
from exporter.rules.away import LISTED
from exporter.rules.values import read
from exporter.web.server import build_app, serve
from tests.metrics import scene
from tests.stories.alertmanager import hurried
from tests.stories.prometheus import JOB, Prometheus

pytestmark = pytest.mark.usefixtures("programs")

DOCS = Path(__file__).parents[2] / "docs"
SECTION = (DOCS / "alerts.md").read_text().partition("### The label `node`\n")[2].partition("\n## ")[0]
SCRAPE, POD_MONITOR = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL))
(CHECK,) = re.findall(r"```promql\n(.*?)```", SECTION, re.DOTALL)
MACHINE = "k8s-worker-1"
NODES = ["alice", "bob"]
FIRING = 'ALERTS{alertname="LndPaymentsNodeLabelTaken",alertstate="firing"}'


async def _two_nodes() -> PageData:
    return PageData([scene.populated(name) for name in NODES])


@asynccontextmanager
async def scraped(home: Path, job: Mapping[str, Any]) -> AsyncIterator[Prometheus]:
    """Run an exporter of two nodes, and a Prometheus that has scraped it."""
    server = await serve(build_app(_two_nodes), [ListenAddress("127.0.0.1", 0)])
    rules = hurried(read(more={"job": JOB})["service"])
    prometheus = Prometheus(
        home / "prometheus", str(server.addresses[0]), rules=rules, labels={"node": MACHINE}, job=job
    )
    try:
        await prometheus.start()
        yield prometheus
    finally:
        await prometheus.stop()
        await server.close()


async def labels(prometheus: Prometheus, query: str, label: str = "node") -> list[str]:
    """Return the values of a label in the result of a query."""
    return sorted({sample.labels.get(label, "") for sample in await prometheus.query(query)})


async def test_target_label_hides_the_nodes(tmp_path: Path) -> None:
    """The queries of the docs and the landing page find it, one alert fires, and no rule sees a node."""
    async with scraped(tmp_path, {}) as prometheus:
        assert await labels(prometheus, CHECK, "exported_node") == NODES
        assert await labels(prometheus, CHECK) == [MACHINE]
        page = landing.render_page([], "/metrics")
        on_page = re.search(r"<code>(lnd_payments_[^<]*)</code>", page)
        assert on_page is not None
        assert await labels(prometheus, on_page[1].replace("&quot;", '"'), "exported_node") == NODES

        await prometheus.rule_errors()
        (alert,) = await prometheus.query(FIRING)
        assert (alert.labels["severity"], "node" in alert.labels) == ("warning", False)
        assert await labels(prometheus, LISTED) == [MACHINE]


RELABELLED = SCRAPE["scrape_configs"][0]
POD = {
    "relabel_configs": [
        {re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), key): value for key, value in step.items()}
        for step in POD_MONITOR["spec"]["podMetricsEndpoints"][0]["relabelings"]
        if step.get("targetLabel") != "job"
    ]
}  # as the Prometheus Operator writes it


@pytest.mark.parametrize("job", [RELABELLED, POD, {"honor_labels": True}], ids=["relabelled", "PodMonitor", "honoured"])
async def test_documented_fixes(tmp_path: Path, job: Mapping[str, Any]) -> None:
    """The query finds nothing any more, every rule sees both nodes, and the machine's label is kept."""
    async with scraped(tmp_path, job) as prometheus:
        assert await prometheus.rule_errors() == []
        assert await prometheus.query(CHECK) == []
        assert await labels(prometheus, LISTED) == NODES
        assert await prometheus.query(FIRING) == []
        if "relabel_configs" in job:
            assert await labels(prometheus, "up") == [""]
            assert await labels(prometheus, "{__name__!=''}", "kubernetes_node") == ["", MACHINE], "rules have none"
            assert await labels(prometheus, "lnd_payments_node_up", "kubernetes_node") == [MACHINE]
        else:
            assert await labels(prometheus, "up") == [MACHINE]
