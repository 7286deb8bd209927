"""A real Alertmanager with the routes of the example configuration, and the notifications that it sends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

from deploy.prometheus.generate import generated
from deploy.prometheus.values import Values
from tests.network.build import binaries
from tests.network.process import Program, free_port, until
from tests.stack.webhooks import WebhookServer

SPEED = 60
"""Factor by which `for` and `keep_firing_for` are shortened: a minute becomes a second."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Notification(NamedTuple):
    """One alert of one message that Alertmanager sent."""

    receiver: str
    status: str
    """`firing` or `resolved`."""
    labels: dict[str, str]
    annotations: dict[str, str]


class Alertmanager:
    """A running Alertmanager: its address, and the notifications that it has sent."""

    def __init__(self, address: str) -> None:
        """Remember HOST:PORT; `alerting` starts the server."""
        self.address = address
        self.calls: list[Notification] = []
        """Notifications that `called` hasn't returned yet."""

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
async def alerting(home: Path) -> AsyncIterator[Alertmanager]:
    """Run an Alertmanager in a new folder, and a web server that receives its notifications, within the block."""
    home.mkdir()
    alertmanager = Alertmanager(f"127.0.0.1:{free_port()}")
    flags = [f"--config.file={home / 'alertmanager.yml'}", f"--storage.path={home / 'data'}"]
    command = [str(binaries() / "alertmanager"), *flags, f"--web.listen-address={alertmanager.address}"]
    program = Program("alertmanager", [*command, "--cluster.listen-address="], home)
    async with WebhookServer(lambda *alert: alertmanager.calls.append(Notification(*alert))) as webhooks:
        config = webhooks.example()
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "0s", "group_interval": "1s"}
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


def hurried(values: Values) -> str:
    """Return the rules of a profile, evaluated every 2 s, with all waiting times divided by `SPEED`."""
    rules = yaml.safe_load(generated("hurried", values))
    for group in rules["groups"]:
        group["interval"] = "2s"
        for rule in group["rules"]:
            for name in {"for", "keep_firing_for"} & rule.keys():
                minutes = rule[name]
                rule[name] = f"{int(minutes[:-1]) * _SECONDS[minutes[-1]] // SPEED}s"
    text: str = yaml.safe_dump(rules)
    return text
