"""How a node is reached, over every transport: by our settings and the system, not by the defaults of a library."""

import asyncio
import datetime as dt
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from exporter.app import client_of
from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.lnd import reach, resolver
from exporter.lnd.client import LndError
from exporter.payments.labels import Interruption
from exporter.simulator import credentials
from exporter.simulator.server import SimulatedNode
from tests.lnd.socks import proxying
from tests.patience import PATIENCE_S

HOST_OF_THE_SYSTEM = "0x7f000001"
"""127.0.0.1 as only the system's resolver understands it; gRPC's own resolver would look it up in DNS."""
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)

PROGRAM = """
import asyncio, sys
from exporter.app import client_of
from exporter.config import load
from exporter.lnd.client import LndError

async def main():
    client = client_of(load(sys.argv[1:], {}, "check").nodes[0])
    try:
        await client.connect()
        print((await client.info(9)).pubkey)
    except LndError as error:
        print(error.advice)
    await client.close()

asyncio.run(main())
"""


def config(
    node: SimulatedNode,
    transport: str,
    host: str = "localhost",
    *,
    system: bool = False,
    proxy: str | None = None,
    server_name: str | None = None,
) -> NodeConfig:
    """Return a configuration that reaches the node under this host name."""
    port = (node.address if transport == GRPC else node.rest).rpartition(":")[2]
    address = f"{'' if transport == GRPC else 'https://'}{host}:{port}"
    cert = None if system else node.tls_cert
    return NodeConfig("lnd", address, cert, node.macaroon, transport, proxy, tls_server_name=server_name)


async def pubkey_of(node: NodeConfig) -> str:
    """Connect and return the public key of the node that answers; raises `LndError`."""
    client = client_of(node)
    try:
        await client.connect()
        return (await client.info(9)).pubkey
    finally:
        await client.close()


async def failure(node: NodeConfig) -> LndError:
    """Return why the node can't be reached."""
    with pytest.raises(LndError) as caught:
        await pubkey_of(node)
    return caught.value


@every_transport
async def test_proxy_variables_are_ignored(tmp_path: Path, transport: str) -> None:
    """A process with all of them, and without `no_proxy`, doesn't connect to their proxy."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        url = "http://127.0.0.1:{1}".format(*proxy.getsockname())
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        variables = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
        added = {spelling: url for name in variables for spelling in (name, name.upper())}
        async with SimulatedNode(tmp_path) as node:
            flags = [f"--lnd.transport={transport}", f"--lnd.address={config(node, transport).address}"]
            flags += [f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}"]
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", PROGRAM, *flags), env=kept | added, stdout=asyncio.subprocess.PIPE
            )
            output, _ = await child.communicate()
        assert output.decode().strip() == node.world.me.pubkey
        with pytest.raises(BlockingIOError):
            proxy.accept()


@contextmanager
def system_certificates(monkeypatch: pytest.MonkeyPatch, file: object, directories: object) -> Iterator[None]:
    """Let the system trust the certificates in these places, and not those that gRPC finds by itself."""
    with monkeypatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        patch.setenv("SSL_CERT_DIR", str(directories))
        patch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
        yield


def private_ca(name: str) -> tuple[bytes, credentials.Certificate]:
    """Return the certificate of a new CA, and a certificate for localhost that it signed."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]) for common in (name, "localhost")]
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    ca, leaf = (
        x509.CertificateBuilder(names[0], subject, key.public_key(), number + 1, now - day, now + day)
        .add_extension(x509.BasicConstraints(ca=not number, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(keys[0], hashes.SHA256())
        .public_bytes(Encoding.PEM)
        for number, (subject, key) in enumerate(zip(names, keys, strict=True))
    )
    return ca, credentials.Certificate(leaf, keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@every_transport
async def test_system_trusts_a_private_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    """In its file, whatever surrounds it there, or in a directory, but there only in a file named by a hash."""
    (mine, leaf), (other, _) = private_ca("mine"), private_ca("another")
    damaged = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(other.decode())[:-9]).encode()
    places = [tmp_path / name for name in ("first", "second", "no hash")]
    for place in places:
        place.mkdir()
    node = SimulatedNode(tmp_path)
    node._certificate, me = leaf, node.world.me.pubkey
    async with node:
        bundle = tmp_path / "bundle.crt"
        bundle.write_bytes(b"# Caf\xc3\xa9 CA\n" + damaged + other + mine)
        (places[0] / "00000000.0").symlink_to("gone")
        (places[1] / "1f2e3d4c.0").write_bytes(mine)
        (places[2] / "ca.pem").write_bytes(mine)
        wanted = config(node, transport, system=True)
        with system_certificates(monkeypatch, bundle, tmp_path / "nowhere"):
            assert await pubkey_of(wanted) == me
        with system_certificates(monkeypatch, tmp_path / "nowhere", f"{places[0]}:{places[1]}"):
            assert await pubkey_of(wanted) == me
        bundle.write_bytes(other)
        with system_certificates(monkeypatch, bundle, places[2]):
            monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(places[2] / "ca.pem"))
            error = await failure(wanted)
            assert (error.cause, "isn't trusted here" in error.advice) == (Interruption.CERTIFICATE, True)
        bundle.write_bytes(mine)  # it is read again for every connection
        with system_certificates(monkeypatch, bundle, places[2]):
            assert await pubkey_of(wanted) == me


@every_transport
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_system_without_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, content: bytes | None
) -> None:
    """As in a minimal container image: the advice names the places that were searched, and what to do."""
    bundle = tmp_path / "bundle.crt"
    if content is not None:
        bundle.write_bytes(content)
    async with SimulatedNode(tmp_path) as node:
        with system_certificates(monkeypatch, bundle, tmp_path):
            error = await failure(config(node, transport, system=True))
    assert error.cause is Interruption.CERTIFICATE
    assert f"there is none in {bundle} and in {tmp_path}. Install" in error.advice


@every_transport
async def test_system_resolves_the_host(tmp_path: Path, transport: str) -> None:
    """Not a resolver of a library. An unknown or impossible name gives the same advice over every transport."""
    async with SimulatedNode(tmp_path) as node:
        found = config(node, transport, HOST_OF_THE_SYSTEM, server_name="localhost")
        assert await pubkey_of(found) == node.world.me.pubkey
        for host in ("no-such-host.invalid", "two..dots"):
            error = await failure(config(node, transport, host))
            assert (error.cause, "getent ahosts" in error.advice) == (Interruption.UNREACHABLE, True)


async def test_several_addresses() -> None:
    """`check --connect` keeps the first that answers, closes connections to others, and names those that failed."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.socket() as second:
        port = first.getsockname()[1]
        second.bind(("127.0.0.3", port))
        second.listen()
        ips = ("127.0.0.2", "127.0.0.1", "127.0.0.3")
        addresses = [reach.HostAddress(socket.AF_INET, socket.SOCK_STREAM, 0, (ip, port)) for ip in ips]
        found = await reach.connect(addresses, PATIENCE_S)
        with found.socket, second.accept()[0] as unused:
            assert (found.ip, found.socket.getpeername()) == ("127.0.0.1", ("127.0.0.1", port))
            assert found.failed == {"127.0.0.2": "connection refused"}
            unused.settimeout(PATIENCE_S)
            assert unused.recv(1) == b""


@pytest.mark.parametrize(
    ("found", "target"),
    [
        ([("10.0.0.7", 1)], "ipv4:10.0.0.7:1"),
        ([("10.0.0.7", 1), ("10.0.0.8", 1)], "ipv4:10.0.0.7:1,10.0.0.8:1"),
        ([("fd00::7", 1, 0, 0)], "ipv6:[fd00::7]:1"),
        ([("fd00::7", 1, 0, 0), ("10.0.0.7", 1)], "ipv6:[fd00::7]:1,[::ffff:10.0.0.7]:1"),
        ([("fe80::7", 1, 0, 2), ("fe80::8%eth0", 1, 0, 3)], "ipv6:[fe80::7%252]:1,[fe80::8%253]:1"),
    ],
)
def test_grpc_target_has_all_addresses(found: list[tuple[str | int, ...]], target: str) -> None:
    """In their order; a link-local address with its interface."""
    assert resolver.to_target(found) == target


async def test_grpc_goes_on_to_the_next_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to one of the other family. Only the result of the lookup is made up here."""
    async with SimulatedNode(tmp_path) as node:
        port = int(node.address.rpartition(":")[2])
        live, refuses, discards = ("127.0.0.1", port), ("127.0.0.8", port), ("100::1", port, 0, 0)
        for found in ([refuses, live], [("::1", port, 0, 0), live], [discards, live]):

            async def resolve(_host: str, _port: int, found: list[tuple[str | int, ...]] = found) -> str:  # type: ignore[assignment]
                return resolver.to_target(found)

            monkeypatch.setattr(resolver, "resolve", resolve)
            assert await pubkey_of(config(node, GRPC)) == node.world.me.pubkey


@every_transport
@pytest.mark.parametrize("through_proxy", [False, True])
async def test_certificate_with_another_name_needs_the_server_name(
    tmp_path: Path, transport: str, *, through_proxy: bool
) -> None:
    """A name or an IP address in the certificate; the certificate must still be lnd's own."""
    async with SimulatedNode(tmp_path) as node:
        port = (node.address if transport == GRPC else node.rest).rpartition(":")[2]
        async with proxying(f"127.0.0.1:{port}") as proxy:
            host = "lnd.onion" if through_proxy else HOST_OF_THE_SYSTEM
            url = f"socks5://{proxy.address}" if through_proxy else None
            for name in ("localhost", "127.0.0.1", "::1"):
                named = config(node, transport, host, proxy=url, server_name=name)
                assert await pubkey_of(named) == node.world.me.pubkey
            for wrong in (None, "alice.example", "127.0.0.2", "::2"):
                error = await failure(config(node, transport, host, proxy=url, server_name=wrong))
                assert error.cause is Interruption.CERTIFICATE
                assert "--lnd.tls-server-name" in error.advice
            node.tls_cert.write_bytes(credentials.certificate().certificate)
            error = await failure(config(node, transport, host, proxy=url, server_name="localhost"))
            assert (error.cause, "isn't trusted here" in error.advice) == (Interruption.CERTIFICATE, True)
            assert {address.partition(":")[0] for address in proxy.requested} == ({host} if through_proxy else set())


@every_transport
@pytest.mark.parametrize("which", ["macaroon", "tls_cert"])
async def test_endless_file_is_not_read_to_its_end(tmp_path: Path, transport: str, which: str) -> None:
    """A file may have been replaced since the last connection; at most a mebibyte is read."""
    async with SimulatedNode(tmp_path) as node:
        file: Path = getattr(node, which)
        file.unlink()
        file.symlink_to("/dev/zero")
        error = await failure(config(node, transport))
    assert error.advice == f"{file} is larger than a mebibyte: put lnd's file back there"


async def test_one_address_of_a_host_is_enough() -> None:
    """All are tried at once; the first in the host's order that answers is kept, the others are named with a reason."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        live, refuses = (
            reach.HostAddress(socket.AF_INET, socket.SOCK_STREAM, 6, (ip, port)) for ip in ("127.0.0.1", "127.0.0.8")
        )
        opened = await reach.connect([refuses, live], 5)
        opened.socket.close()
        assert (opened.ip, opened.failed) == ("127.0.0.1", {"127.0.0.8": "connection refused"})
        with pytest.raises(LndError, match=r"^127\.0\.0\.8: connection refused; nothing listens on that port there: "):
            await reach.connect([refuses], 5)
