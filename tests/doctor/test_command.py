"""The command as a process: exit codes, JSON, several nodes, signals, outputs that can't be written."""

import asyncio
import json
import os
import pty
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.config import ConfigError, load
from exporter.config.problems import Problem
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Method
from exporter.simulator.server import SimulatedNode
from tests.doctor.checked import HERE, HERE_FLAGS, flags_of, normal
from tests.network.process import until
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parent.parent.parent


class Ended(NamedTuple):
    """Exit code and output of the command."""

    code: int
    stdout: str
    stderr: str


async def start(
    *flags: str, stdout: int = asyncio.subprocess.PIPE, stderr: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    """Start the command."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "check", "--connect", *HERE_FLAGS, *flags),
        stdout=stdout,
        stderr=stderr,
        cwd=ROOT,
    )


async def run(*flags: str, stdout: int = asyncio.subprocess.PIPE) -> Ended:
    """Run the command to its end."""
    process = await start(*flags, stdout=stdout)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Ended(process.returncode, (out or b"").decode(), err.decode())


@pytest.mark.slow
async def test_exit_codes(tmp_path: Path) -> None:
    """0 if the exporter could follow the node, 1 if not, 2 for a wrong configuration; nothing else is on stderr."""
    async with SimulatedNode(tmp_path) as node:
        ended = await run(*flags_of(node))
        assert (ended.code, ended.stdout.splitlines()[-1], ended.stderr) == (0, "All is well.", "")
        assert [line for line in ended.stdout.splitlines() if len(line) > 80] == []
        ended = await run(*flags_of(node), "--json")
        assert (ended.code, ended.stdout.count("\n"), ended.stderr) == (0, 1, "")
        document = json.loads(ended.stdout)
        assert (document["exit_code"], document["problems"], document["nodes"][0]["node"]) == (0, 0, "lnd")
        node.revoke_macaroons()
        ended = await run(*flags_of(node), "--json")
        assert (ended.code, json.loads(ended.stdout)["exit_code"], ended.stderr) == (1, 1, "")
        ended = await run("--lnd.address=localhost")
        assert (ended.code, ended.stdout) == (2, "")
        assert "The macaroon is missing." in ended.stderr


def test_json_needs_connect(tmp_path: Path) -> None:
    """The check of the configuration alone prints text; the variable is for other commands."""
    node = SimulatedNode(tmp_path)
    flags = ["--lnd.address=localhost", f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}"]
    with pytest.raises(ConfigError) as refused:
        load([*flags, "--json"], {}, "check")
    what = "needs --connect, whose findings it prints."
    assert refused.value.problems == (Problem("--json", what, "Add --connect, or leave it out."),)
    assert load(flags, {"LND_PAYMENTS_EXPORTER_JSON": "true"}, "check").check.connect is False


@pytest.mark.slow
async def test_several_nodes(tmp_path: Path) -> None:
    """Each has its own part, in the order of the file, whichever answers first; one that is down stops no other."""
    homes = [tmp_path / name for name in ("alice", "bob")]
    for home in homes:
        home.mkdir()
    async with SimulatedNode(homes[0]) as alice, SimulatedNode(homes[1]) as bob:
        alice.faults.delay(Method.GET_INFO, 0.5)
        entries = "".join(
            f"  - {{name: {name}, address: '{address}', tls_cert: {node.tls_cert}, macaroon: {node.macaroon}}}\n"
            for name, node, address in (
                ("alice", alice, alice.address),
                ("nobody", alice, "127.0.0.1:1"),
                ("bob", bob, bob.address),
            )
        )
        (tmp_path / "exporter.yml").write_text(f"nodes:\n{entries}")
        ended = await run(f"--config.file={tmp_path}/exporter.yml")
    lines = normal(ended.stdout, {})
    heads = [line for line in lines if line.endswith("(grpc)")]
    assert heads == ["alice: 127.0.0.1:PORT (grpc)", "nobody: 127.0.0.1:1 (grpc)", "bob: 127.0.0.1:PORT (grpc)"]
    assert lines[:3] == HERE
    assert [line for line in lines if line.startswith("problem")] == [lines[lines.index(heads[1]) + 1]]
    assert (ended.code, lines[-1], ended.stderr) == (1, "1 problem, no warnings.", "")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals(tmp_path: Path, number: signal.Signals) -> None:
    """It ends at once, without a traceback, although lnd doesn't answer."""
    async with SimulatedNode(tmp_path) as node:
        node.faults.silence()
        process = await start(*flags_of(node))
        assert process.stdout is not None
        await process.stdout.readuntil(b"is free\n")

        async def asked() -> bool:
            return node.calls[Method.SUBSCRIBE_STATE] > 0

        await until("lnd is asked", asked)
        process.send_signal(number)
        _, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, err.decode()) == (128 + number, "")


@pytest.mark.slow
async def test_progress_on_a_terminal(tmp_path: Path) -> None:
    """If it takes long, a line on standard error shows how many nodes have been asked; the end removes it."""
    ours, terminal = pty.openpty()
    async with SimulatedNode(tmp_path) as node:
        node.faults.silence()
        process = await start(*flags_of(node), stderr=terminal)
        os.close(terminal)
        shown = b""
        while b"asked 0 of 1 nodes" not in shown:
            shown += await asyncio.to_thread(os.read, ours, 1000)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), PATIENCE_S)
    with suppress(OSError):  # EIO: no other end any more
        while more := os.read(ours, 1000):
            shown += more
    os.close(ours)
    assert shown == b"\r\x1b[Kasked 0 of 1 nodes" * shown.count(b"asked") + b"\r\x1b[K"


@pytest.mark.slow
async def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    """One line on stderr and exit code 1 on a full disk; nothing if the reader of a pipe has left."""
    async with SimulatedNode(tmp_path) as node:
        full = os.open("/dev/full", os.O_WRONLY)
        ended = await run(*flags_of(node), stdout=full)
        os.close(full)
        what = "lnd-payments-exporter: standard output can't be written (No space left on device)\n"
        assert ended == Ended(1, "", what)
        reading, writing = os.pipe()
        os.close(reading)
        ended = await run(*flags_of(node), stdout=writing)
        os.close(writing)
        assert ended == Ended(128 + signal.SIGPIPE, "", "")


async def test_clock_of_a_server(tmp_path: Path) -> None:
    """It is told by the header `Date`, in whole seconds; without one it isn't known."""
    (tmp_path / "macaroon").write_bytes(b"\2\1\3lnd")
    impossible = b"Date: Fri, 01 Jan 99999999999999999999 00:00:00 GMT\r\n"
    right = b"Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n"
    for date, known in ((right, True), (b"", False), (b"Date: noon\r\n", False), (impossible, False)):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, date: bytes = date) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n" + date + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            client = RestClient(url, None, tmp_path / "macaroon")
            await client.connect()
            ahead = await client.clock()
            await client.close()
        assert (ahead is not None) is known
        if ahead is not None:
            least, most = ahead
            assert 1 <= most - least < PATIENCE_S
            assert least > 365 * 86400
