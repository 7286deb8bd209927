"""Stories of the command `track`, over each transport at once."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from exporter.config import NodeConfig
from exporter.config.addresses import TRANSPORTS
from exporter.track import FAILED, NOT_FOLLOWED, SUCCEEDED
from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.stories.lab import Lab
from tests.stories.process import node_configs
from tests.stories.test_restarts import held
from tests.stories.world import World

Updates = list[dict[str, Any]]


class TrackCommand:
    """The command as a child process, over one transport; its output goes to files."""

    def __init__(self, node: NodeConfig, payment_hash: str, home: Path, *flags: str) -> None:
        """Prepare the command line; `start` runs it."""
        self._command = [
            *(sys.executable, "-m", "exporter", "track", payment_hash),
            *(f"--lnd.name={node.name}", f"--lnd.transport={node.transport}", f"--lnd.address={node.address}"),
            *(f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}", *flags),
        ]
        self.out, self.err = (home / f"{node.transport}{''.join(flags)}.{name}" for name in ("out", "err"))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the process."""
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=out, stderr=err)

    async def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def printed(self, number: int) -> None:
        """Wait until it has printed `number` updates."""

        async def enough() -> bool:
            return len(self.updates()) >= number

        await until(f"{number} updates", enough)

    def updates(self) -> Updates:
        """Return the updates that it has printed, with `--json`."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def errors(self) -> list[str]:
        """Return its lines on stderr."""
        return self.err.read_text().splitlines()

    def kill(self) -> None:
        """Kill it if it still runs, after a story that failed."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


async def track(lab: Lab, payment_hash: str, home: Path, stack: AsyncExitStack, *flags: str) -> list[TrackCommand]:
    """Start the command over gRPC, REST and WebSockets, with a macaroon that may read channels."""
    macaroon = await lab.readonly_macaroon()
    commands = []
    for transport in TRANSPORTS:
        (node,) = node_configs(lab, transport)
        config = NodeConfig(node.name, node.address, node.tls_cert, macaroon, transport)
        command = TrackCommand(config, payment_hash, home, *flags)
        stack.callback(command.kill)
        await command.start()
        commands.append(command)
    return commands


def without_times(update: dict[str, Any]) -> dict[str, Any]:
    """Return an update without the times of its receipt, which differ between transports."""
    return {name: value for name, value in update.items() if name not in ("heard_timestamp_seconds", "elapsed_seconds")}


async def test_held_payment_that_is_settled(world: World, tmp_path: Path) -> None:
    """It is tracked from its HTLC to its end: route with aliases and fees, the same over each transport."""
    alice = world.alice
    async with AsyncExitStack() as stack:
        invoice, sending = await held(alice)
        commands = await track(alice, sending.payment_hash, tmp_path, stack, "--json")
        plain = await track(alice, sending.payment_hash, tmp_path, stack)
        quiet = await track(alice, sending.payment_hash, tmp_path, stack, "--json", "--no-inflight")
        for command in commands:
            await command.printed(1)
        await asyncio.sleep(3)  # until the commands that print nothing before the end are subscribed, too
        await alice.settle(invoice)
        for command in (*commands, *plain, *quiet):
            assert (await command.ended(), command.errors()) == (SUCCEEDED, [])
        await sending.ended()
        ends = [command.updates()[-1] for command in (*commands, *quiet)]
        assert [without_times(end) for end in ends] == [without_times(ends[0])] * 6
        first, end = commands[0].updates()[0], ends[0]
        assert (first["status"], first["htlcs"], first["final"]) == ("in_flight", 1, False)
        assert (end["status"], end["htlcs"], end["final"], end["reason"]) == ("succeeded", 0, True, None)
        (attempt,) = end["attempts"]
        assert end["amount_msat"] == 6_000_000
        assert end["fee_msat"] == attempt["fee_msat"] == attempt["amount_msat"] - 6_000_000 == 1006
        assert [hop["pubkey"] for hop in attempt["route"]] == [alice.pubkeys["bob"], alice.pubkeys["carol"]]
        assert [hop["alias"] for hop in attempt["route"]] == ["bob", "carol"]
        assert [hop["amount_msat"] for hop in attempt["route"]] == [6_000_000, 6_000_000]
        assert attempt["route"][0]["fee_msat"] == 1006
        assert attempt["expiry_height"] > attempt["route"][0]["expiry_height"] > 0
        assert 0 < attempt["duration_seconds"] < end["elapsed_seconds"] + 1e-6
        for command in quiet:
            assert [update["status"] for update in command.updates()] == ["succeeded", "succeeded"]
        for command in plain:
            lines = command.out.read_text().splitlines()
            assert lines[0] == sending.payment_hash
            assert lines[1].startswith("alice: succeeded after ")
            assert lines[2] == "6,000 sat, fee 1.006 sat, no HTLCs in flight"
            assert lines[4].split()[1:3] + lines[4].split()[5:] == ["6,001.006", "1.006", "settled"]
            assert lines[5].split() == ["bob", ">", "carol"]


async def test_payment_that_fails(world: World, tmp_path: Path) -> None:
    """The recipient refuses it: reason, failure code and source. Tracked afterwards, it has no attempt any more."""
    alice = world.alice
    async with AsyncExitStack() as stack:
        held_invoice, sending = await held(alice)
        commands = await track(alice, sending.payment_hash, tmp_path, stack, "--json")
        for command in commands:
            await command.printed(1)
        await alice.cancel(held_invoice)
        for command in commands:
            assert (await command.ended(), command.errors()) == (FAILED, [])
            end = command.updates()[-1]
            assert (end["status"], end["reason"], end["fee_msat"]) == ("failed", "incorrect_payment_details", 0)
            (attempt,) = end["attempts"]
            assert (attempt["status"], attempt["code"]) == ("failed", "incorrect_or_unknown_payment_details")
            assert (attempt["source"], attempt["source_index"]) == ("recipient", 2)
            assert attempt["source_pubkey"] == alice.pubkeys["carol"]
        await sending.ended()
        for command in await track(alice, sending.payment_hash, tmp_path, stack):
            assert (await command.ended(), command.errors()) == (FAILED, [])
            assert command.out.read_text().splitlines()[1:] == [
                "alice: failed: incorrect payment details",
                "6,000 sat, fee 0 sat, no HTLCs in flight",
            ]


async def test_unknown_payment(world: World, tmp_path: Path) -> None:
    """One line on stderr, and a special exit code."""
    async with AsyncExitStack() as stack:
        for command in await track(world.alice, "00" * 32, tmp_path, stack):
            assert await command.ended() == NOT_FOLLOWED
            (line,) = command.errors()
            assert line.startswith("alice: lnd doesn't know this payment: is the hash right,")
            assert line.endswith("(NOT_FOUND: payment isn't initiated)")
            assert command.out.read_text() == ""


async def test_lnd_is_restarted(world: World, tmp_path: Path) -> None:
    """The loss of the connection is reported on stderr, and the payment is tracked to its end."""
    alice = world.alice
    async with AsyncExitStack() as stack:
        invoice, sending = await held(alice)
        commands = await track(alice, sending.payment_hash, tmp_path, stack, "--json")
        for command in commands:
            await command.printed(1)
        await alice.stop()
        await alice.start()
        for command in commands:
            await command.printed(2)
        await alice.settle(invoice)
        for command in commands:
            assert await command.ended() == SUCCEEDED
            first, *_, last = command.errors()
            assert first.endswith("; retrying until lnd answers")
            assert last == "lnd sends updates of the payment again"
            assert command.updates()[-1]["status"] == "succeeded"
        await sending.ended()
