"""A real Alertmanager with the routes of the example configuration, and the notifications that it sends."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from exporter.rules.generate import generated
from exporter.rules.rule import PREFIX
from exporter.rules.values import Values
from tests.network.build import binaries
from tests.network.process import Program, free_port, until
from tests.stack.webhooks import WebhookServer

SPEED = 60
"""Factor by which `for` and `keep_firing_for` are shortened: a minute becomes a second."""
_BEGAN_BEFORE = re.compile(r"(time\(\) - ALERTS_FOR_STATE{[^}]*} >= )(\d+)")
"""The seconds for which another alert's condition must have held."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Notification(NamedTuple):
    """One alert of one message that Alertmanager sent."""

    receiver: str
    status: str
    """`firing` or `resolved`."""
    labels: dict[str, str]
    annotations: dict[str, str]


class Message(NamedTuple):
    """One message that Alertmanager sent: a page, or a mail."""

    receiver: str
    status: str
    """`firing` or `resolved`."""
    alerts: frozenset[str]
    """The names of its alerts."""


class Alertmanager:
    """A running Alertmanager: its address, and the notifications that it has sent."""

    def __init__(self, address: str) -> None:
        """Remember HOST:PORT; `alerting` starts the server."""
        self.address = address
        self.calls: list[Notification] = []
        """Notifications that `called` hasn't returned yet."""
        self.messages: list[Message] = []

    async def called(self, alert: str, status: str, seconds: float = 60) -> Notification:
        """Wait for a notification of an alert, `firing` or `resolved`; remove and return it."""

        def matching() -> list[Notification]:
            return [call for call in self.calls if (call.labels["alertname"], call.status) == (alert, status)]

        async def notified() -> bool:
            await asyncio.sleep(0)
            return bool(matching())

        received = [(call.labels["alertname"], call.status) for call in self.calls]
        await until(f"{alert} is {status}; received so far: {received}", notified, seconds)
        (call, *_) = matching()
        self.calls.remove(call)
        return call


@asynccontextmanager
async def alerting(home: Path, group_wait: str = "0s") -> AsyncIterator[Alertmanager]:
    """Run an Alertmanager in a new folder, and a web server that receives its notifications, within the block."""
    home.mkdir()
    alertmanager = Alertmanager(f"127.0.0.1:{free_port()}")
    flags = [f"--config.file={home / 'alertmanager.yml'}", f"--storage.path={home / 'data'}"]
    command = [str(binaries() / "alertmanager"), *flags, f"--web.listen-address={alertmanager.address}"]
    program = Program("alertmanager", [*command, "--cluster.listen-address="], home)

    def on_message(receiver: str, status: str, alerts: list[dict[str, str]]) -> None:
        alertmanager.messages.append(Message(receiver, status, frozenset(labels["alertname"] for labels in alerts)))

    def on_alert(*alert: Any) -> None:
        alertmanager.calls.append(Notification(*alert))

    async with WebhookServer(on_alert, on_message) as webhooks:
        config = webhooks.example()
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": group_wait, "group_interval": "1s"}
        (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
        await program.start()

        async def listens() -> bool:
            program.check()
            return "Listening on" in program.log.read_text()

        try:
            await until("Alertmanager listens", listens)
            yield alertmanager
        finally:
            await program.stop()


def hurried(values: Values, interval: str = "2s") -> str:
    """Return the rules of a profile, evaluated every 2 s, with all waiting times divided by `SPEED`.

    Except that of `NothingScraped`: on a busy machine Prometheus takes seconds until its first scrape.
    """
    rules = yaml.safe_load(generated("hurried", values))
    for group in rules["groups"]:
        group["interval"] = interval
        for rule in group["rules"]:
            rule["expr"] = _BEGAN_BEFORE.sub(lambda found: f"{found[1]}{int(found[2]) // SPEED}", rule["expr"])
            if rule.get("alert") == f"{PREFIX}NothingScraped":
                continue
            for name in {"for", "keep_firing_for"} & rule.keys():
                minutes = rule[name]
                rule[name] = f"{int(minutes[:-1]) * _SECONDS[minutes[-1]] // SPEED}s"
    text: str = yaml.safe_dump(rules)
    return text
