"""What an exporter that runs without a terminal leaves out of memory."""

import asyncio
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.network.process import free_port, until
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parent.parent

HEAVY = (
    "rich",
    "pygments",
    "cryptography",
    "yaml",
    "bcrypt",
    "aiohttp_socks",
    "python_socks",
    "exporter.bars",
    "exporter.config.webfile",
    "exporter.demo",
    "exporter.listing",
    "exporter.lnd.json_messages",
    "exporter.lnd.rest",
    "exporter.lnd.tunnel",
    "exporter.simulator",
    "exporter.track",
)
"""Modules that `run` does not need for a node over gRPC, without a configuration file: together 20 MB."""

PAID = 'lnd_payments_status_transitions_total{from_status="in_flight",node="lnd",to_status="succeeded"} 1.0'
SHOW_MODULES = "import sys; from exporter.__main__ import main; main(); print(*sys.modules)"


def page(port: int) -> str:
    """Return the page; empty while there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
            text: str = answer.read().decode()
    except OSError:
        return ""
    return text


async def test_an_exporter_that_runs_loads_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """It has connected to its node, counted a payment and shown a page."""
    port = free_port()
    async with SimulatedNode(tmp_path) as node:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", SHOW_MODULES),
            *(f"--lnd.address={node.address}", f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}"),
            *(f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={tmp_path}/state.sqlite"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert process.stdout is not None
        try:
            await node.wait_for_subscribers(1)
            await node.play(Scenarios(node.world, "lean").success())

            async def counted() -> bool:
                return PAID in await asyncio.to_thread(page, port)

            await until("the payment is counted", counted)
            process.send_signal(signal.SIGTERM)
            loaded = (await asyncio.wait_for(process.stdout.read(), PATIENCE_S)).decode().split()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    assert "exporter.lnd.grpc" in loaded
    assert [name for name in HEAVY if name in loaded] == []


LOG = """
import io, sys
if "lean" in sys.argv:
    from exporter.lean import import_structlog
    import_structlog()
    assert "rich" not in sys.modules
import structlog
from exporter import log

class Terminal(io.StringIO):
    def isatty(self):
        return True

log.configure("info", "auto", terminal := Terminal())
try:
    secret = 1 / 0
except ZeroDivisionError:
    structlog.get_logger("exporter.test").exception("a bug", node="alice", advice="none")
sys.stdout.write(terminal.getvalue().partition("Z")[2])
import rich.console
"""


def test_the_log_on_a_terminal_is_the_same_without_rich() -> None:
    """Its colours, its order and its tracebacks; rich itself can still be imported."""
    lean, usual = (
        subprocess.run([sys.executable, "-c", LOG, *word], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for word in (["lean"], [])
    )
    assert "a bug" in lean
    assert "\x1b[" in lean
    assert "ZeroDivisionError" in lean
    assert lean == usual
