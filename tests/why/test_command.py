"""The command as a process: exit codes, errors, output."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import Register
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import READONLY_PERMISSIONS
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow


class Result(NamedTuple):
    """Exit code and output of the command."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SimulatedNode]:
    """A node in which everything takes no time."""
    async with SimulatedNode(tmp_path, permissions=READONLY_PERMISSIONS, clock=WallClock(float("inf"))) as node:
        yield node


async def run(node: SimulatedNode, *args: str, stdout: int = asyncio.subprocess.PIPE) -> Result:
    """Run the command to its end."""
    flags = ("--lnd.name=alice", f"--lnd.address={node.address}", f"--lnd.tls-cert={node.tls_cert}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "why", *args, *flags, f"--lnd.macaroon={node.macaroon}"),
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return Result(process.returncode, (out or b"").decode(), err.decode())


async def test_exit_code_is_the_outcome(node: SimulatedNode) -> None:
    """Succeeded, failed, in flight; the verdict comes first, and nothing is on stderr."""
    scenarios = Scenarios(node.world)
    won, lost, open_ = scenarios.success(), scenarios.no_route(5_000_000), scenarios.held_then_settled()
    await node.play(won, lost)
    for step in open_.steps:
        node.database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            break
    for scenario, code, first in (
        (won, 0, "alice: succeeded after "),
        (lost, 1, "alice: failed: no route; probably its fee limit was too low: "),
        (open_, 4, "alice: in flight for "),
    ):
        ended = await run(node, scenario.payment_hash.upper())
        assert (ended.code, ended.stderr) == (code, "")
        assert ended.stdout.startswith(first)
        assert ended.stdout.splitlines()[1] == scenario.payment_hash
        ended = await run(node, scenario.payment_hash, "--json")
        assert (ended.code, ended.stderr, ended.stdout.count("\n")) == (code, "", 1)
        assert json.loads(ended.stdout)["payment_hash"] == scenario.payment_hash


async def test_errors_are_one_line(node: SimulatedNode) -> None:
    """A wrong hash is 2; an unknown one, an lnd that can't be asked and an output that can't be written are 3."""
    won = Scenarios(node.world).success()
    await node.play(won)
    ended = await run(node, "ab")
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("lnd-payments-exporter: 'ab' has 2 hex digits; a hash has 64.")
    ended = await run(node, "00" * 32)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: lnd doesn't know this payment: ")
    full = os.open("/dev/full", os.O_WRONLY)
    ended = await run(node, won.payment_hash, stdout=full)
    os.close(full)
    assert (ended.code, ended.stderr.count("\n")) == (3, 1)
    await node.lock()
    ended = await run(node, won.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: the wallet is locked: unlock it with `lncli unlock`")
    await node.stop()
    ended = await run(node, won.payment_hash)
    assert (ended.code, ended.stdout, ended.stderr.count("\n")) == (3, "", 1)
    assert ended.stderr.startswith("alice: lnd can't be reached: is it running")
