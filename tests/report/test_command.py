"""The command as a process: exit codes, errors, a terminal, a pipe, signals."""

import asyncio
import csv
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import grpc
import pytest

from exporter.__main__ import DO, main
from exporter.payments.labels import Method
from exporter.simulator.server import SimulatedNode
from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.report.history import node_with_history, truth
from tests.track.test_command import Terminal, on

pytestmark = pytest.mark.slow


class Result(NamedTuple):
    """Exit code and output of the command."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A node with a history."""
    async with node_with_history(tmp_path, 1000) as node:
        yield node


def command(node: SimulatedNode, *args: str) -> list[str]:
    """Return the command line of the report on the node."""
    flags = ("--lnd.name=alice", f"--lnd.address={node.address}", f"--lnd.tls-cert={node.tls_cert}")
    return [sys.executable, "-m", "exporter", "report", *args, *flags, f"--lnd.macaroon={node.macaroon}"]


async def run(*words: str, stdout: int = asyncio.subprocess.PIPE) -> Result:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(*words, stdout=stdout, stderr=asyncio.subprocess.PIPE)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Result(process.returncode, (out or b"").decode(), err.decode())


async def test_three_forms(node: SimulatedNode) -> None:
    """A table, CSV and JSON have the same sums, those of the simulator; nothing is on stderr."""
    ended = truth(node.database)
    fees, number = sum(each.fee_msat for each in ended), len(ended)
    table, rows, document = [await run(*command(node, *flags)) for flags in ((), ("--csv",), ("--json",))]
    assert [(each.code, each.stderr) for each in (table, rows, document)] == [(0, "")] * 3
    first, rebalances, second, *_ = table.stdout.splitlines()
    assert first.startswith(f"alice: {round(fees / 1000):,} sat in fees for ")
    assert rebalances.startswith("of which ")
    assert second.startswith(f"{number:,} payments ended from 2026-01-01 to 2026-0")
    parsed = [*csv.DictReader(io.StringIO(rows.stdout))]
    assert [row["month"] for row in parsed][:3] == ["2026-01", "2026-02", "2026-03"]
    assert sum(int(row["fees_msat"]) for row in parsed) == fees
    assert sum(int(row["payments"]) for row in parsed) == number
    total = json.loads(document.stdout)["nodes"][0]["total"]
    assert (total["fees_msat"], total["payments"]) == (fees, number)


async def test_errors_are_one_line(node: SimulatedNode) -> None:
    """A wrong flag is 2; an lnd that can't be asked, and an output that can't be written, are 1."""
    wrong = await run(*command(node, "--by=year"))
    assert (wrong.code, wrong.stdout) == (2, "")
    full = os.open("/dev/full", os.O_WRONLY)
    for flags in ((), ("--csv",), ("--json",)):
        ended = await run(*command(node, *flags), stdout=full)
        assert (ended.code, ended.stderr.count("\n")) == (1, 1)
        assert ended.stderr.startswith("lnd-payments-exporter: standard output can't be written")
    os.close(full)
    await node.lock()
    ended = await run(*command(node))
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith("alice: the wallet is locked: unlock it with `lncli unlock`")
    await node.stop()
    ended = await run(*command(node, "--json"))
    assert (ended.code, ended.stderr.count("\n")) == (1, 1)
    assert json.loads(ended.stdout)["nodes"] == []
    assert ended.stderr.startswith("alice: lnd can't be reached: is it running")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_while_reading(node: SimulatedNode, number: signal.Signals) -> None:
    """The exit code is 128 plus the number of the signal; half a report is none."""
    node.faults.slow_list(0.05)
    process = await asyncio.create_subprocess_exec(
        *command(node), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )

    async def reading() -> bool:
        return node.calls[Method.LIST_PAYMENTS] > 1

    await until("pages are read", reading)
    process.send_signal(number)
    stdout, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, stdout, stderr) == (128 + number, b"", b"")


async def test_signal_during_the_start(node: SimulatedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the program is loading isn't a report of nothing."""

    def interrupted(_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setitem(DO, "report", interrupted)
    assert main(command(node)[3:]) == 128 + signal.SIGINT


async def test_signal_on_a_terminal(node: SimulatedNode) -> None:
    """The bar is removed, and the cursor is back."""
    node.faults.slow_list(0.01)
    terminal = Terminal()
    async with on(terminal, *command(node)) as process:
        await terminal.wait_for(r"alice: reading .*?payments,")
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 128 + signal.SIGINT
        await terminal.wait_for(r"\x1b\[\?25h")
    assert terminal.text.rpartition("\x1b[2K")[2].strip("\r\n") == "\x1b[?25h"


@pytest.mark.parametrize("since", [(), ("--since=52w",)])
async def test_progress_on_a_terminal(node: SimulatedNode, since: tuple[str, ...]) -> None:
    """A bar with the time left while it takes long, also across a lost connection; only the table is left."""
    node.faults.slow_list(0.004)
    node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=4, times=1)
    terminal = Terminal()
    async with on(terminal, *command(node, *since)) as process:
        await terminal.wait_for(r"alice: reading .*?\d+%\x1b\[0m [\d,]+ payments, \x1b\[36m[\d:-]+\x1b\[0m left", 2)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        await terminal.wait_for("sat in fees for")
    after = terminal.text.rpartition("\x1b[2K")[2]
    assert "reading" not in after
    assert "sat in fees for" in after
    assert "\x1b[?25h" in terminal.text, "the cursor is back"
