"""`check --connect` against a real lnd: its own macaroons, small ones, its locked wallet, over each transport."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.config.addresses import GRPC, REST, TRANSPORTS
from exporter.payments.labels import Method
from tests.doctor.checked import HERE, HERE_FLAGS, Checked, check
from tests.doctor.test_calls import NO_ALIASES, NO_PAYMENTS, NO_TIME, ONE_BY_ONE, ONLY_OURS, SAME_TIME, SMALLER, denied
from tests.network.chain import Neutrino
from tests.network.node import LIST_CHANNELS, OUR_CALLS, Node

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("alone")]

NO_CHAIN = (
    "warning chain lnd hasn't caught up with the chain (block 0): blocks left until HTLCs expire are wrong -> wait, or"
    " look after its Bitcoin node"
)
"""The node has no peers."""
VERSION = "ok version lnd 0.21.2-beta, which has all that the exporter uses"
WALLET = "ok wallet unlocked: lnd accepts calls"
ACCEPTS = "ok macaroon lnd accepts it, for all calls of the exporter"
SOME = "ok macaroon lnd accepts it, but not for all calls"

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture(scope="module")
async def node(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """Return a node without a network, which accepts calls."""
    node = Node("doctored", programs, tmp_path_factory.mktemp("doctored") / "lnd", Neutrino(), 1000)
    try:
        await node.create()
        yield node
    finally:
        await node.stop()
        await node.close()


async def run(capsys: pytest.CaptureFixture[str], node: Node, transport: str, macaroon: Path, *more: str) -> Checked:
    """Run the command; the lines about the certificate and this machine are left out."""
    address = node.address if transport == GRPC else f"https://{node.rest}"
    files = (f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={macaroon}")
    found = await check(capsys, *HERE_FLAGS, f"--lnd.transport={transport}", f"--lnd.address={address}", *files, *more)
    head, connection, tls, certificate = found.lines[len(HERE) : len(HERE) + 4]
    assert head.startswith("lnd: ")
    assert (connection, tls) == ("ok connection connected to 127.0.0.1 port PORT", "ok tls TLSv1.3 with the server")
    assert certificate.startswith("ok certificate trusted for 127.0.0.1, made for ")
    return Checked(found.code, found.lines[len(HERE) + 4 :])


def answered(transport: str) -> list[str]:
    """Return the lines at the end."""
    return [VERSION, NO_CHAIN, NO_PAYMENTS, NO_TIME if transport == GRPC else SAME_TIME]


@every_transport
async def test_macaroons(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """The recommended one, lnd's readonly and admin macaroons, and one that lacks calls."""
    small = tmp_path / "small.macaroon"
    await node.bake_macaroon(small, 1, (*OUR_CALLS, LIST_CHANNELS))
    found = await run(capsys, node, transport, small)
    assert found == Checked(0, [WALLET, ONLY_OURS, ACCEPTS, *answered(transport), "No problems, 1 warning."])

    readonly = node.admin_macaroon.with_name("readonly.macaroon")
    reads = "ok macaroon it can only read, though more than the exporter needs"
    found = await run(capsys, node, transport, readonly)
    assert found == Checked(0, [WALLET, reads, ACCEPTS, *answered(transport), "No problems, 1 warning."])

    strong = f"warning macaroon it can do everything, also spend all money: it is an admin macaroon -> {SMALLER}"
    found = await run(capsys, node, transport, node.admin_macaroon)
    assert found == Checked(0, [WALLET, strong, ACCEPTS, *answered(transport), "No problems, 2 warnings."])

    await node.bake_macaroon(small, 1, ("uri:/lnrpc.Lightning/GetInfo", "uri:/lnrpc.Lightning/ListPayments"))
    lines = [
        *(WALLET, ONLY_OURS, SOME),
        denied(Method.TRACK_PAYMENT, "what became of a payment can't be asked", "problem"),
        NO_ALIASES,
        denied(Method.TRACK_PAYMENTS, ONE_BY_ONE),
        *answered(transport),
        "1 problem, 3 warnings.",
    ]
    assert await run(capsys, node, transport, small) == Checked(1, lines)


async def test_permissions_to_explain(node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """lnd answers a broken invoice and an unknown node, which shows that it may be asked."""
    small = tmp_path / "small.macaroon"
    more = ("uri:/lnrpc.Lightning/DecodePayReq", "uri:/lnrpc.Lightning/QueryRoutes")
    await node.bake_macaroon(small, 1, (*OUR_CALLS, LIST_CHANNELS, *more))
    found = await run(capsys, node, GRPC, small, "--lnd.explain-no-route")
    assert found == Checked(0, [WALLET, ONLY_OURS, ACCEPTS, *answered(GRPC), "No problems, 1 warning."])


async def test_revoked_macaroon_and_one_with_conditions(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Conditions are read from the macaroon, also those that lnd doesn't find met."""
    small = tmp_path / "small.macaroon"
    await node.bake_macaroon(small, 7, (*OUR_CALLS, LIST_CHANNELS), ["--timeout=3600"])
    found = await run(capsys, node, REST, small)
    assert (found.code, found.lines[:2], found.lines[3]) == (0, [WALLET, ONLY_OURS], ACCEPTS)
    assert found.lines[2].startswith("warning macaroon it is valid until 20")
    await node.revoke_macaroon(7)
    found = await run(capsys, node, REST, small)
    assert (found.code, found.lines[3]) == (
        1,
        "problem macaroon lnd refuses it -> the macaroon was revoked: bake a new one",
    )
    await node.bake_macaroon(small, 1, OUR_CALLS, ["--ip_address=10.1.2.3"])
    found = await run(capsys, node, REST, small)
    assert (found.code, found.lines[2]) == (1, "ok macaroon it has a condition: ipaddr 10.1.2.3")
    assert found.lines[3].startswith("problem macaroon lnd refuses it -> the macaroon is bound to another IP address")


async def test_locked_wallet(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    """lnd says so over each transport, without a macaroon."""
    await node.stop()
    await node.start(unlock=False)
    readonly = node.admin_macaroon.with_name("readonly.macaroon")
    lines = [
        "problem wallet lnd doesn't accept calls yet -> the wallet is locked: unlock it with `lncli unlock`",
        "ok macaroon it can only read, though more than the exporter needs",
        "1 problem, no warnings.",
    ]
    for transport in TRANSPORTS:
        assert await run(capsys, node, transport, readonly) == Checked(1, lines)
    await node.unlock(until="RPC_ACTIVE")
