"""No macaroon, preimage or payment request ever leaves the exporter, whatever it is made to say."""

import asyncio
import signal
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.payments.labels import Method
from exporter.simulator.clock import WallClock
from exporter.simulator.lives import Lives
from exporter.simulator.mix import Mix
from exporter.simulator.mutation import Register
from exporter.simulator.server import SimulatedNode
from exporter.simulator.tower import End
from tests.network.process import until
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.slow

PAGES = ("/", "/metrics", "/-/healthy", "/-/ready", "/nowhere")
LISTEN = "serving metrics"
HASH_DIGITS = 64
PROGRAM = """
import sys
from exporter.__main__ import main
from exporter.follow import overdue
overdue.EVERY_S = 0.2
sys.exit(main())
"""
"""The exporter, but that it looks for payments that take long without waiting for a minute."""


def fetch(base: str) -> str:
    """All pages, in both formats, whatever their status."""
    texts = []
    for page in PAGES:
        for accept in ("text/plain", "application/openmetrics-text"):
            request = urllib.request.Request(base + page, headers={"Accept": accept})
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                    texts.append(answer.read().decode())
            except urllib.error.HTTPError as error:
                texts.append(error.read().decode())
    return "\n".join(texts)


async def listed(state: Path) -> str:
    """What the command `open` says, in both ways."""
    command, said = [sys.executable, "-m", "exporter", "open", f"--storage.path={state}"], ""
    for flags in ([], ["--json"]):
        process = await asyncio.create_subprocess_exec(*command, *flags, stdout=asyncio.subprocess.PIPE)
        stdout, _ = await process.communicate()
        said += stdout.decode()
    return said


def hold(node: SimulatedNode) -> str:
    """Begin a payment that stays in flight; its hash."""
    life = Lives(node.world, "held").held_then_settled()
    for step in life.steps:
        node.database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            break
    return life.payment_hash


async def tracked(node: SimulatedNode, transport: str, payment_hash: str, *flags: str) -> str:
    """What the command `track` says, wherever it says it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "track", payment_hash, f"--lnd.transport={transport}"),
        *(f"--lnd.address={node.address if transport == GRPC else node.rest}", f"--lnd.tls-cert={node.tls_cert}"),
        *(f"--lnd.macaroon={node.macaroon}", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_track_tells_secrets_to_nobody_who_did_not_ask(tmp_path: Path, transport: str) -> None:
    """Neither as a table nor as JSON, of whatever kind a payment is, nor where a refusal quotes some."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node:
        lives = Lives(node.world)
        some = [lives.success(), lives.keysend(), lives.amp(), lives.refused()]
        await node.play(*some)
        secrets = node.secrets()
        # A table is made of the same updates as the JSON, however they came: one transport is enough for it.
        for flags in (["--json"], *([[]] if transport == GRPC else [])):
            said = await asyncio.gather(*(tracked(node, transport, life.payment_hash, *flags) for life in some))
            assert [life.payment_hash in text for life, text in zip(some, said, strict=True)] == [True] * 4
            assert [secret for secret in secrets if secret[:41] in "".join(said)] == []
            said = await asyncio.gather(
                *(tracked(node, transport, life.payment_hash, "--show-secrets", *flags) for life in some)
            )
            shown = "".join("".join(said).split())
            # Two requests, and the preimages of three that succeeded: macaroons are nobody's business at all.
            assert len([secret for secret in secrets if secret in shown]) == 5
            assert node.macaroon.read_bytes().hex() not in shown
        quoted = " ".join(sorted(secrets))
        node.faults.refuse(Method.TRACK_PAYMENT, grpc.StatusCode.UNKNOWN, f"cannot do this: {quoted}")
        text = await tracked(node, transport, some[0].payment_hash, "--show-secrets")
        assert "cannot do this" in text
        assert [secret for secret in secrets if secret[:41] in text] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_leaks(tmp_path: Path, transport: str) -> None:
    """Every kind of payment, a refusal that quotes secrets, a macaroon in the wrong place: then all that was said."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node:
        log, pages = tmp_path / "log", list[str]()
        with log.open("wb") as sink:
            command = [sys.executable, "-c", PROGRAM, "--log.level=debug", "--web.listen-address=127.0.0.1:0"]
            flags = [
                "--log.open-after=1s",
                f"--lnd.address={node.address if transport == GRPC else node.rest}",
                f"--lnd.transport={transport}",
                f"--lnd.tls-cert={node.tls_cert}",
                f"--lnd.macaroon={node.macaroon}",
                f"--storage.path={tmp_path / 'kept' / 'state.sqlite'}",
            ]
            process = await asyncio.create_subprocess_exec(*command, *flags, stdout=sink, stderr=sink)
        try:
            await node.subscribers(1)
            lives = iter(Mix(node.world, 3))
            for _ in range(300):
                await node.play(next(lives))
            in_flight = hold(node)
            await node.drained()

            async def named_in_log() -> bool:
                return in_flight in log.read_text()

            await until("the log names what is in flight", named_in_log)
            secrets = node.secrets()
            quoted = " ".join(sorted(secrets)[::40])
            node.faults.refuse(Method.GET_INFO, grpc.StatusCode.UNKNOWN, f"cannot do this: {quoted}")
            node.end_streams(End(grpc.StatusCode.UNKNOWN, f"broken by {quoted}"))

            async def quoted_in_log_and_page() -> bool:
                base = log.read_text().split('"address": "')[1].split('"')[0]
                pages.append(await asyncio.to_thread(fetch, f"http://{base}"))
                return "broken by" in log.read_text() and "cannot do this" in pages[-1]

            await until("both refusals are told", quoted_in_log_and_page)
            lists = await listed(tmp_path / "kept" / "state.sqlite")
            assert lists.count(in_flight) == 2
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        kept = b"".join(file.read_bytes() for file in (tmp_path / "kept").iterdir())
        assert len(kept) > 100_000
        assert [secret for secret in secrets if secret[:41].encode() in kept] == [], "in the state on disk"
        assert [secret for secret in secrets if len(secret) == HASH_DIGITS and bytes.fromhex(secret) in kept] == []
        said = pages[-1] + lists + log.read_text()
        assert "lnd_payments_succeeded_total" in said
        assert LISTEN in said
        assert len(secrets) > 400
        assert [secret for secret in secrets if secret in said] == []
        assert [secret for secret in secrets if secret[:41] in said] == [], "not even most of one"
