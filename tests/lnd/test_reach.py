"""How a node is reached, over every transport: only our settings and the system decide, no library's own ideas."""

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
from exporter.lnd import resolver
from exporter.lnd.client import LndError
from exporter.payments.labels import Interruption
from exporter.simulator import credentials
from exporter.simulator.server import SimulatedNode
from tests.lnd.socks import proxying

ONLY_THE_SYSTEM_KNOWS = "0x7f000001"
"""A way to write 127.0.0.1 that the C library understands; gRPC's own resolver would ask DNS for it."""
EVERYWHERE = pytest.mark.parametrize("transport", TRANSPORTS)

ASK = """
import asyncio, sys
from exporter.app import client_of
from exporter.config import load
from exporter.lnd.client import LndError

async def ask():
    client = client_of(load(sys.argv[1:], {}, "check").nodes[0])
    try:
        await client.connect()
        print((await client.info(9)).pubkey)
    except LndError as trouble:
        print(trouble.advice)
    await client.close()

asyncio.run(ask())
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
    """How the node is reached under this host name."""
    port = (node.address if transport == GRPC else node.rest).rpartition(":")[2]
    address = f"{'' if transport == GRPC else 'https://'}{host}:{port}"
    cert = None if system else node.tls_cert
    return NodeConfig("lnd", address, cert, node.macaroon, transport, proxy, tls_server_name=server_name)


async def asked(node: NodeConfig) -> str:
    """The public key of what is reached so; raises `LndError`."""
    client = client_of(node)
    try:
        await client.connect()
        return (await client.info(9)).pubkey
    finally:
        await client.close()


async def refused(node: NodeConfig) -> LndError:
    """Why it isn't reached."""
    with pytest.raises(LndError) as caught:
        await asked(node)
    return caught.value


@EVERYWHERE
async def test_proxy_variables_change_nothing(tmp_path: Path, transport: str) -> None:
    """In a process of its own that has them all, and no `no_proxy`: nobody connects to the proxy that they name."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        url = "http://127.0.0.1:{1}".format(*proxy.getsockname())
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        variables = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
        named = {spelled: url for name in variables for spelled in (name, name.upper())}
        async with SimulatedNode(tmp_path) as node:
            flags = [f"--lnd.transport={transport}", f"--lnd.address={config(node, transport).address}"]
            flags += [f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}"]
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", ASK, *flags), env=kept | named, stdout=asyncio.subprocess.PIPE
            )
            said, _ = await child.communicate()
        assert said.decode().strip() == node.world.me.pubkey
        with pytest.raises(BlockingIOError):
            proxy.accept()


@contextmanager
def store(monkeypatch: pytest.MonkeyPatch, file: object, directories: object) -> Iterator[None]:
    """The system trusts what is there; what gRPC would take for the system's store has nothing of use in it."""
    with monkeypatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        patch.setenv("SSL_CERT_DIR", str(directories))
        patch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
        yield


def private_ca(name: str) -> tuple[bytes, credentials.Certificate]:
    """A certificate authority, and what it has signed for localhost."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    whose = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]) for common in (name, "localhost")]
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    ca, leaf = (
        x509.CertificateBuilder(whose[0], subject, key.public_key(), number + 1, now - day, now + day)
        .add_extension(x509.BasicConstraints(ca=not number, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(keys[0], hashes.SHA256())
        .public_bytes(Encoding.PEM)
        for number, (subject, key) in enumerate(zip(whose, keys, strict=True))
    )
    return ca, credentials.Certificate(leaf, keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@EVERYWHERE
async def test_the_system_trusts_a_private_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """One of its file, whatever stands around it, or of a directory, but there only under the name of a hash."""
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
        with store(monkeypatch, bundle, tmp_path / "nowhere"):
            assert await asked(wanted) == me
        with store(monkeypatch, tmp_path / "nowhere", f"{places[0]}:{places[1]}"):
            assert await asked(wanted) == me
        bundle.write_bytes(other)
        with store(monkeypatch, bundle, places[2]):
            monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(places[2] / "ca.pem"))
            trouble = await refused(wanted)
            assert (trouble.cause, "isn't trusted here" in trouble.advice) == (Interruption.CERTIFICATE, True)
        bundle.write_bytes(mine)  # it is read anew at every connection
        with store(monkeypatch, bundle, places[2]):
            assert await asked(wanted) == me


@EVERYWHERE
@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_the_system_trusts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, content: bytes | None
) -> None:
    """As in an image without certificates: where they were looked for is said, and what to do."""
    bundle = tmp_path / "bundle.crt"
    if content is not None:
        bundle.write_bytes(content)
    async with SimulatedNode(tmp_path) as node:
        with store(monkeypatch, bundle, tmp_path):
            trouble = await refused(config(node, transport, system=True))
    assert trouble.cause is Interruption.CERTIFICATE
    assert f"there is none in {bundle} and in {tmp_path}. Install" in trouble.advice


@EVERYWHERE
async def test_the_system_is_asked_for_a_name(tmp_path: Path, transport: str) -> None:
    """Not DNS by a resolver that a library brings along; there are no addresses of a name that isn't one, either."""
    async with SimulatedNode(tmp_path) as node:
        found = config(node, transport, ONLY_THE_SYSTEM_KNOWS, server_name="localhost")
        assert await asked(found) == node.world.me.pubkey
        for host in ("no-such-host.invalid", "two..dots"):
            trouble = await refused(config(node, transport, host))
            assert (trouble.cause, "getent ahosts" in trouble.advice) == (Interruption.UNREACHABLE, True)


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
def test_what_grpc_dials(found: list[tuple[str | int, ...]], target: str) -> None:
    """All addresses in their order, with the interface where an address means nothing without one."""
    assert resolver.dialled(found) == target


async def test_the_first_address_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC goes on to the next, also of the other family; what the system finds is made up here, the rest is real."""
    async with SimulatedNode(tmp_path) as node:
        port = int(node.address.rpartition(":")[2])
        live, refuses, discards = ("127.0.0.1", port), ("127.0.0.8", port), ("100::1", port, 0, 0)
        for found in ([refuses, live], [("::1", port, 0, 0), live], [discards, live]):

            async def target(_host: str, _port: int, found: list[tuple[str | int, ...]] = found) -> str:  # type: ignore[assignment]
                return resolver.dialled(found)

            monkeypatch.setattr(resolver, "target", target)
            assert await asked(config(node, GRPC)) == node.world.me.pubkey


@EVERYWHERE
@pytest.mark.parametrize("through_proxy", [False, True])
async def test_the_certificate_has_another_name(tmp_path: Path, transport: str, *, through_proxy: bool) -> None:
    """It counts if it has the name that is given, an IP address, too, and only if it is lnd's own."""
    async with SimulatedNode(tmp_path) as node:
        port = (node.address if transport == GRPC else node.rest).rpartition(":")[2]
        async with proxying(f"127.0.0.1:{port}") as proxy:
            host = "lnd.onion" if through_proxy else ONLY_THE_SYSTEM_KNOWS
            url = f"socks5://{proxy.address}" if through_proxy else None
            for name in ("localhost", "127.0.0.1", "::1"):
                named = config(node, transport, host, proxy=url, server_name=name)
                assert await asked(named) == node.world.me.pubkey
            for wrong in (None, "alice.example", "127.0.0.2", "::2"):
                trouble = await refused(config(node, transport, host, proxy=url, server_name=wrong))
                assert trouble.cause is Interruption.CERTIFICATE
                assert "--lnd.tls-server-name" in trouble.advice
            node.tls_cert.write_bytes(credentials.certificate().certificate)
            trouble = await refused(config(node, transport, host, proxy=url, server_name="localhost"))
            assert (trouble.cause, "isn't trusted here" in trouble.advice) == (Interruption.CERTIFICATE, True)
            assert {asked_for.partition(":")[0] for asked_for in proxy.asked} == ({host} if through_proxy else set())


@EVERYWHERE
@pytest.mark.parametrize("which", ["macaroon", "tls_cert"])
async def test_a_file_that_has_become_something_endless(tmp_path: Path, transport: str, which: str) -> None:
    """It is read again at every connection, but no further than what such a file can have."""
    async with SimulatedNode(tmp_path) as node:
        file: Path = getattr(node, which)
        file.unlink()
        file.symlink_to("/dev/zero")
        trouble = await refused(config(node, transport))
    assert trouble.advice == f"{file} is larger than a mebibyte: put lnd's file back there"
