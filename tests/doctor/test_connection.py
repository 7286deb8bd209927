"""Which step of the connection fails: name, TCP, proxy, TLS, certificate, or what answers there."""

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from exporter.config.addresses import GRPC, REST, TRANSPORTS
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator import credentials
from exporter.simulator.server import SimulatedNode
from tests.doctor.checked import HERE, HERE_FLAGS, Checked, check, flags_of, write
from tests.lnd.socks import proxying
from tests.lnd.test_reach import HOST_OF_THE_SYSTEM

ONE = "1 problem, no warnings."
REFUSES = (
    "connection refused; nothing listens on that port there: is lnd running, is the port right? Unless lnd.conf has"
    " `rpclisten` (for REST `restlisten`), lnd listens on localhost only, and can't be reached from another machine or"
    " container"
)
CONNECTED = "ok connection connected to 127.0.0.1 port PORT"
TLS = "ok tls TLSv1.3 with the server"
NO_ADDRESS = (
    "problem address no-such-host.invalid can't be looked up -> this machine finds no address for the host in"
    " --lnd.address: is the name right, does `getent ahosts HOST` find it? Containers rarely know names of the network"
    " around them, such as umbrel.local: give an IP address"
)
WRONG_NAME = (
    "lnd's certificate is not made for this address: add it with `tlsextraip` or `tlsextradomain` to lnd.conf, delete"
    " tls.cert and tls.key, restart lnd and copy the new tls.cert here; or give the name that it has as"
    " --lnd.tls-server-name"
)
NOT_TRUSTED = (
    "the server's certificate isn't trusted here: --lnd.tls-cert must be a copy of lnd's current tls.cert. But with"
    " `tlsencryptkey` in lnd.conf lnd uses a temporary one while its wallet is locked: then don't copy it, unlock the"
    " wallet (`lncli --tlscertpath=.../tls.cert.tmp unlock`)"
)
EXPIRED = (
    "by the clock of this machine lnd's certificate has expired. Are the clocks of both machines right (`date`)? Then"
    " renew it: move tls.cert and tls.key of lnd away, restart it, and copy the new tls.cert here"
)
NOT_LND = {
    GRPC: (
        "the answer is not from lnd's gRPC: is this its REST port (usually 8080)? gRPC is usually on 10009. A proxy in"
        " between must speak HTTP/2 on both sides (nginx: `listen ... ssl http2`, `grpc_pass`)"
    ),
    REST: (
        "lnd closed the connection: is it stopping, or is this its gRPC port (usually 10009)? REST is usually on 8080"
    ),
}
NO_TLS = {
    GRPC: "gRPC port (usually 10009) and the certificate its current tls.cert?",
    REST: ("REST port (usually 8080)? If lnd is configured without TLS there, write http:// in front of the address"),
}
MADE_FOR = "made for localhost, 127.0.0.1, ::1"

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


def url(transport: str, address: str) -> str:
    """Return an address as this transport writes it."""
    return f"{'' if transport == GRPC else 'https://'}{address}"


def failed(transport: str, address: str, *lines: str) -> Checked:
    """Return the output for a node with one problem."""
    return Checked(1, [*HERE, f"lnd: {url(transport, address)} ({transport})", *lines, ONE])


@every_transport
async def test_no_way_to_lnd(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """A host without an address; a port on which nothing listens."""
    async with SimulatedNode(tmp_path) as node:
        found = await check(capsys, *HERE_FLAGS, *flags_of(node, transport, "no-such-host.invalid"))
        assert found == failed(transport, "no-such-host.invalid:PORT", NO_ADDRESS)
        flags = flags_of(node, transport)
    what = f"problem connection no connection to 127.0.0.1:PORT -> 127.0.0.1: {REFUSES}"
    assert await check(capsys, *HERE_FLAGS, *flags) == failed(transport, "127.0.0.1:PORT", what)


@every_transport
async def test_something_else_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """lnd's other port; a server that speaks no TLS; over REST a path that doesn't exist."""
    async with SimulatedNode(tmp_path) as node:
        kind, _, *files = flags_of(node, transport)
        other = f"--lnd.address={url(transport, node.rest if transport == GRPC else node.address)}"
        what = f"problem lnd what answers there isn't lnd, or isn't ready -> {NOT_LND.get(transport, NOT_LND[REST])}"
        expected = failed(transport, "127.0.0.1:PORT", CONNECTED, TLS, what)
        assert await check(capsys, *HERE_FLAGS, kind, other, *files) == expected

        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 welcome to our mail server\r\n")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            address = "127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            found = await check(capsys, *HERE_FLAGS, kind, f"--lnd.address={url(transport, address)}", *files)
        to_do = f"no TLS connection: is this lnd's {NO_TLS.get(transport, NO_TLS[REST])}"
        what = f"problem tls no TLS with the server -> {to_do}"
        assert found == failed(transport, "127.0.0.1:PORT", CONNECTED, what)

        if transport != GRPC:
            found = await check(capsys, *HERE_FLAGS, *flags_of(node, transport, path="/lnd"))
            expected = failed(
                transport,
                "127.0.0.1:PORT/lnd",
                CONNECTED,
                TLS,
                f"ok certificate trusted for 127.0.0.1, {MADE_FOR}; 419 days left",
                "ok macaroon it allows only calls that the exporter makes",
                "problem lnd every call fails -> this lnd lacks a call: is the path in the address right? TrackPayments"
                " needs lnd 0.16 or newer",
            )
            assert found == expected


async def test_another_web_server_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it says with status 200, and however it ends."""
    macaroon = write(tmp_path / "payments.macaroon", credentials.macaroon(b"k" * 32, 1, []))
    for body in (b"hello", b"", b"{}", b"[]", b"1", b'{"a":' * 5000, b"\xff\xfe"):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes = body) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            address = "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            flags = ["--lnd.transport=rest", f"--lnd.address={address}", f"--lnd.macaroon={macaroon}"]
            found = await check(capsys, *HERE_FLAGS, *flags)
        assert found.code == 1
        assert found.lines[5].startswith("problem lnd what answers there isn't lnd, or isn't ready -> the answer ")


@every_transport
async def test_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """One that isn't lnd's; a name that lnd's doesn't have; one that has expired; one that soon will."""
    day, today = dt.timedelta(days=1), dt.datetime.now(dt.UTC)
    node = SimulatedNode(tmp_path)
    node._certificate = credentials.certificate(until=100 * day + day / 2)
    write(node.tls_cert, node._certificate.certificate)
    shown = f"the server's is {MADE_FOR}, until"
    async with node:
        kind, address, cert, macaroon = flags_of(node, transport)
        other = write(tmp_path / "other.cert", credentials.certificate().certificate)
        found = await check(capsys, *HERE_FLAGS, kind, address, f"--lnd.tls-cert={other}", macaroon)
        until = f"{today + 100.5 * day:%Y-%m-%d}"
        what = f"problem certificate TLS refuses the certificate; {shown} {until} -> {NOT_TRUSTED}"
        assert found == failed(transport, "127.0.0.1:PORT", CONNECTED, TLS, what)

        found = await check(capsys, *HERE_FLAGS, *flags_of(node, transport, HOST_OF_THE_SYSTEM))
        what = f"problem certificate TLS refuses the certificate; {shown} {until} -> {WRONG_NAME}"
        named = f"ok address {HOST_OF_THE_SYSTEM} is 127.0.0.1"
        assert found == failed(transport, f"{HOST_OF_THE_SYSTEM}:PORT", named, CONNECTED, TLS, what)

    node._certificate = credentials.certificate(since=-400 * day, until=-day)
    write(node.tls_cert, node._certificate.certificate)
    async with node:
        found = await check(capsys, *HERE_FLAGS, kind, address, cert, macaroon)
    what = f"problem certificate TLS refuses the certificate; {shown} {today - day:%Y-%m-%d} -> {EXPIRED}"
    assert found == failed(transport, "127.0.0.1:PORT", CONNECTED, TLS, what)

    node._certificate = credentials.certificate(until=10 * day + day / 2)
    write(node.tls_cert, node._certificate.certificate)
    async with node:
        found = await check(capsys, *HERE_FLAGS, kind, address, cert, macaroon)
    assert (found.code, found.lines[-1]) == (0, "No problems, 1 warning.")
    assert found.lines[6] == (
        f"warning certificate trusted for 127.0.0.1, {MADE_FOR}; 10 days left -> renew it before: move tls.cert and"
        " tls.key of lnd away, restart it, and copy the new tls.cert here; a certificate of a CA is renewed there"
    )


@every_transport
async def test_proxy(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """One that works; one that doesn't reach lnd; one that wants a password, which is never shown; none at all."""
    async with SimulatedNode(tmp_path) as node:
        to = node.address if transport == GRPC else node.rest
        flags = [*flags_of(node, transport, "lnd.onion"), "--lnd.tls-server-name=localhost"]
        head = [*HERE, f"lnd: {url(transport, 'lnd.onion:PORT')} ({transport})"]
        proxy_is_there = "ok proxy connected to 127.0.0.1 port PORT"
        async with proxying(to) as proxy:
            found = await check(capsys, *HERE_FLAGS, *flags, f"--lnd.proxy=socks5://{proxy.address}")
        assert found.code == 0
        assert found.lines[:7] == [
            *head,
            proxy_is_there,
            "ok connection the proxy gets to lnd.onion:PORT",
            TLS,
        ]
        async with proxying("") as proxy:
            found = await check(capsys, *HERE_FLAGS, *flags, f"--lnd.proxy=socks5://{proxy.address}")
        unreached = "the proxy of --lnd.proxy doesn't reach lnd: is lnd running, is its address right?"
        what = f"problem connection the proxy doesn't get to lnd.onion:PORT -> {unreached}"
        assert found == Checked(1, [*head, proxy_is_there, what, ONE])
        async with proxying(to, ("me", "right")) as proxy:
            found = await check(capsys, *HERE_FLAGS, *flags, f"--lnd.proxy=socks5://me:wrong@{proxy.address}")
        unreached = "the proxy of --lnd.proxy wants another user or password"
        what = f"problem connection the proxy doesn't get to lnd.onion:PORT -> {unreached}"
        assert found == Checked(1, [*head, proxy_is_there, what, ONE])
        found = await check(capsys, *HERE_FLAGS, *flags, f"--lnd.proxy=socks5://{proxy.address}")
        unreached = "the proxy of --lnd.proxy can't be reached: is it running, is its address right?"
        what = f"problem proxy no connection to 127.0.0.1:PORT -> {unreached}"
        assert found == Checked(1, [*head, what, ONE])
        found = await check(capsys, *HERE_FLAGS, *flags, "--lnd.proxy=socks5://no-such-host.invalid:9050")
    what = f"problem proxy no-such-host.invalid can't be looked up -> {unreached}"
    assert found == Checked(1, [*head, what, ONE])


@every_transport
async def test_wallet(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    """Locked, not created, starting: lnd answers, but accepts no calls; what the macaroon says can be told."""
    states = {
        pb.LOCKED: "the wallet is locked: unlock it with `lncli unlock`",
        pb.NON_EXISTING: "lnd has no wallet yet: create one with `lncli create`",
        pb.UNLOCKED: "lnd is starting, or waits to become the leader of its cluster: nothing to do but wait",
    }
    async with SimulatedNode(tmp_path) as node:
        for state, to_do in states.items():
            node.set_state(state)
            assert await check(capsys, *HERE_FLAGS, *flags_of(node, transport)) == failed(
                transport,
                "127.0.0.1:PORT",
                CONNECTED,
                TLS,
                f"ok certificate trusted for 127.0.0.1, {MADE_FOR}; 419 days left",
                f"problem wallet lnd doesn't accept calls yet -> {to_do}",
                "ok macaroon it allows only calls that the exporter makes",
            )
