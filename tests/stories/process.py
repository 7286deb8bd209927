"""The exporter as a process of its own, started by its command line."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import yaml

from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, REST, TRANSPORTS, WEBSOCKET
from tests.network.process import free_port, run, until
from tests.patience import PATIENCE_S

# The exporter as it is, but for the minutes that it may wait: between two tries, to ask again, for the audit, to look
# for payments that take long, and until an HTLC is called held (the first argument, in seconds); and with a wall clock
# that can be put an hour ahead (SIGUSR1) or behind (SIGUSR2).
IMPATIENT = """
import signal, sys, time
from exporter.follow import audit, backoff, follower, overdue, pace
from exporter.payments import inflight, tracker
from exporter.__main__ import main
backoff.LAST_S = 3.0
audit.GRACE_US = 10 * 10**6
tracker.GONE_NS = 15 * 10**9
overdue.EVERY_S = 1.0
follower.Pace = lambda: pace.Pace(audit_s=2, beat_s=10)
inflight.HELD_NS = int(sys.argv.pop(1)) * 10**9
true_ns, hours = time.time_ns, 0

def step(number, _frame):
    global hours
    hours = 1 if number == signal.SIGUSR1 else -1

signal.signal(signal.SIGUSR1, step)
signal.signal(signal.SIGUSR2, step)
time.time_ns = lambda: true_ns() + hours * 3600 * 10**9
sys.exit(main())
"""

HELD_S = 1800
"""As ever."""


class Exporter:
    """Follows some nodes and keeps its state in a file; it can be killed and started again."""

    def __init__(
        self, nodes: Sequence[NodeConfig], home: Path, held_s: int = HELD_S, log: Mapping[str, str] | None = None
    ) -> None:
        """Write its configuration into a directory of its own."""
        home.mkdir(parents=True, exist_ok=True)
        self.target = f"127.0.0.1:{free_port()}"
        self.log = home / "exporter.log"
        self.state = home / "state.sqlite"
        self._config = home / "exporter.yml"
        self._process: asyncio.subprocess.Process | None = None
        self._held_s = held_s
        self._log = log or {}
        self.ask(nodes)

    def ask(self, nodes: Sequence[NodeConfig]) -> None:
        """Follow these from the next start on."""
        settings = {
            "web": {"listen_address": self.target},
            "log": {"level": "debug", **self._log},
            "storage": {"path": self.state.name},
            "nodes": [
                {
                    "name": node.name,
                    "transport": node.transport,
                    "address": node.address,
                    "tls_cert": str(node.tls_cert),
                    "macaroon": str(node.macaroon),
                    **({"proxy": node.proxy} if node.proxy else {}),
                    **({"tls_server_name": node.tls_server_name} if node.tls_server_name else {}),
                    "mode": node.mode,
                    "final_updates_only": node.final_only,
                }
                for node in nodes
            ],
        }
        self._config.write_text(yaml.safe_dump(settings))

    async def start(self) -> None:
        """Start it; it serves when this returns."""
        said = len(self.text())
        with self.log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                IMPATIENT,
                str(self._held_s),
                f"--config.file={self._config}",
                stdout=sink,
                stderr=sink,
            )

        async def serves() -> bool:
            return "serving metrics" in self.text()[said:]

        await until("the exporter serves", serves)

    async def kill(self) -> None:
        """With -9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """With SIGTERM: it must end well."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        assert code == 0, self.text()[-3000:]

    async def open(self, *flags: str) -> str:
        """What the command `open` prints of its state, whether it runs or not."""
        command = [sys.executable, "-m", "exporter", "open", f"--storage.path={self.state}", *flags]
        return await run(command, self.state.parent)

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def text(self) -> str:
        """All that it said."""
        return self.log.read_text() if self.log.exists() else ""


class Watched(Protocol):
    """What the exporter must know of a node; every `Lab` does."""

    name: str
    tls_cert: Path
    macaroon: Path

    @property
    def address(self) -> str:
        """Where its gRPC is, HOST:PORT."""

    @property
    def rest(self) -> str:
        """Where its REST is, the same."""


def ways(lab: Watched, *transports: str) -> list[NodeConfig]:
    """A node, asked in each of these ways, or in every way; after the first the way stands behind the name."""
    port = lab.rest.rpartition(":")[2]
    addresses = {
        GRPC: lab.address,
        REST: f"https://{lab.rest}",
        WEBSOCKET: f"https://localhost:{port}",  # the same, but no two nodes may have one address
    }
    asked = [NodeConfig(lab.name, addresses[way], lab.tls_cert, lab.macaroon, way) for way in transports or TRANSPORTS]
    return [asked[0], *(replace(node, name=f"{node.name}-{node.transport}") for node in asked[1:])]


@asynccontextmanager
async def exporting(
    nodes: Sequence[NodeConfig], home: Path, held_s: int = HELD_S, log: Mapping[str, str] | None = None
) -> AsyncIterator[Exporter]:
    """It runs within the block; an HTLC outstanding for longer than `held_s` is held. `log`: more of its section."""
    exporter = Exporter(nodes, home, held_s, log)
    await exporter.start()
    try:
        yield exporter
    finally:
        await exporter.stop()
