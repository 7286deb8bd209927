"""The command as a process: exit codes, errors, a terminal, a pipe, signals."""

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

from exporter.__main__ import DO, main
from exporter.payments.labels import Method
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.network.process import until
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow

HIGH, WIDE = 16, 80


class Result(NamedTuple):
    """Exit code and output of the command."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A simulated node."""
    async with SimulatedNode(tmp_path) as node:
        yield node


def command(node: SimulatedNode, *args: str) -> list[str]:
    """Return the command line that tracks a payment of the node."""
    flags = ("--lnd.name=alice", f"--lnd.address={node.address}", f"--lnd.tls-cert={node.tls_cert}")
    return [sys.executable, "-m", "exporter", "track", *args, *flags, f"--lnd.macaroon={node.macaroon}"]


async def start(*args: str) -> asyncio.subprocess.Process:
    """Start a command with piped output."""
    return await asyncio.create_subprocess_exec(*args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)


async def run(node: SimulatedNode, *args: str) -> Result:
    """Run the command to its end."""
    process = await start(*command(node, *args))
    stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Result(process.returncode, stdout.decode(), stderr.decode())


def apply(node: SimulatedNode, scenario: Scenario, steps: int | None = None) -> None:
    """Apply this many steps of a life, by default all."""
    for step in scenario.steps[:steps]:
        node.database.apply(step.mutation)


async def test_exit_code_of_an_ended_payment(node: SimulatedNode) -> None:
    """0 or 1, with nothing on stderr; the hash may be in upper case."""
    won, lost = Scenarios(node.world).success(), Scenarios(node.world, 1).no_route()
    apply(node, won)
    apply(node, lost)
    assert (await run(node, won.payment_hash.upper())) == await run(node, won.payment_hash)
    code, stdout, stderr = await run(node, won.payment_hash)
    assert (code, stderr) == (0, "")
    assert stdout.splitlines()[0] == won.payment_hash
    assert stdout.splitlines()[1].startswith("alice: succeeded after ")
    code, stdout, stderr = await run(node, "--json", lost.payment_hash)
    assert (code, stderr) == (1, "")
    assert [json.loads(line)["final"] for line in stdout.splitlines()] == [False, True]


async def test_payment_that_cannot_be_followed(node: SimulatedNode) -> None:
    """Exit code 3 and one line with advice on stderr, without traceback."""
    scenario = Scenarios(node.world).success()
    apply(node, scenario)
    ended = await run(node, "00" * 32)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: lnd doesn't know this payment: ")
    node.revoke_macaroons()
    ended = await run(node, scenario.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert "bake a new one" in ended.stderr
    await node.lock()
    ended = await run(node, scenario.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: the wallet is locked: unlock it with `lncli unlock`")
    await node.stop()
    ended = await run(node, scenario.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: lnd can't be reached: is it running")


async def test_node_without_a_name_has_no_preface(node: SimulatedNode) -> None:
    """Neither the table nor an error begins with `lnd: `."""
    scenario = Scenarios(node.world).success()
    apply(node, scenario)
    args = [arg for arg in command(node, scenario.payment_hash) if arg != "--lnd.name=alice"]
    stdout, _ = await (await start(*args)).communicate()
    assert stdout.decode().splitlines()[1].startswith("succeeded after ")
    await node.stop()
    _, stderr = await (await start(*args)).communicate()
    assert stderr.decode().startswith("lnd can't be reached: is it running")


async def test_invalid_hash_is_a_usage_error(node: SimulatedNode) -> None:
    """Exit code 2 and one line, as for all commands."""
    code, stdout, stderr = await run(node, "ab")
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)
    assert stderr.startswith("lnd-payments-exporter: 'ab' has 2 hex digits; a hash has 64.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_prints_the_table(node: SimulatedNode, number: signal.Signals) -> None:
    """The exit code is 128 plus the number of the signal."""
    scenario = Scenarios(node.world).success()
    apply(node, scenario, 2)
    process = await start(*command(node, scenario.payment_hash))
    await payment_requested(node)
    await asyncio.sleep(1)  # until the answer has arrived
    process.send_signal(number)
    stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, stderr) == (128 + number, b"")
    assert b"alice: in flight for " in stdout


async def test_signal_during_the_start(node: SimulatedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the program is loading isn't reported as a payment that succeeded."""

    def interrupted(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setitem(DO, "track", interrupted)
    assert main(command(node, "00" * 32)[3:]) == 128 + signal.SIGINT


async def payment_requested(node: SimulatedNode) -> None:
    """Wait until the command has requested the payment."""

    async def requested() -> bool:
        return node.calls[Method.TRACK_PAYMENT] > 0

    await until("the payment is requested", requested)


async def test_broken_pipe_ends_the_command(node: SimulatedNode) -> None:
    """`track --json | head -1` ends without an error message, as soon as there is another update."""
    scenario = Scenarios(node.world).success()
    apply(node, scenario, 2)
    process = await start(*command(node, "--json", scenario.payment_hash))
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)
    for step in scenario.steps[2:]:
        node.database.apply(step.mutation)
    assert await process.stderr.read() == b""
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("flags", [(), ("--json",)])
async def test_full_disk_has_the_exit_code_of_not_followed(node: SimulatedNode, flags: tuple[str, ...]) -> None:
    """It is 3: the payment has neither failed nor succeeded."""
    scenario = Scenarios(node.world).success()
    apply(node, scenario)
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *command(node, scenario.payment_hash, *flags), stdout=full, stderr=asyncio.subprocess.PIPE
    )
    os.close(full)
    _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 3
    assert stderr == b"lnd-payments-exporter: standard output can't be written (No space left on device)\n"


class Terminal:
    """A terminal of 80 columns and 16 lines that records what is written to it."""

    def __init__(self) -> None:
        """Open a pseudo terminal."""
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", HIGH, WIDE, 0, 0))
        self.text = ""

    async def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until this many different matches of the pattern have been written."""

        async def found() -> bool:
            self._read()
            return len(set(re.findall(pattern, self.text))) >= times

        await until(f"{pattern} is shown", found)

    def _read(self) -> None:
        os.set_blocking(self._master, False)
        with suppress(OSError):  # nothing to read
            while data := os.read(self._master, 65536):
                self.text += data.decode(errors="replace")

    def close(self) -> None:
        """Close both ends."""
        os.close(self._master)
        os.close(self.slave)


@asynccontextmanager
async def on(terminal: Terminal, *args: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command on a terminal, and close the terminal afterwards."""
    environ = {**os.environ, "TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(*args, stdout=terminal.slave, stderr=terminal.slave, env=environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        terminal.close()


async def test_no_inflight_on_a_terminal(node: SimulatedNode) -> None:
    """It shows since when it waits, and that time advances; the final table replaces it."""
    scenario, terminal = Scenarios(node.world).success(), Terminal()
    apply(node, scenario, 2)
    async with on(terminal, *command(node, scenario.payment_hash, "--no-inflight")) as process:
        await terminal.wait_for(r"alice: waiting for the end for (\d)\.\ds, created", 3)
        for step in scenario.steps[2:]:
            node.database.apply(step.mutation)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        await terminal.wait_for("alice: succeeded after ")
    assert "waiting" not in terminal.text.rpartition("\x1b[2K")[2]


async def test_table_on_a_terminal(node: SimulatedNode) -> None:
    """It changes in place, durations advance, a lost connection is reported, and the final table stays."""
    scenario, terminal = Scenarios(node.world).retry(), Terminal()
    apply(node, scenario, 2)
    async with on(terminal, *command(node, scenario.payment_hash)) as process:
        await terminal.wait_for("alice: asking lnd")
        await terminal.wait_for(r"alice: in flight for (\d+)\.", 3)
        await node.kill()
        await terminal.wait_for("; retrying until lnd answers")
        await terminal.wait_for(r"alice: in flight for [0-9.]+s, as of (\d)s ago: lnd doesn't answer, retrying", 2)
        await node.start()
        await terminal.wait_for("lnd sends updates of the payment again")
        for step in scenario.steps[2:]:
            node.database.apply(step.mutation)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        await terminal.wait_for("alice: succeeded after ")
    last = terminal.text.rpartition("\x1b[2K")[2]
    assert last.startswith(scenario.payment_hash)
    assert last.count("settled") == last.count("temporary channel failure") == 1
    assert last.endswith("\x1b[?25h"), "the cursor is back"
