"""After all other stories: what must have held all the time, and what lnd's own database says."""

import json
from collections import Counter

import pytest

from exporter.payments.labels import Status
from tests.network.process import run
from tests.stories.lab import Lab
from tests.stories.page import Page, total
from tests.stories.real import RealLab
from tests.stories.world import World, views

SUCCEEDED = "succeeded"


async def listed(lab: Lab) -> Counter[str]:
    """Payments that are over, by reason or as succeeded, as the node's own database has them."""
    return Counter(
        SUCCEEDED if payment.status is Status.SUCCEEDED else payment.reason.value
        for payment in await lab.list_payments()
        if payment.status.ended
    )


def counted(page: Page, name: str) -> Counter[str]:
    """The same from the page."""
    tally: Counter[str] = Counter()
    for series, value in page[name].items():
        if series.name == "succeeded_total":
            tally[SUCCEEDED] += int(value)
        if series.name == "failed_total":
            tally[dict(series.labels)["reason"]] += int(value)
    return +tally


async def over(world: World) -> Page:
    """The page once every view follows both nodes and has nothing in flight: what ended just now isn't counted yet."""

    def nothing(page: Page) -> bool:
        nodes = [(view, name) for view in views(page) for name in world.labs]
        return all(total(*node, "stream_up") == 1 and not total(*node, "in_flight") for node in nodes)

    return await world.until(nothing, "nothing is in flight")


async def test_storm(world: World) -> None:
    """One payment, dozens of attempts, parts held by the recipient for two minutes. It began with the first story."""
    assert world.storm is not None
    await world.storm


async def test_the_nodes_own_database_agrees(world: World) -> None:
    """Status by status and reason by reason, plus only what lnd itself has erased meanwhile."""
    erased = Counter({reason.value: number for reason, number in world.erased.items()})
    for page in views(await over(world)):
        assert counted(page, "alice") == await listed(world.alice) + erased
        assert counted(page, "carol") == await listed(world.labs["carol"])


@pytest.mark.network
@pytest.mark.parametrize("labs", ["real"], indirect=True)
async def test_lncli_agrees(world: World) -> None:
    """The same as a person would look it up: `lncli listpayments --include_incomplete`."""
    alice = world.alice
    assert isinstance(alice, RealLab)
    listing = ["listpayments", "--include_incomplete", "--max_payments=1000"]  # else it shows a hundred
    answer = await run([*alice.node.lncli(), *listing], alice.node.home)
    told = Counter(
        SUCCEEDED
        if payment["status"] == "SUCCEEDED"
        else payment["failure_reason"].removeprefix("FAILURE_REASON_").lower()
        for payment in json.loads(answer)["payments"]
    )
    erased = Counter({reason.value: number for reason, number in world.erased.items()})
    for page in views(await over(world)):
        assert counted(page, "alice") == told + erased


@pytest.mark.network
@pytest.mark.parametrize("labs", ["real"], indirect=True)
async def test_prometheus_saw_no_error(world: World) -> None:
    """Every scrape succeeded, both laws held at each of them, no counter ever fell, and promtool finds no fault."""
    assert world.prometheus is not None
    await world.prometheus.next_scrape()
    assert await world.prometheus.scrape_errors() == []
    assert await world.prometheus.broken_laws() == []
    assert await world.prometheus.fallen_counters() == []
    assert await world.prometheus.check_metrics(await world.text()) == ""
