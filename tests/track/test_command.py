"""The command as a person runs it: exit codes, one line for each trouble, a terminal, a pipe, Ctrl-C."""

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
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Life
from exporter.simulator.server import SimulatedNode
from tests.network.process import until
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow

HIGH, WIDE = 16, 80


class Ended(NamedTuple):
    """How it ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """The node that is asked."""
    async with SimulatedNode(tmp_path) as node:
        yield node


def command(node: SimulatedNode, *words: str) -> list[str]:
    """The command line."""
    flags = ("--lnd.name=alice", f"--lnd.address={node.address}", f"--lnd.tls-cert={node.tls_cert}")
    return [sys.executable, "-m", "exporter", "track", *words, *flags, f"--lnd.macaroon={node.macaroon}"]


async def piped(*words: str) -> asyncio.subprocess.Process:
    """Start it without a terminal."""
    return await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)


async def run(node: SimulatedNode, *words: str) -> Ended:
    """To its end."""
    process = await piped(*command(node, *words))
    stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())


def happen(node: SimulatedNode, life: Life, steps: int | None = None) -> None:
    """Let so many steps of a life happen; by default all."""
    for step in life.steps[:steps]:
        node.database.apply(step.mutation)


async def test_how_a_payment_ended(node: SimulatedNode) -> None:
    """Exit code 0 or 1; the hash in any spelling; nothing on stderr."""
    won, lost = Lives(node.world).success(), Lives(node.world, 1).no_route()
    happen(node, won)
    happen(node, lost)
    assert (await run(node, won.payment_hash.upper())) == await run(node, won.payment_hash)
    code, stdout, stderr = await run(node, won.payment_hash)
    assert (code, stderr) == (0, "")
    assert stdout.splitlines()[0] == won.payment_hash
    assert stdout.splitlines()[1].startswith("alice: succeeded after ")
    code, stdout, stderr = await run(node, "--json", lost.payment_hash)
    assert (code, stderr) == (1, "")
    assert [json.loads(line)["final"] for line in stdout.splitlines()] == [False, True]


async def test_troubles(node: SimulatedNode) -> None:
    """Exit code 3 and one line on stderr, with what to do; no traceback."""
    life = Lives(node.world).success()
    happen(node, life)
    ended = await run(node, "00" * 32)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: lnd doesn't know this payment: ")
    node.revoke_macaroons()
    ended = await run(node, life.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert "bake a new one" in ended.stderr
    await node.lock()
    ended = await run(node, life.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: the wallet is locked: unlock it with `lncli unlock`")
    await node.stop()
    ended = await run(node, life.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: lnd can't be reached: is it running")


async def test_a_node_without_a_name(node: SimulatedNode) -> None:
    """Nobody reads that lnd says something of lnd."""
    life = Lives(node.world).success()
    happen(node, life)
    words = [word for word in command(node, life.payment_hash) if word != "--lnd.name=alice"]
    stdout, _ = await (await piped(*words)).communicate()
    assert stdout.decode().splitlines()[1].startswith("succeeded after ")
    await node.stop()
    _, stderr = await (await piped(*words)).communicate()
    assert stderr.decode().startswith("lnd can't be reached: is it running")


async def test_a_wrong_command_line(node: SimulatedNode) -> None:
    """Exit code 2, as of all commands; a wrong hash is one line."""
    code, stdout, stderr = await run(node, "ab")
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)
    assert stderr.startswith("lnd-payments-exporter: 'ab' has 2 hex digits; a hash has 64.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ended_by_a_signal(node: SimulatedNode, number: signal.Signals) -> None:
    """What is known is shown; the exit code tells the signal."""
    life = Lives(node.world).success()
    happen(node, life, 2)
    process = await piped(*command(node, life.payment_hash))
    await followed(node)
    await asyncio.sleep(1)  # until it has heard what lnd says
    process.send_signal(number)
    stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, stderr) == (128 + number, b"")
    assert b"alice: in flight for " in stdout


async def test_ended_before_it_began(node: SimulatedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the program is still loading is no payment that succeeded."""

    def interrupted(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setitem(DO, "track", interrupted)
    assert main(command(node, "00" * 32)[3:]) == 128 + signal.SIGINT


async def followed(node: SimulatedNode) -> None:
    """Wait until the payment is asked for."""

    async def asked() -> bool:
        return node.calls[Method.TRACK_PAYMENT] > 0

    await until("it is asked for", asked)


async def test_who_reads_no_further(node: SimulatedNode) -> None:
    """`track --json | head -1` ends without a complaint, as soon as there is more to be said."""
    life = Lives(node.world).success()
    happen(node, life, 2)
    process = await piped(*command(node, "--json", life.payment_hash))
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
    await asyncio.sleep(0.1)
    for step in life.steps[2:]:
        node.database.apply(step.mutation)
    assert await process.stderr.read() == b""
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("flags", [(), ("--json",)])
async def test_a_disk_that_is_full(node: SimulatedNode, flags: tuple[str, ...]) -> None:
    """Nobody is told that the payment failed, or that it succeeded."""
    life = Lives(node.world).success()
    happen(node, life)
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *command(node, life.payment_hash, *flags), stdout=full, stderr=asyncio.subprocess.PIPE
    )
    os.close(full)
    _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 3
    assert stderr == b"lnd-payments-exporter: standard output can't be written (No space left on device)\n"


class Terminal:
    """One of 80 columns, and the command in it."""

    def __init__(self) -> None:
        """Empty."""
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HIGH, WIDE, 0, 0))
        self.seen = ""

    async def shown(self, words: str, times: int = 1) -> None:
        """Wait until this has been written (a pattern), and in so many different ways."""

        async def there() -> bool:
            self._read()
            return len(set(re.findall(words, self.seen))) >= times

        await until(f"{words} is shown", there)

    def _read(self) -> None:
        os.set_blocking(self._ours, False)
        with suppress(OSError):  # nothing more
            while data := os.read(self._ours, 65536):
                self.seen += data.decode(errors="replace")

    def close(self) -> None:
        """Hang up."""
        os.close(self._ours)
        os.close(self.theirs)


@asynccontextmanager
async def on(terminal: Terminal, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command on a terminal, which is hung up afterwards."""
    environ = {**os.environ, "TERM": "xterm-256color"}
    process = await asyncio.create_subprocess_exec(*words, stdout=terminal.theirs, stderr=terminal.theirs, env=environ)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        terminal.close()


async def test_a_terminal_waits_for_the_end(node: SimulatedNode) -> None:
    """With `--no-inflight` it says so, and time goes on; nothing is left of that afterwards."""
    life, terminal = Lives(node.world).success(), Terminal()
    happen(node, life, 2)
    async with on(terminal, *command(node, life.payment_hash, "--no-inflight")) as process:
        await terminal.shown(r"alice: waiting for the end for (\d)\.\ds, lnd created it", 3)
        for step in life.steps[2:]:
            node.database.apply(step.mutation)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        await terminal.shown("alice: succeeded after ")
    assert "waiting" not in terminal.seen.rpartition("\x1b[2K")[2]


async def test_on_a_terminal(node: SimulatedNode) -> None:
    """The table changes in place, time goes on by itself, a lost line is told, and the end stays there."""
    life, terminal = Lives(node.world).retry(), Terminal()
    happen(node, life, 2)
    async with on(terminal, *command(node, life.payment_hash)) as process:
        await terminal.shown("alice: asking lnd")
        await terminal.shown(r"alice: in flight for (\d+)\.", 3)
        await node.kill()
        await terminal.shown("; lnd is asked again until it answers")
        await terminal.shown(r"alice: in flight for [0-9.]+s, as of (\d)s ago: lnd doesn't answer, asked again", 2)
        await node.start()
        await terminal.shown("lnd tells of the payment again")
        for step in life.steps[2:]:
            node.database.apply(step.mutation)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        await terminal.shown("alice: succeeded after ")
    last = terminal.seen.rpartition("\x1b[2K")[2]
    assert last.startswith(life.payment_hash)
    assert last.count("settled") == last.count("temporary channel failure") == 1
    assert last.endswith("\x1b[?25h"), "the cursor is back"
