"""Which alert inhibits which others: every pair, in a real Alertmanager with the example configuration."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from exporter.rules.rule import PREFIX
from exporter.rules.values import read
from tests.deploy.test_deploy import alerts
from tests.incidents.named import EVERYTHING
from tests.network.process import NotReady, until
from tests.stories.alertmanager import Alertmanager, alerting

pytestmark = pytest.mark.usefixtures("programs")

SINGLE = {"ExporterDown", "NodeUnreachable", "WalletLocked", "AccessDenied", "WrongNode"}
OF_A_JOB = {"ManyNodesDown", "NothingScraped"}
"""Alerts without the labels `instance` and `node`."""
NAMES = frozenset(alert.name for values in read(more=EVERYTHING).values() for alert in alerts(values))
AWAY = {"NodeUnreachable", "WalletLocked", "AccessDenied", "WrongNode", "StartingForLong"}
MONEY = {"HtlcNearExpiry", "HtlcExpired", "LateSuccess", "Outflow", "FeeBudget"}
"""Never inhibited by a node that is down: past problems remain, and an attacker may stop the node."""
OF_ITS_OWN = {
    "ExporterDown",
    "ManyNodesDown",
    "NothingScraped",
    "StateReset",
    "CheckpointFails",
    "ReloadFailed",
    "CertificateExpires",
    "NodeLabelTaken",
    "Watchdog",
}
INHIBITED = {
    **dict.fromkeys(AWAY, NAMES - AWAY - MONEY - OF_ITS_OWN),
    "ManyNodesDown": SINGLE,
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
            pairs = await inhibited(alertmanager)
            found = {one: {other for other in NAMES if f"{one} {other}" in pairs} for one in NAMES}
            return found == wanted

        with suppress(NotReady):
            await until("Alertmanager has seen them all", all_seen)
    assert found == wanted


def pair_of_alerts(one: str, other: str) -> list[dict[str, Any]]:
    """Return two alerts of a node, the first critical; if one of them is of a job, in a job of their own."""
    job = f"{one} {other}" if {one, other} & OF_A_JOB else "lnd-payments"
    return [alert(name, severity, f"{one} {other}", job) for name, severity in ((one, "critical"), (other, "warning"))]


def alert(name: str, severity: str, node: str, job: str = "lnd-payments") -> dict[str, Any]:
    """Return an alert, with the labels that it has."""
    labels = {"alertname": f"{PREFIX}{name}", "severity": severity, "job": job}
    return {"labels": labels | ({} if name in OF_A_JOB else {"instance": "localhost:10019", "node": node})}


async def test_many_that_are_only_a_warning(tmp_path: Path) -> None:
    """They inhibit the warnings of single nodes of the same job, and nothing that is critical."""
    async with alerting(tmp_path / "alertmanager") as alertmanager:
        single = [
            alert(name, severity, f"{name} {severity}") for name in SINGLE for severity in ("critical", "warning")
        ]
        elsewhere = [alert(name, "warning", f"{name} elsewhere", "another") for name in SINGLE]
        held = [alert("HtlcNearExpiry", severity, f"held {severity}") for severity in ("critical", "warning")]
        await send(alertmanager, [alert("ManyNodesDown", "warning", ""), *single, *elsewhere, *held])
        wanted = {f"{name} warning" for name in SINGLE}

        async def all_seen() -> bool:
            return await inhibited(alertmanager) >= wanted

        await until("Alertmanager has seen them all", all_seen)
        assert await inhibited(alertmanager) == wanted
        assert await inhibited(alertmanager, "critical") == set()


async def test_troubles_of_an_exporter(tmp_path: Path) -> None:
    """A critical trouble inhibits only the warning of the same trouble, and the audit inhibits StreamLies."""

    def trouble(name: str, severity: str, node: str) -> dict[str, Any]:
        of_it = alert("ExporterTrouble", severity, node)
        return of_it | {"labels": of_it["labels"] | {"trouble": name}}

    async with alerting(tmp_path / "alertmanager") as alertmanager:
        await send(
            alertmanager,
            [
                trouble("CheckpointFails", "critical", "another"),
                trouble("StateReset", "warning", "another"),
                trouble("CheckpointFails", "critical", "same"),
                trouble("CheckpointFails", "warning", "same"),
                trouble("AuditUnaccounted", "warning", "audit"),
                trouble("StreamLies", "warning", "audit"),
                trouble("AuditUnaccounted", "warning", "unrelated"),
                trouble("CatchUpLong", "warning", "unrelated"),
            ],
        )

        async def all_seen() -> bool:
            return await inhibited(alertmanager) >= {"same", "audit"}

        await until("Alertmanager has seen them all", all_seen)
        assert await inhibited(alertmanager) == {"same", "audit"}


async def test_node_that_is_away_is_a_trouble_of_the_exporter(tmp_path: Path) -> None:
    """As under its own name it inhibits what follows from it, and is inhibited if many are down; others are not."""

    def trouble(name: str, severity: str, node: str, job: str) -> dict[str, Any]:
        of_it = alert("ExporterTrouble", severity, node, job)
        return of_it | {"labels": of_it["labels"] | {"trouble": name}}

    follows = ("NoActiveChannel", "Stuck", "LateSuccess")
    async with alerting(tmp_path / "alertmanager") as alertmanager:
        await send(
            alertmanager,
            [
                *(
                    sent
                    for job, node in (
                        ("AccessDenied", "denied"),
                        ("WrongNode", "wrong"),
                        ("NotFollowing", "unfollowed"),
                    )
                    for sent in (
                        trouble(job, "critical", node, job),
                        *(alert(name, "warning", node, job) | {"annotations": {"name": name}} for name in follows),
                    )
                ),
                alert("ManyNodesDown", "critical", "", "many"),
                trouble("AccessDenied", "warning", "denied of many", "many"),
                trouble("CheckpointFails", "warning", "disk of many", "many"),
            ],
        )
        wanted = {"denied", "wrong", "denied of many"}

        async def all_seen() -> bool:
            return await inhibited(alertmanager) >= wanted

        await until("Alertmanager has seen them all", all_seen)
        assert await inhibited(alertmanager) == wanted


async def send(alertmanager: Alertmanager, alerts: Sequence[dict[str, Any]]) -> None:
    """Send alerts to Alertmanager, as Prometheus does."""
    url = f"http://{alertmanager.address}/api/v2/alerts"
    async with aiohttp.ClientSession() as session, session.post(url, json=alerts) as answer:
        assert answer.status == 200, await answer.text()


async def inhibited(alertmanager: Alertmanager, severity: str = "warning") -> set[str]:
    """Return the nodes whose warning is inhibited, or whose alert of another severity; the job, if it has no node."""
    url = f"http://{alertmanager.address}/api/v2/alerts"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        alerts_of_alertmanager = await answer.json()
    muted = [alert["labels"] for alert in alerts_of_alertmanager if alert["status"]["inhibitedBy"]]
    return {labels.get("node", labels["job"]) for labels in muted if labels["severity"] == severity}
