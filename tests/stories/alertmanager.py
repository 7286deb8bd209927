"""A real Alertmanager with the routes of the example that is shipped, and whoever it calls."""

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
from tests.stack.telephone import Telephone

HURRY = 60
"""A minute of waiting takes a second."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Called(NamedTuple):
    """One alert of one message."""

    receiver: str
    status: str
    """`firing` or `resolved`."""
    labels: dict[str, str]
    annotations: dict[str, str]


class Alertmanager:
    """The server, and what it told people."""

    def __init__(self, address: str) -> None:
        """Nobody was called yet."""
        self.address = address
        self.calls: list[Called] = []

    async def called(self, alert: str, status: str, seconds: float = 60) -> Called:
        """Wait until somebody is called about an alert, firing or resolved; forget it then."""

        def found() -> list[Called]:
            return [call for call in self.calls if (call.labels["alertname"], call.status) == (alert, status)]

        async def there() -> bool:
            await asyncio.sleep(0)
            return bool(found())

        await until(
            f"{alert} {status}; there was {[(c.labels['alertname'], c.status) for c in self.calls]}", there, seconds
        )
        (call, *_) = found()
        self.calls.remove(call)
        return call


@asynccontextmanager
async def alerting(home: Path) -> AsyncIterator[Alertmanager]:
    """It runs within the block, in a folder of its own, and so does a web server that takes its messages."""
    home.mkdir()
    ours = Alertmanager(f"127.0.0.1:{free_port()}")
    flags = [f"--config.file={home / 'alertmanager.yml'}", f"--storage.path={home / 'data'}"]
    command = [str(binaries() / "alertmanager"), *flags, f"--web.listen-address={ours.address}"]
    program = Program("alertmanager", [*command, "--cluster.listen-address="], home)
    async with Telephone(lambda *call: ours.calls.append(Called(*call))) as telephone:
        config = telephone.example()
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "0s", "group_interval": "1s"}
        (home / "alertmanager.yml").write_text(yaml.safe_dump(config))
        await program.start()

        async def listens() -> bool:
            program.check()
            return "Listening on" in program.log.read_text()

        try:
            await until("Alertmanager listens", listens)
            yield ours
        finally:
            await program.stop()


def hurried(values: Values) -> str:
    """The rules of a profile, looked at every 2 s; what must last for a minute must last for a second."""
    rules = yaml.safe_load(generated("hurried", values))
    for group in rules["groups"]:
        group["interval"] = "2s"
        for rule in group["rules"]:
            for name in {"for", "keep_firing_for"} & rule.keys():
                minutes = rule[name]
                rule[name] = f"{int(minutes[:-1]) * _SECONDS[minutes[-1]] // HURRY}s"
    text: str = yaml.safe_dump(rules)
    return text
