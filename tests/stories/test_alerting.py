"""From what happens to a node to the message that somebody gets: real Prometheus and Alertmanager, rules as shipped."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.prometheus.recording import BAD_BY_BAND
from deploy.prometheus.values import read
from exporter.config.addresses import WEBSOCKET
from tests.network.process import until
from tests.stories.alertmanager import Alertmanager, Called, alerting, hurried
from tests.stories.lab import Lab
from tests.stories.page import total
from tests.stories.process import exporting, ways
from tests.stories.prometheus import JOB, Prometheus
from tests.stories.world import World

pytestmark = pytest.mark.usefixtures("programs")

ENOUGH = 24
"""Payments, for an outage: at least 20."""


class Watch(NamedTuple):
    """A node, and those who watch it."""

    alice: Lab
    world: World
    telephone: Alertmanager

    async def pages(self, alert: str, summary: str, receiver: str = "pager") -> Called:
        """Somebody is called, with the right words, and a way to the cause."""
        call = await self.telephone.called(f"LndPayments{alert}", "firing")
        assert (call.receiver, call.labels["node"]) == (receiver, "alice")
        assert call.annotations["summary"] == f"alice: {summary}"
        assert call.annotations["runbook_url"].endswith(f"/LndPayments{alert}.md")
        assert "/d/lnd-payments-" in call.annotations["dashboard_url"]
        return call

    async def is_over(self, alert: str) -> None:
        """And is told when it is over."""
        await self.telephone.called(f"LndPayments{alert}", "resolved", 90)


@pytest.fixture
async def watch(world: World, tmp_path: Path) -> AsyncIterator[Watch]:
    """The profile of a service, in a hurry; HTLCs are held after 3 s."""
    values = read(more={"job": JOB})["service"]
    async with (
        exporting(ways(world.alice, WEBSOCKET), tmp_path / "exporter", held_s=3) as exporter,
        alerting(tmp_path / "alertmanager") as telephone,
        AsyncExitStack() as stack,
    ):
        ours = World(world.kind, {"alice": world.alice}, exporter.target, exporter.log)
        await ours.live("alice")
        prometheus = Prometheus(
            tmp_path / "prometheus", exporter.target, rules=hurried(values), alertmanager=telephone.address
        )
        stack.push_async_callback(prometheus.stop)
        await prometheus.start()
        await telephone.called("LndPaymentsWatchdog", "firing")

        async def counts() -> bool:
            return bool(await prometheus.query(f"{BAD_BY_BAND} == 0"))

        await until("the sums begin at 0", counts)
        yield Watch(world.alice, ours, telephone)


async def test_a_node_that_goes_away(watch: Watch) -> None:
    """Stopped, then locked, then its macaroon is revoked: each has words of its own, and each is over in the end."""
    alice = watch.alice
    await alice.stop()
    await watch.pages("NodeUnreachable", "lnd can't be reached")
    await alice.lock()
    await watch.pages("WalletLocked", "the wallet of lnd is locked")
    await alice.unlock()
    await watch.is_over("WalletLocked")
    await alice.revoke_macaroon()
    await alice.stop()
    await alice.start()
    await watch.pages("AccessDenied", "lnd refuses the exporter's macaroon")
    await alice.bake_macaroon()
    await watch.is_over("AccessDenied")
    await watch.world.live("alice")


async def test_a_held_payment_of_a_node_that_goes_away(watch: Watch) -> None:
    """What is said of HTLCs is said whether the node is there or not, and is over when the HTLC is."""
    alice = watch.alice
    invoice = await alice.invoice(6_000, at="bob", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=3600)
    await sending.held()
    call = await watch.telephone.called("LndPaymentsHtlcNearExpiry", "firing")
    assert call.receiver == {"warning": "mail", "critical": "pager"}[call.labels["severity"]]
    assert call.annotations["summary"].startswith("alice: an HTLC expires in ")
    await alice.stop()
    await watch.pages("NodeUnreachable", "lnd can't be reached")
    assert ("LndPaymentsHtlcNearExpiry", "resolved") not in {
        (call.labels["alertname"], call.status) for call in watch.telephone.calls
    }
    await alice.start()
    await watch.is_over("NodeUnreachable")
    await alice.cancel(invoice)
    await sending.ended()
    await watch.is_over("HtlcNearExpiry")


async def test_payments_that_fail(watch: Watch) -> None:
    """All peers go offline: everybody is told that payments fail, how many and why; and when they arrive again."""
    alice, world = watch.alice, watch.world
    await alice.disconnect("bob", "carol")
    try:
        for _ in range(ENOUGH):
            await alice.pay(await alice.invoice(6_000, at="bob"))
        await watch.pages("Outage", "100% of payments fail")
        await watch.pages("OwnLiquidity", "100% of failed payments fail for lack of own outbound balance", "mail")
    finally:
        await alice.connect()
    for _ in range(ENOUGH):
        await alice.pay(await alice.invoice(6_000, at="bob"), via="bob")
    await watch.is_over("Outage")
    page = await world.settled("alice", 2 * ENOUGH)
    assert total(page, "alice", "failed_by_cause_total", cause="own_liquidity") == ENOUGH
    assert total(page, "alice", "succeeded_total") == ENOUGH
