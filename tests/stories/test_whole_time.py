"""After all other stories: what must have held all the time, and a comparison with lnd's own database."""

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
    """Return the numbers of ended payments in the node's own database, by reason or as `succeeded`."""
    return Counter(
        SUCCEEDED if payment.status is Status.SUCCEEDED else payment.reason.value
        for payment in await lab.list_payments()
        if payment.status.ended
    )


def counted(page: Page, name: str) -> Counter[str]:
    """Return the same numbers from the page."""
    tally: Counter[str] = Counter()
    for series, value in page[name].items():
        if series.name == "succeeded_total":
            tally[SUCCEEDED] += int(value)
        if series.name == "failed_total":
            tally[dict(series.labels)["reason"]] += int(value)
    return +tally


async def final_page(world: World) -> Page:
    """Wait until both nodes are followed over each transport and nothing is in flight or on hold; return the page."""

    def nothing(page: Page) -> bool:
        nodes = [(view, name) for view in views(page) for name in world.labs]
        return all(total(*node, "stream_up") == 1 and not total(*node, "in_flight") for node in nodes)

    return await world.until(nothing, "nothing is in flight")


async def test_storm(world: World) -> None:
    """It began before the first story; here its result is checked."""
    assert world.storm is not None
    await world.storm


async def test_counters_equal_the_nodes_database(world: World) -> None:
    """They agree by status and reason, if runs that lnd has erased are added to its database."""
    erased = Counter({reason.value: number for reason, number in world.erased.items()})
    for page in views(await final_page(world)):
        assert counted(page, "alice") == await listed(world.alice) + erased
        assert counted(page, "carol") == await listed(world.labs["carol"])


@pytest.mark.network
@pytest.mark.parametrize("labs", ["real"], indirect=True)
async def test_counters_equal_lncli(world: World) -> None:
    """The same with `lncli listpayments --include_incomplete`."""
    alice = world.alice
    assert isinstance(alice, RealLab)
    command = ["listpayments", "--include_incomplete", "--max_payments=100000"]  # the default is 100
    answer = await run([*alice.node.lncli(), *command], alice.node.home)
    in_lnd = Counter(
        SUCCEEDED
        if payment["status"] == "SUCCEEDED"
        else payment["failure_reason"].removeprefix("FAILURE_REASON_").lower()
        for payment in json.loads(answer)["payments"]
    )
    erased = Counter({reason.value: number for reason, number in world.erased.items()})
    for page in views(await final_page(world)):
        assert counted(page, "alice") == in_lnd + erased


@pytest.mark.network
@pytest.mark.parametrize("labs", ["real"], indirect=True)
async def test_prometheus_has_no_errors(world: World) -> None:
    """Every scrape succeeded, both laws held at each of them, no counter decreased, and promtool finds nothing."""
    assert world.prometheus is not None
    await world.prometheus.next_scrape()
    assert await world.prometheus.scrape_errors() == []
    assert await world.prometheus.broken_laws() == []
    assert await world.prometheus.fallen_counters() == []
    assert await world.prometheus.check_metrics(await world.text()) == ""
