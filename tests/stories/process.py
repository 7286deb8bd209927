"""The exporter as a child process, started by its command line."""

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

# The exporter with two changes. Its waiting times are short: between reconnects, before it asks lnd again, between
# audits, between checks for overdue payments and of those without a route, between lists of channels, and until an HTLC
# counts as held (first argument, in seconds). The second argument is how long an end is on hold, the third after how
# long an HTLC that is missing on its channel is a ghost, in seconds. And its wall clock can be put an hour ahead
# (SIGUSR1) or behind (SIGUSR2).
IMPATIENT = """
import signal, sys, time
from exporter.follow import audit, backoff, follower, intervals, no_route, overdue
from exporter.payments import ghosts, inflight, run, terminal
from exporter.__main__ import main

def replace(module, **values):
    for name, value in values.items():
        assert hasattr(module, name), f"{module.__name__} has no {name}"
        setattr(module, name, value)

replace(backoff, MAX_S=3.0)
replace(audit, GRACE_US=10 * 10**6)
replace(run, LOST_AFTER_NS=15 * 10**9)
replace(overdue, EVERY_S=1.0)
replace(no_route, EVERY_NS=10**9)
replace(inflight, HELD_NS=int(sys.argv.pop(1)) * 10**9)
replace(terminal, HOLD_NS=int(sys.argv.pop(1)) * 10**9)
replace(ghosts, GHOST_NS=int(sys.argv.pop(1)) * 10**9)
poll_s = float(sys.argv.pop(1))
replace(follower, Intervals=lambda: intervals.Intervals(audit_s=2, poll_s=poll_s))
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
"""Seconds until an HTLC counts as held: the exporter's own value."""
HOLD_S = 1
"""Seconds for which an end is on hold: the exporter's own value."""
GHOST_S = 600
"""Seconds until an HTLC that is missing on its channel is a ghost: the exporter's own value."""
POLL_S = 10.0
"""Seconds between two polls of a node, every fifth of which lists its channels; the exporter's own value is 60."""


class Exporter:
    """An exporter with its own state file, which can be killed and started again."""

    def __init__(
        self, nodes: Sequence[NodeConfig], home: Path, held_s: int = HELD_S, log: Mapping[str, str] | None = None
    ) -> None:
        """Write the configuration into the directory `home`; `log` has further settings of the section `log`."""
        home.mkdir(parents=True, exist_ok=True)
        self.target = f"127.0.0.1:{free_port()}"
        self.log = home / "exporter.log"
        self.state = home / "state.sqlite"
        self._config = home / "exporter.yml"
        self._process: asyncio.subprocess.Process | None = None
        self._held_s = held_s
        self.hold_s = HOLD_S
        """More on a network whose second update of an end comes late, because this machine is busy."""
        self.ghost_s = GHOST_S
        self.poll_s = POLL_S
        self._log = log or {}
        self.flags: tuple[str, ...] = ()
        """Further flags; the next start takes them."""
        self.configure(nodes)

    def configure(self, nodes: Sequence[NodeConfig]) -> None:
        """Write the configuration, with these nodes; the next start or reload reads it."""
        settings = {
            "web": {"listen_address": self.target, "enable_lifecycle": True},
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
                    "explain_no_route": node.explain_no_route,
                }
                for node in nodes
            ],
        }
        self.replace_config(yaml.safe_dump(settings))

    def replace_config(self, text: str) -> None:
        """Write the configuration file; a process that reads it meanwhile gets the old one or the new one."""
        written = self._config.with_suffix(".new")
        written.write_text(text)
        written.replace(self._config)

    async def start(self) -> None:
        """Start it; return when it serves metrics."""
        logged = len(self.text())
        with self.log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                IMPATIENT,
                str(self._held_s),
                str(self.hold_s),
                str(self.ghost_s),
                str(self.poll_s),
                f"--config.file={self._config}",
                *self.flags,
                stdout=sink,
                stderr=sink,
            )

        async def serves() -> bool:
            return "serving metrics" in self.text()[logged:]

        await until("the exporter serves", serves)

    async def reload(self) -> None:
        """Make it reload its configuration by SIGHUP; return when it has."""
        logged = len(self.text())
        self.signal(signal.SIGHUP)

        async def reloaded() -> bool:
            return "the configuration was reloaded" in self.text()[logged:]

        await until("the exporter reloads", reloaded)

    async def kill(self) -> None:
        """Kill it with -9."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        """Stop it with SIGTERM; its exit code must be 0."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        assert code == 0, self.text()[-3000:]

    async def open(self, *flags: str) -> str:
        """Return the output of the command `open` for its state file, whether it runs or not."""
        return await self._command("open", *flags)

    async def ended(self, *flags: str) -> str:
        """Return the output of the command `ended`, likewise."""
        return await self._command("ended", *flags)

    async def _command(self, name: str, *flags: str) -> str:
        command = [sys.executable, "-m", "exporter", name, f"--storage.path={self.state}", *flags]
        return await run(command, self.state.parent)

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def text(self) -> str:
        """Return the whole log."""
        return self.log.read_text() if self.log.exists() else ""


class ReachableNode(Protocol):
    """The address and files by which the exporter follows a node; every `Lab` has them."""

    name: str
    tls_cert: Path
    macaroon: Path

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC."""

    @property
    def rest(self) -> str:
        """HOST:PORT of REST."""


def node_configs(lab: ReachableNode, *transports: str) -> list[NodeConfig]:
    """Return a configuration of the node for each of these transports, by default for all.

    The first has the node's name, the others have the transport appended to it.
    """
    port = lab.rest.rpartition(":")[2]
    addresses = {
        GRPC: lab.address,
        REST: f"https://{lab.rest}",
        WEBSOCKET: f"https://localhost:{port}",  # the same as REST, but two nodes must not have the same address
    }
    first, *others = (
        NodeConfig(lab.name, addresses[transport], lab.tls_cert, lab.macaroon, transport)
        for transport in transports or TRANSPORTS
    )
    return [first, *(replace(node, name=f"{node.name}-{node.transport}") for node in others)]


@asynccontextmanager
async def exporting(
    nodes: Sequence[NodeConfig],
    home: Path,
    held_s: int = HELD_S,
    log: Mapping[str, str] | None = None,
    *,
    ghost_s: int = GHOST_S,
    poll_s: float = POLL_S,
) -> AsyncIterator[Exporter]:
    """Run an exporter within the block; an HTLC that is in flight for more than `held_s` counts as held."""
    exporter = Exporter(nodes, home, held_s, log)
    exporter.ghost_s, exporter.poll_s = ghost_s, poll_s
    await exporter.start()
    try:
        yield exporter
    finally:
        await exporter.stop()
