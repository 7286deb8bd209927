"""What lnd answers: macaroons that are wrong, too weak or too strong, old versions, slow nodes, other clocks."""

import datetime as dt
from pathlib import Path

import grpc
import pytest

from exporter.config.addresses import GRPC, REST, TRANSPORTS
from exporter.config.macaroons import BAKE
from exporter.doctor import notes
from exporter.payments.labels import Method
from exporter.simulator import credentials
from exporter.simulator.calls import Question
from exporter.simulator.clock import WallClock
from exporter.simulator.database import Options
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import ALL_PERMISSIONS, METHOD_PATHS, READONLY_PERMISSIONS
from tests.doctor.checked import HERE, HERE_FLAGS, Checked, check, flags_of, write

ONLY_OURS = "ok macaroon it allows only calls that the exporter makes"
WALLET = "ok wallet unlocked: lnd accepts calls"
ACCEPTS = "ok macaroon lnd accepts it, for all calls of the exporter"
SOME = "ok macaroon lnd accepts it, but not for all calls"
NO_PAYMENTS = "ok page lnd has no payments"
NO_TIME = "unknown clock lnd's answers don't say the time (over gRPC never), so the clocks can't be compared"
SAME_TIME = "ok clock lnd's clock and this machine's differ by less than 0.9 s"
VERSION = "ok version lnd 0.21.2-beta, which has all that the exporter uses"
CHAIN = "ok chain lnd has caught up, at block 840000 of regtest"
SMALLER = f"bake one that can only read payments, and give the exporter that: {' '.join(BAKE.split())}"
RENEW = "bake a new one before, without --timeout"
SLOW = "no answer within 2 s: is lnd's machine overloaded?"

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


def output(transport: str, code: int, *lines: str, total: str = "All is well.") -> Checked:
    """Return the output for a node to which there is a connection."""
    address = f"{'' if transport == GRPC else 'https://'}127.0.0.1:PORT"
    connected = [
        f"lnd: {address} ({transport})",
        "ok connection connected to 127.0.0.1 port PORT",
        "ok tls TLSv1.3 with the server",
        "ok certificate trusted for 127.0.0.1, made for localhost, 127.0.0.1, ::1; 419 days left",
    ]
    return Checked(code, [*HERE, *connected, *lines, total])


def rest_of(transport: str) -> list[str]:
    """Return the lines at the end, for a node without payments."""
    return [VERSION, CHAIN, NO_PAYMENTS, NO_TIME if transport == GRPC else SAME_TIME]


def denied(call: Method | Question, what: str, verdict: str = "warning") -> str:
    """Return the line for a permission that is missing."""
    path = METHOD_PATHS[call]
    fix = f"bake a macaroon that has uri:{path}, too"
    return f"{verdict} permission {path.rpartition('/')[2]} is denied: {what} -> {fix}"


NO_ALIASES = denied(
    Method.LIST_CHANNELS,
    "no aliases of peers, no balances, no offline peers as the cause of failures, no lost HTLCs",
)
ONE_BY_ONE = "each payment is followed by itself, and some failed HTLC attempts are missed"


@every_transport
async def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """With the recommended macaroon; lnd is asked for nothing but the exporter's calls, and not to scan its table."""
    async with SimulatedNode(tmp_path) as node:
        found = await check(capsys, *HERE_FLAGS, *flags_of(node, transport))
        assert found == output(transport, 0, WALLET, ONLY_OURS, ACCEPTS, *rest_of(transport))
        assert node.calls[Method.TRACK_PAYMENTS] == 0


@every_transport
async def test_macaroon_that_lnd_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """Of another node, and a revoked one: one line, not one for each call."""
    async with SimulatedNode(tmp_path) as node:
        flags = flags_of(node, transport)
        good = node.macaroon.read_bytes()
        clock = rest_of(transport)[-1]
        write(node.macaroon, credentials.macaroon(b"another" * 5, 0, ALL_PERMISSIONS))
        foreign = (
            "the macaroon is not of this node, or of a database that it no longer has: bake a new one on this node"
        )
        expected = [WALLET, ONLY_OURS, f"problem macaroon lnd refuses it -> {foreign}", clock]
        found = await check(capsys, *HERE_FLAGS, *flags)
        assert found == output(transport, 1, *expected, total="1 problem, no warnings.")
        write(node.macaroon, good)
        node.revoke_macaroons()
        expected[2] = "problem macaroon lnd refuses it -> the macaroon was revoked: bake a new one"
        found = await check(capsys, *HERE_FLAGS, *flags)
        assert found == output(transport, 1, *expected, total="1 problem, no warnings.")


@every_transport
async def test_each_permission_that_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    """What will be absent, and what to bake; a problem if nothing can be counted without it."""
    async with SimulatedNode(tmp_path, permissions=ALL_PERMISSIONS - {METHOD_PATHS[Method.LIST_CHANNELS]}) as node:
        flags = flags_of(node, transport)
        found = await check(capsys, *HERE_FLAGS, *flags)
        lines = [WALLET, ONLY_OURS, SOME, NO_ALIASES, *rest_of(transport)]
        assert found == output(transport, 0, *lines, total="No problems, 1 warning.")

        node.renew_macaroon([METHOD_PATHS[Method.GET_INFO]])
        found = await check(capsys, *HERE_FLAGS, *flags)
        lines = [
            *(WALLET, ONLY_OURS, SOME),
            denied(Method.LIST_PAYMENTS, "nothing is counted", "problem"),
            denied(Method.TRACK_PAYMENT, "what became of a payment can't be asked", "problem"),
            NO_ALIASES,
            denied(Method.TRACK_PAYMENTS, ONE_BY_ONE),
            *(VERSION, CHAIN, rest_of(transport)[-1]),
        ]
        assert found == output(transport, 1, *lines, total="2 problems, 2 warnings.")

        node.renew_macaroon(ALL_PERMISSIONS - {METHOD_PATHS[Method.TRACK_PAYMENTS]})
        for mode, code, more, total in (
            ("auto", 0, [SOME, denied(Method.TRACK_PAYMENTS, ONE_BY_ONE)], "No problems, 1 warning."),
            ("track", 0, [ACCEPTS], "All is well."),
            (
                "firehose",
                1,
                [SOME, denied(Method.TRACK_PAYMENTS, "nothing is counted (--lnd.mode=firehose)", "problem")],
                "1 problem, no warnings.",
            ),
        ):
            found = await check(capsys, *HERE_FLAGS, *flags, f"--lnd.mode={mode}")
            lines = [WALLET, ONLY_OURS, *more, *rest_of(transport)]
            assert found == output(transport, code, *lines, total=total)


async def test_permissions_to_explain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are asked for only if the exporter is to explain failures."""
    without = "failed payments without a route are not explained (--lnd.explain-no-route)"
    async with SimulatedNode(tmp_path) as node:
        found = await check(capsys, *HERE_FLAGS, *flags_of(node), "--lnd.explain-no-route")
        lines = [
            *(WALLET, ONLY_OURS, SOME),
            *(denied(call, without) for call in (Question.DECODE_PAY_REQ, Question.QUERY_ROUTES)),
        ]
        assert found == output(GRPC, 0, *lines, *rest_of(GRPC), total="No problems, 2 warnings.")
        node.renew_macaroon(READONLY_PERMISSIONS)
        found = await check(capsys, *HERE_FLAGS, *flags_of(node), "--lnd.explain-no-route")
        assert found == output(GRPC, 0, WALLET, ONLY_OURS, ACCEPTS, *rest_of(GRPC))


READ = ["address:read", "info:read", "invoices:read", "offchain:read", "onchain:read", "peers:read"]
ADMIN = [*READ, *(each.replace("read", "write") for each in READ), "macaroon:generate", "macaroon:write"]


async def test_macaroon_that_is_too_strong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told by its content, which lnd has signed: admin, one that may do something else, readonly, with conditions."""
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    limited = f"time-before {expires:%Y-%m-%dT%H:%M:%S}.123456789Z"
    cases: tuple[tuple[list[str], list[str], tuple[str, ...], str], ...] = (
        (ADMIN, [], (), "warning macaroon it can do everything, also spend all money: it is an admin macaroon"),
        (READ, [], (), "ok macaroon it can only read, though more than the exporter needs"),
        (
            ["invoices:write", *READ],
            [METHOD_PATHS[Method.GET_INFO], "/lnrpc.Lightning/SendCoins"],
            (),
            "warning macaroon it allows what the exporter never does: invoices:write, uri:/lnrpc.Lightning/SendCoins",
        ),
        (READ, [], ("ipaddr 127.0.0.1",), "ok macaroon it has a condition: ipaddr 127.0.0.1"),
        (
            READ,
            [],
            (limited,),
            f"warning macaroon it is valid until {expires:%Y-%m-%d %H:%M} UTC -> {RENEW}",
        ),
        (READ, [], ("time-before 2999-01-01T00:00:00Z",), "ok macaroon it is valid until 2999-01-01 00:00 UTC"),
    )
    async with SimulatedNode(tmp_path) as node:
        for permissions, methods, conditions, expected in cases:
            strong = credentials.macaroon(b"k" * 32, 1, methods, permissions=permissions, conditions=conditions)
            node.macaroons[strong] = ALL_PERMISSIONS
            write(node.macaroon, strong)
            found = await check(capsys, *HERE_FLAGS, *flags_of(node))
            warns = expected.startswith("warning")
            lines = [expected]
            if conditions:
                lines = ["ok macaroon it can only read, though more than the exporter needs", expected]
            elif warns:
                lines = [f"{expected} -> {SMALLER}"]
            total = "No problems, 1 warning." if warns else "All is well."
            assert found == output(GRPC, 0, WALLET, *lines, ACCEPTS, *rest_of(GRPC), total=total)


OLD = (
    "before 0.13 it doesn't report its state, so calls fail while it starts or is locked",
    f"before 0.16 it has no stream of all payments: {ONE_BY_ONE}",
    "before 0.17.4 REST fails 24 h after each start if lnd.conf has `tlsencryptkey`",
)


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("0.9.2-beta", ["problem version lnd 0.9.2-beta: the exporter needs 0.10 or newer -> update lnd"]),
        ("0.12.1-beta", [f"warning version lnd 0.12.1-beta: {limit} -> update lnd" for limit in OLD]),
        ("0.17.4-beta", ["ok version lnd 0.17.4-beta, which has all that the exporter uses"]),
        ("my fork", ["unknown version lnd calls its version 'my fork'"]),
        (f"{'9' * 5000}.1.1", ["unknown version lnd calls its version '[...]'"]),
        (f"0.21.2-{'x' * 1000}", [f"ok version lnd 0.21.2-{'x' * 53}, which has all that the exporter uses"]),
    ],
)
async def test_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, lines: list[str]) -> None:
    """Each limit that this version has."""
    async with SimulatedNode(tmp_path, version=version) as node:
        found = await check(capsys, *HERE_FLAGS, *flags_of(node, REST))
    assert [line for line in found.lines if " version " in line] == lines
    assert found.code == int(lines[0].startswith("problem"))


@every_transport
async def test_slow_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """One call that isn't answered in time, which the exporter waits longer for; pages; then nothing at all."""
    monkeypatch.setattr(notes, "STEP_S", 2.0)
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf"))) as node:
        flags = flags_of(node, transport)
        node.faults.delay(Method.GET_INFO)
        found = await check(capsys, *HERE_FLAGS, *flags)
        lines = [f"warning lnd GetInfo fails -> {SLOW}", NO_PAYMENTS, rest_of(transport)[-1]]
        assert found == output(transport, 0, WALLET, ONLY_OURS, ACCEPTS, *lines, total="No problems, 1 warning.")
        node.faults.heal()
        scenarios = Scenarios(node.world)
        await node.play(scenarios.success(), scenarios.success())
        node.faults.slow_list(1.2)
        found = await check(capsys, *HERE_FLAGS, *flags)
        line = (
            "warning page the newest 100 payments were not listed within 2 s -> is lnd's disk slow, its machine"
            " overloaded?"
        )
        lines = [VERSION, CHAIN, line, rest_of(transport)[-1]]
        assert found == output(transport, 0, WALLET, ONLY_OURS, ACCEPTS, *lines, total="No problems, 1 warning.")
        node.faults.silence()
        found = await check(capsys, *HERE_FLAGS, *flags)
        line = "problem lnd it doesn't answer within 2 s -> is its machine overloaded? Restart lnd if it stays so"
        expected = output(transport, 1, line, total="1 problem, no warnings.")
        expected.lines.remove("ok certificate trusted for 127.0.0.1, made for localhost, 127.0.0.1, ::1; 419 days left")
        assert found == expected


async def test_the_time_for_a_node_is_limited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found until then is shown."""
    monkeypatch.setattr(notes, "NODE_S", 2.0)
    async with SimulatedNode(tmp_path) as node:
        node.faults.delay(Method.GET_INFO)
        found = await check(capsys, *HERE_FLAGS, *flags_of(node))
    line = (
        "problem time not everything was answered within 2 s: the rest was not asked -> is lnd's machine overloaded, or"
        " the network slow?"
    )
    assert found == output(GRPC, 1, line, total="1 problem, no warnings.")


async def test_calls_that_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A problem if the exporter needs the call, else a warning; the error is explained."""
    async with SimulatedNode(tmp_path) as node:
        for method in (Method.LIST_CHANNELS, Method.TRACK_PAYMENT):
            node.faults.refuse(method, grpc.StatusCode.RESOURCE_EXHAUSTED, "too large")
        node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNKNOWN, "the database is closed")
        found = await check(capsys, *HERE_FLAGS, *flags_of(node))
    large = "fails -> an answer of lnd was larger than 200 MiB: please report it"
    unknown = "fails -> lnd answered with an unknown error: look into its log, and please report it"
    lines = [
        f"problem lnd ListPayments {unknown}",
        f"problem lnd TrackPaymentV2 {large}",
        f"warning lnd ListChannels {large}",
    ]
    expected = [WALLET, ONLY_OURS, ACCEPTS, *lines, VERSION, CHAIN, NO_TIME]
    assert found == output(GRPC, 1, *expected, total="2 problems, 1 warning.")


@pytest.mark.parametrize("keeps", [True, False])
async def test_failed_attempts(tmp_path: Path, capsys: pytest.CaptureFixture[str], *, keeps: bool) -> None:
    """Whether lnd keeps them is shown by its payments: before there are any that fail, it can't be told."""
    options = Options(keep_failed_payment_attempts=keeps)
    shown = {
        True: "ok attempts lnd keeps failed HTLC attempts (keep-failed-payment-attempts): none is missed after an"
        " absence",
        False: "ok attempts lnd deletes failed HTLC attempts when a payment ends, its default: those of payments that"
        " end while the exporter is away are counted as missed -> nothing, unless you want those, too:"
        " keep-failed-payment-attempts=true; lnd's database then grows faster",
    }
    async with SimulatedNode(tmp_path, clock=WallClock(float("inf")), options=options) as node:
        scenarios = Scenarios(node.world)
        for scenario, line in (
            (
                scenarios.success(),
                "unknown attempts whether lnd keeps failed HTLC attempts isn't shown by its newest 1",
            ),
            (scenarios.refused(), shown[keeps]),
        ):
            await node.play(scenario)
            found = await check(capsys, *HERE_FLAGS, *flags_of(node))
            assert found.code == 0
            assert next(each for each in found.lines if " attempts " in each).startswith(line)
