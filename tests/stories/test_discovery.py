"""Prometheus discovers the nodes of an exporter by `/sd`, and scrapes a page a node."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.config.addresses import GRPC, REST
from exporter.payments.labels import Status
from exporter.rules.away import LISTED
from exporter.rules.values import read
from tests.network.build import binaries
from tests.network.process import run, until
from tests.stories.alertmanager import hurried
from tests.stories.page import total
from tests.stories.process import Exporter, node_configs
from tests.stories.prometheus import JOB, Prometheus
from tests.stories.simulated import SimulatedLab
from tests.stories.world import World

pytestmark = pytest.mark.usefixtures("programs")

ODD = "hjärta:名/a@b.c-d"
"""The name of alice over REST: with characters of every kind that a name may have."""
DOWN = "LndPaymentsExporterDown"


class Discovered(NamedTuple):
    """An exporter of two nodes, and the Prometheus that discovers them."""

    exporter: Exporter
    prometheus: Prometheus
    world: World

    async def sees(self, promql: str, wanted: Mapping[str, float], label: str = "node") -> None:
        """Wait until the result of a query has these values, by a label."""
        found: dict[str, float] = {}

        async def right() -> bool:
            nonlocal found
            found = {one.labels.get(label, ""): one.value for one in await self.prometheus.query(promql)}
            return found == wanted

        await until(f"{promql} is {wanted}", right)


@pytest.fixture
async def discovered(simulated_labs: Mapping[str, SimulatedLab], tmp_path: Path) -> AsyncIterator[Discovered]:
    """Return an exporter that follows alice twice, and a Prometheus with rules that has scraped all its pages."""
    alice = simulated_labs["alice"]
    grpc, rest = node_configs(alice, GRPC, REST)
    exporter = Exporter([grpc, replace(rest, name=ODD)], tmp_path / "exporter")
    rules = hurried(read(more={"job": JOB})["service"])
    async with AsyncExitStack() as stack:
        await exporter.start()
        stack.push_async_callback(exporter.stop)
        prometheus = Prometheus(tmp_path / "prometheus", exporter.target, rules=rules, discover=True)
        stack.push_async_callback(prometheus.stop)
        await prometheus.start()
        story = Discovered(exporter, prometheus, World("simulator", {"alice": alice}, exporter.target, exporter.log))
        for node in ("alice", ODD):
            await story.world.followed(node)
        await story.sees("up == 1", dict.fromkeys(instances(exporter), 1), "instance")
        yield story


def instances(exporter: Exporter) -> list[str]:
    """Return the instance of each target."""
    return [exporter.target, f"{exporter.target}/alice", f"{exporter.target}/{ODD}"]


async def test_every_node_and_the_exporter_are_targets(discovered: Discovered) -> None:
    """Each series is scraped once: those of a node with its page, those of the exporter with its own."""
    exporter, prometheus, world = discovered
    alice = world.alice
    payments = [await alice.pay(await alice.invoice(2_000, at="bob")) for _ in range(3)]
    for payment in payments:
        assert (await payment.ended()).status is Status.SUCCEEDED
    page = await world.counted("alice", 3)
    assert total(page, "alice", "succeeded_total") == 3
    await discovered.sees("sum by (node) (lnd_payments_succeeded_total)", {"alice": 3, ODD: 3})
    assert await prometheus.broken_laws() == []
    assert await prometheus.fallen_counters() == []
    assert await prometheus.scrape_errors() == []
    assert await prometheus.rule_errors() == []
    wanted = {
        "process_start_time_seconds": [(exporter.target, "")],
        "lnd_payments_exporter_build_info": [(exporter.target, "")],
        "lnd_payments_node_up": [(f"{exporter.target}/{node}", node) for node in ("alice", ODD)],
    }
    for name, found in wanted.items():
        labels = [one.labels for one in await prometheus.query(name)]
        assert sorted((one["instance"], one.get("node", "")) for one in labels) == sorted(found)
        assert {one["exporter"] for one in labels} == {exporter.target}


async def test_promtool_finds_the_targets(discovered: Discovered) -> None:
    """`promtool check service-discovery` shows the same targets as Prometheus."""
    promtool = str(binaries() / "promtool")
    assert "SUCCESS" in await run([promtool, "check", "config", str(discovered.prometheus.config)], Path.cwd())
    command = [promtool, "check", "service-discovery", "--timeout=5s", str(discovered.prometheus.config), JOB]
    answer = await run(command, Path.cwd())
    targets = json.loads(answer[answer.index("[") :])
    assert sorted(target["labels"]["instance"] for target in targets) == sorted(instances(discovered.exporter))


async def test_exporter_that_is_away_is_one_alert(discovered: Discovered) -> None:
    """It says how many nodes it has, and ends when the exporter is back, without one of them."""
    exporter, prometheus, _ = discovered
    await discovered.sees(LISTED, {"alice": 1, ODD: 1})
    await exporter.kill()

    async def fires() -> bool:
        return bool(await prometheus.alerts(DOWN))

    await until("the alert fires", fires)
    alerts = await prometheus.alerts(DOWN)
    assert {(alert["labels"]["instance"], alert["labels"].get("node")) for alert in alerts} == {(exporter.target, None)}
    (summary,) = {alert["annotations"]["summary"] for alert in alerts}
    assert summary == f"the payments exporter {exporter.target} of 2 nodes is away"
    assert "The exporter itself answers" not in alerts[0]["annotations"]["description"]

    exporter.configure(node_configs(discovered.world.alice, GRPC))
    await exporter.start()
    await discovered.sees("up == 1", dict.fromkeys(instances(exporter)[:2], 1), "instance")
    await discovered.sees(f"last_over_time({LISTED}[1h])", {"alice": 1, ODD: 0})
    await until("the alert is over", lambda: _over(prometheus))
    assert await prometheus.alerts(DOWN) == []


async def _over(prometheus: Prometheus) -> bool:
    return not await prometheus.alerts(DOWN)
