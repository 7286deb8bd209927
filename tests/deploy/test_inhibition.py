"""Which alert inhibits which others: every pair, in a real Alertmanager with the example configuration."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.prometheus.rule import PREFIX
from deploy.prometheus.values import read
from tests.deploy.test_deploy import alerts
from tests.incidents.named import EVERYTHING
from tests.network.process import NotReady, until
from tests.stories.alertmanager import Alertmanager, alerting

pytestmark = pytest.mark.usefixtures("programs")

NAMES = frozenset(alert.name for values in read(more=EVERYTHING).values() for alert in alerts(values))
AWAY = {"NodeUnreachable", "WalletLocked", "AccessDenied", "WrongNode", "StartingForLong"}
MONEY = {"HtlcNearExpiry", "HtlcExpired", "LateSuccess", "Outflow", "FeeBudget"}
"""Never inhibited by a node that is down: past problems remain, and an attacker may stop the node."""
OF_ITS_OWN = {
    "ExporterDown",
    "StateReset",
    "CheckpointFails",
    "ReloadFailed",
    "CertificateExpires",
    "NodeLabelTaken",
    "Watchdog",
}
INHIBITED = {
    **dict.fromkeys(AWAY, NAMES - AWAY - MONEY - OF_ITS_OWN),
    "Outage": {"FailFast", "FailSlowly", "ErrorBudget", "QuietNodeFails", "PeerFails", "Slow"},
    "FailFast": {"FailSlowly", "ErrorBudget", "PeerFails"},
    "FailSlowly": {"ErrorBudget"},
    "NoActiveChannel": {"OwnLiquidity", "OwnChannel", "PeerFails", "QuietNodeFails", "LiquidityRunsOut"},
    "OwnLiquidity": {"PeerFails", "LiquidityRunsOut"},
    "BalanceInactive": {"LiquidityRunsOut"},
    "OwnChannel": {"PeerFails"},
    "AuditUnaccounted": {"StreamLies"},
}
"""Alerts that each alert inhibits, besides its own warning."""


async def test_which_alert_inhibits_which(tmp_path: Path) -> None:
    """Each pair has a node of its own, so that inhibition across nodes would fail the test, too."""
    pairs = [(one, other) for one in sorted(NAMES) for other in sorted(NAMES)]
    async with alerting(tmp_path / "alertmanager") as alertmanager:
        await send(alertmanager, [alert for pair in pairs for alert in pair_of_alerts(*pair)])
        found: dict[str, set[str]] = {}
        wanted = {one: {one} | INHIBITED.get(one, set()) for one in NAMES}

        async def all_seen() -> bool:
            nonlocal found
            nodes = await inhibited(alertmanager)
            found = {one: {other for other in NAMES if f"{one} {other}" in nodes} for one in NAMES}
            return found == wanted

        with suppress(NotReady):
            await until("Alertmanager has seen them all", all_seen)
    assert found == wanted


def pair_of_alerts(one: str, other: str) -> list[dict[str, Any]]:
    """Return two alerts of a node, the first critical."""
    labels = {"job": "lnd-payments", "instance": "localhost:10019", "node": f"{one} {other}"}
    return [
        {"labels": labels | {"alertname": f"{PREFIX}{name}", "severity": severity}}
        for name, severity in ((one, "critical"), (other, "warning"))
    ]


async def send(alertmanager: Alertmanager, alerts: Sequence[dict[str, Any]]) -> None:
    """Send alerts to Alertmanager, as Prometheus does."""
    url = f"http://{alertmanager.address}/api/v2/alerts"
    async with aiohttp.ClientSession() as session, session.post(url, json=alerts) as answer:
        assert answer.status == 200, await answer.text()


async def inhibited(alertmanager: Alertmanager) -> set[str]:
    """Return the nodes whose warning is inhibited."""
    url = f"http://{alertmanager.address}/api/v2/alerts"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        alerts_of_alertmanager = await answer.json()
    warnings = [alert for alert in alerts_of_alertmanager if alert["labels"]["severity"] == "warning"]
    return {alert["labels"]["node"] for alert in warnings if alert["status"]["inhibitedBy"]}
