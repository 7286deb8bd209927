"""No macaroon, preimage or payment request leaves the exporter: not in pages, logs, state or the output of commands."""

import asyncio
import signal
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.payments.labels import Method
from exporter.simulator.calls import Question
from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import Register
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import READONLY_PERMISSIONS
from exporter.simulator.subscriptions import RpcStatus
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
"""The exporter, with a check for long payments every 0.2 seconds instead of every minute."""


def fetch(base: str) -> str:
    """Return all pages in both formats, whatever their status."""
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


async def open_output(state: Path) -> str:
    """Return the output of the command `open`, as table and as JSON."""
    command, output = [sys.executable, "-m", "exporter", "open", f"--storage.path={state}"], ""
    for flags in ([], ["--json"]):
        process = await asyncio.create_subprocess_exec(*command, *flags, stdout=asyncio.subprocess.PIPE)
        stdout, _ = await process.communicate()
        output += stdout.decode()
    return output


def hold(node: SimulatedNode) -> str:
    """Start a payment that stays in flight and return its hash."""
    scenario = Scenarios(node.world, "held").held_then_settled()
    for step in scenario.steps:
        node.database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            break
    return scenario.payment_hash


async def track_output(
    node: SimulatedNode, transport: str, payment_hash: str, *flags: str, command: str = "track"
) -> str:
    """Return the output of the command `track` or `why`, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", command, payment_hash, f"--lnd.transport={transport}"),
        *(f"--lnd.address={node.address if transport == GRPC else node.rest}", f"--lnd.tls-cert={node.tls_cert}"),
        *(f"--lnd.macaroon={node.macaroon}", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_why_shows_no_secrets(tmp_path: Path) -> None:
    """As text and as JSON, for payments of every kind; and none that an error of lnd quotes."""
    async with SimulatedNode(tmp_path, permissions=READONLY_PERMISSIONS, clock=WallClock(float("inf"))) as node:
        scenarios = Scenarios(node.world)
        some = [scenarios.success(), scenarios.keysend(), scenarios.amp(), scenarios.refused(), scenarios.no_route()]
        await node.play(*some)
        hashes = [*(scenario.payment_hash for scenario in some), hold(node)]
        secrets = node.secrets()
        runs = [(one, flags) for one in hashes for flags in ((), ("--json",))]
        outputs = await asyncio.gather(*(track_output(node, GRPC, one, *flags, command="why") for one, flags in runs))
        assert [one in text for (one, _), text in zip(runs, outputs, strict=True)] == [True] * len(runs)
        for refused in (Question.QUERY_ROUTES, Question.DECODE_PAY_REQ):
            quoted = f"cannot do this: {' '.join(sorted(secrets))}"
            node.faults.refuse(refused, grpc.StatusCode.UNKNOWN, quoted)
            outputs.append(await track_output(node, GRPC, some[-1].payment_hash, command="why"))
            assert "cannot do this" in outputs[-1]
        assert [secret for secret in secrets if secret[:41] in "".join(outputs)] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_track_shows_secrets_only_on_request(tmp_path: Path, transport: str) -> None:
    """As table and as JSON, for every kind of payment; and never those that an error of lnd quotes."""
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node:
        scenarios = Scenarios(node.world)
        some = [scenarios.success(), scenarios.keysend(), scenarios.amp(), scenarios.refused()]
        await node.play(*some)
        secrets = node.secrets()
        # The table is made of the same updates as the JSON: one transport is enough for it.
        for flags in (["--json"], *([[]] if transport == GRPC else [])):
            outputs = await asyncio.gather(
                *(track_output(node, transport, scenario.payment_hash, *flags) for scenario in some)
            )
            assert [scenario.payment_hash in text for scenario, text in zip(some, outputs, strict=True)] == [True] * 4
            assert [secret for secret in secrets if secret[:41] in "".join(outputs)] == []
            outputs = await asyncio.gather(
                *(track_output(node, transport, scenario.payment_hash, "--show-secrets", *flags) for scenario in some)
            )
            shown = "".join("".join(outputs).split())
            # Two payment requests and the preimages of three succeeded payments; macaroons are never shown.
            assert len([secret for secret in secrets if secret in shown]) == 5
            assert node.macaroon.read_bytes().hex() not in shown
        quoted = " ".join(sorted(secrets))
        node.faults.refuse(Method.TRACK_PAYMENT, grpc.StatusCode.UNKNOWN, f"cannot do this: {quoted}")
        text = await track_output(node, transport, some[0].payment_hash, "--show-secrets")
        assert "cannot do this" in text
        assert [secret for secret in secrets if secret[:41] in text] == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_exporter_leaks_no_secret(tmp_path: Path, transport: str) -> None:
    """In pages, log, state file and the command `open`, after every kind of payment and errors that quote secrets."""
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
            await node.wait_for_subscribers(1)
            scenarios = iter(RandomTraffic(node.world, 3))
            for _ in range(300):
                await node.play(next(scenarios))
            in_flight = hold(node)
            await node.wait_until_drained()

            async def named_in_log() -> bool:
                return in_flight in log.read_text()

            await until("the log names the payment in flight", named_in_log)
            secrets = node.secrets()
            quoted = " ".join(sorted(secrets)[::40])
            node.faults.refuse(Method.GET_INFO, grpc.StatusCode.UNKNOWN, f"cannot do this: {quoted}")
            node.end_streams(RpcStatus(grpc.StatusCode.UNKNOWN, f"broken by {quoted}"))

            async def errors_in_log_and_page() -> bool:
                base = log.read_text().split('"address": "')[1].split('"')[0]
                pages.append(await asyncio.to_thread(fetch, f"http://{base}"))
                return "broken by" in log.read_text() and "cannot do this" in pages[-1]

            await until("log and page show the errors", errors_in_log_and_page)
            open_text = await open_output(tmp_path / "kept" / "state.sqlite")
            assert open_text.count(in_flight) == 2
        finally:
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        state = b"".join(file.read_bytes() for file in (tmp_path / "kept").iterdir())
        assert len(state) > 100_000
        assert [secret for secret in secrets if secret[:41].encode() in state] == [], "in the state file"
        assert [secret for secret in secrets if len(secret) == HASH_DIGITS and bytes.fromhex(secret) in state] == []
        output = pages[-1] + open_text + log.read_text()
        assert "lnd_payments_succeeded_total" in output
        assert LISTEN in output
        assert len(secrets) > 400
        assert [secret for secret in secrets if secret in output] == []
        assert [secret for secret in secrets if secret[:41] in output] == [], "not even the first 41 characters of one"
