"""From an event at a node to a notification: real Prometheus and Alertmanager, with the rules of `deploy/`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.config.addresses import WEBSOCKET
from exporter.rules.recording import BAD_BY_BAND
from exporter.rules.values import read
from tests.network.process import until
from tests.stories.alertmanager import Alertmanager, alerting, hurried
from tests.stories.lab import Lab
from tests.stories.page import total
from tests.stories.process import exporting, node_configs
from tests.stories.prometheus import JOB, Prometheus
from tests.stories.world import World

pytestmark = pytest.mark.usefixtures("programs")

PAYMENTS = 24
"""More than the 20 payments that the alert on an outage requires."""


class Monitoring(NamedTuple):
    """A node, and the programs that monitor it."""

    alice: Lab
    world: World
    alertmanager: Alertmanager

    async def fires(self, alert: str, summary: str, receiver: str = "pager") -> None:
        """Wait until the alert is sent; check its receiver, summary and links."""
        call = await self.alertmanager.called(f"LndPayments{alert}", "firing")
        assert (call.receiver, call.labels["node"]) == (receiver, "alice")
        assert call.annotations["summary"] == f"alice: {summary}"
        assert call.annotations["runbook_url"].endswith(f"/LndPayments{alert}.md")
        assert "/d/lnd-payments-" in call.annotations["dashboard_url"]

    async def resolves(self, alert: str) -> None:
        """Wait until it is sent that the alert has resolved."""
        await self.alertmanager.called(f"LndPayments{alert}", "resolved", 90)


@pytest.fixture
async def monitoring(world: World, tmp_path: Path) -> AsyncIterator[Monitoring]:
    """Return alice with the alerts of the profile `service`, sped up; HTLCs are held after 3 s."""
    values = read(more={"job": JOB})["service"]
    async with (
        exporting(node_configs(world.alice, WEBSOCKET), tmp_path / "exporter", held_s=3) as exporter,
        alerting(tmp_path / "alertmanager") as alertmanager,
        AsyncExitStack() as stack,
    ):
        second = World(world.kind, {"alice": world.alice}, exporter.target, exporter.log)
        await second.followed("alice")
        prometheus = Prometheus(
            tmp_path / "prometheus", exporter.target, rules=hurried(values), alertmanager=alertmanager.address
        )
        stack.push_async_callback(prometheus.stop)
        await prometheus.start()
        await alertmanager.called("LndPaymentsWatchdog", "firing")

        async def recorded() -> bool:
            return bool(await prometheus.query(f"{BAD_BY_BAND} == 0"))

        await until("the recorded sums begin at 0", recorded)
        yield Monitoring(world.alice, second, alertmanager)


async def test_node_that_is_stopped_locked_and_denied(monitoring: Monitoring) -> None:
    """Each state has its own alert, which resolves when the state is over."""
    alice = monitoring.alice
    await alice.stop()
    await monitoring.fires("NodeUnreachable", "lnd can't be reached")
    await alice.lock()
    await monitoring.fires("WalletLocked", "the wallet of lnd is locked")
    await alice.unlock()
    await monitoring.resolves("WalletLocked")
    await alice.revoke_macaroon()
    await alice.stop()
    await alice.start()
    await monitoring.fires("AccessDenied", "lnd refuses the exporter's macaroon")
    await alice.bake_macaroon()
    await monitoring.resolves("AccessDenied")
    await monitoring.world.followed("alice")


async def test_alert_on_a_held_htlc_stays_while_the_node_is_away(monitoring: Monitoring) -> None:
    """It resolves when the HTLC has resolved."""
    alice = monitoring.alice
    invoice = await alice.invoice(6_000, at="bob", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=3600)
    await sending.held()
    call = await monitoring.alertmanager.called("LndPaymentsHtlcNearExpiry", "firing")
    assert call.receiver == {"warning": "mail", "critical": "pager"}[call.labels["severity"]]
    assert call.annotations["summary"].startswith("alice: an HTLC expires in ")
    await alice.stop()
    await monitoring.fires("NodeUnreachable", "lnd can't be reached")
    assert ("LndPaymentsHtlcNearExpiry", "resolved") not in {
        (call.labels["alertname"], call.status) for call in monitoring.alertmanager.calls
    }
    await alice.start()
    await monitoring.resolves("NodeUnreachable")
    await alice.cancel(invoice)
    await sending.ended()
    await monitoring.resolves("HtlcNearExpiry")


async def test_outage_by_offline_peers(monitoring: Monitoring) -> None:
    """The alerts have the failure rate and the cause; they resolve when payments succeed again."""
    alice, world = monitoring.alice, monitoring.world
    await alice.disconnect("bob", "carol")
    try:
        for _ in range(PAYMENTS):
            await alice.pay(await alice.invoice(6_000, at="bob"))
        await monitoring.fires("Outage", "100% of payments fail")
        await monitoring.fires("OwnLiquidity", "100% of failed payments fail for lack of own outbound balance", "mail")
    finally:
        await alice.connect()
    for _ in range(PAYMENTS):
        await alice.pay(await alice.invoice(6_000, at="bob"), via="bob")
    await monitoring.resolves("Outage")
    page = await world.counted("alice", 2 * PAYMENTS)
    assert total(page, "alice", "failed_by_cause_total", cause="own_liquidity") == PAYMENTS
    assert total(page, "alice", "succeeded_total") == PAYMENTS
