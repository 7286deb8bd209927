"""Stories of a person who follows one payment in the terminal, in every way in which lnd can be asked."""

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
from tests.stories.process import ways
from tests.stories.test_restarts import held
from tests.stories.world import World

Said = list[dict[str, Any]]


class Tracking:
    """The command under way, by one transport; what it says goes to files."""

    def __init__(self, node: NodeConfig, payment_hash: str, home: Path, *flags: str) -> None:
        """Not yet started."""
        self._command = [
            *(sys.executable, "-m", "exporter", "track", payment_hash),
            *(f"--lnd.name={node.name}", f"--lnd.transport={node.transport}", f"--lnd.address={node.address}"),
            *(f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}", *flags),
        ]
        self.out, self.err = (home / f"{node.transport}{''.join(flags)}.{name}" for name in ("out", "err"))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=out, stderr=err)

    async def ended(self) -> int:
        """Its exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def heard(self, number: int) -> None:
        """Wait until it has said so many updates."""

        async def said() -> bool:
            return len(self.said()) >= number

        await until(f"{number} updates", said)

    def said(self) -> Said:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def complaints(self) -> list[str]:
        """What stands on stderr."""
        return self.err.read_text().splitlines()

    def kill(self) -> None:
        """Nothing is left of a story that failed."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


async def every_way(lab: Lab, payment_hash: str, home: Path, stack: AsyncExitStack, *flags: str) -> list[Tracking]:
    """Follow it over gRPC, REST and WebSockets at once, with a macaroon that may read channels."""
    macaroon = await lab.readonly_macaroon()
    trackings = []
    for way in TRANSPORTS:
        (node,) = ways(lab, way)
        asked = NodeConfig(node.name, node.address, node.tls_cert, macaroon, way)
        tracking = Tracking(asked, payment_hash, home, *flags)
        stack.callback(tracking.kill)
        await tracking.start()
        trackings.append(tracking)
    return trackings


def told(update: dict[str, Any]) -> dict[str, Any]:
    """What is the same over all transports: all but when it was heard."""
    return {name: value for name, value in update.items() if name not in ("heard_timestamp_seconds", "elapsed_seconds")}


async def test_a_held_payment_is_settled(world: World, tmp_path: Path) -> None:
    """It is followed from its HTLC to its end: route with names, fee, and one answer whichever way lnd was asked."""
    alice = world.alice
    async with AsyncExitStack() as stack:
        invoice, sending = await held(alice)
        trackings = await every_way(alice, sending.payment_hash, tmp_path, stack, "--json")
        plain = await every_way(alice, sending.payment_hash, tmp_path, stack)
        quiet = await every_way(alice, sending.payment_hash, tmp_path, stack, "--json", "--no-inflight")
        for tracking in trackings:
            await tracking.heard(1)
        await asyncio.sleep(3)  # those that say nothing before the end have begun, too
        await alice.settle(invoice)
        for tracking in (*trackings, *plain, *quiet):
            assert (await tracking.ended(), tracking.complaints()) == (SUCCEEDED, [])
        await sending.ended()
        ends = [tracking.said()[-1] for tracking in (*trackings, *quiet)]
        assert [told(end) for end in ends] == [told(ends[0])] * 6
        first, end = trackings[0].said()[0], ends[0]
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
        for tracking in quiet:
            assert [update["status"] for update in tracking.said()] == ["succeeded", "succeeded"]
        for tracking in plain:
            lines = tracking.out.read_text().splitlines()
            assert lines[0] == sending.payment_hash
            assert lines[1].startswith("alice: succeeded after ")
            assert lines[2] == "6,000 sat, fee 1.006 sat, no HTLCs in flight"
            assert lines[4].split()[1:3] + lines[4].split()[5:] == ["6,001.006", "1.006", "settled"]
            assert lines[5].split() == ["bob", ">", "carol"]


async def test_a_payment_that_fails(world: World, tmp_path: Path) -> None:
    """Bob refuses what he doesn't know; lnd's reason, the code, and who it was. Afterwards the attempt is gone."""
    alice = world.alice
    async with AsyncExitStack() as stack:
        held_invoice, sending = await held(alice)
        trackings = await every_way(alice, sending.payment_hash, tmp_path, stack, "--json")
        for tracking in trackings:
            await tracking.heard(1)
        await alice.cancel(held_invoice)
        for tracking in trackings:
            assert (await tracking.ended(), tracking.complaints()) == (FAILED, [])
            end = tracking.said()[-1]
            assert (end["status"], end["reason"], end["fee_msat"]) == ("failed", "incorrect_payment_details", 0)
            (attempt,) = end["attempts"]
            assert (attempt["status"], attempt["code"]) == ("failed", "incorrect_or_unknown_payment_details")
            assert (attempt["source"], attempt["source_index"]) == ("recipient", 2)
            assert attempt["source_pubkey"] == alice.pubkeys["carol"]
        await sending.ended()
        for tracking in await every_way(alice, sending.payment_hash, tmp_path, stack):
            assert (await tracking.ended(), tracking.complaints()) == (FAILED, [])
            assert tracking.out.read_text().splitlines()[1:] == [
                "alice: failed: incorrect payment details",
                "6,000 sat, fee 0 sat, no HTLCs in flight",
            ]


async def test_a_payment_that_lnd_does_not_know(world: World, tmp_path: Path) -> None:
    """One line on stderr, and an exit code of its own."""
    async with AsyncExitStack() as stack:
        for tracking in await every_way(world.alice, "00" * 32, tmp_path, stack):
            assert await tracking.ended() == NOT_FOLLOWED
            (line,) = tracking.complaints()
            assert line.startswith("alice: lnd doesn't know this payment: is the hash right,")
            assert line.endswith("(NOT_FOUND: payment isn't initiated)")
            assert tracking.out.read_text() == ""


async def test_lnd_is_restarted_meanwhile(world: World, tmp_path: Path) -> None:
    """The payment goes on in lnd; that the line was lost is said, and the end is told."""
    alice = world.alice
    async with AsyncExitStack() as stack:
        invoice, sending = await held(alice)
        trackings = await every_way(alice, sending.payment_hash, tmp_path, stack, "--json")
        for tracking in trackings:
            await tracking.heard(1)
        await alice.stop()
        await alice.start()
        for tracking in trackings:
            await tracking.heard(2)
        await alice.settle(invoice)
        for tracking in trackings:
            assert await tracking.ended() == SUCCEEDED
            first, *_, last = tracking.complaints()
            assert first.endswith("; retrying until lnd answers")
            assert last == "lnd sends updates of the payment again"
            assert tracking.said()[-1]["status"] == "succeeded"
        await sending.ended()
