"""A server in lnd's place, over every transport: other certificates, web pages and refusals of a reverse proxy."""

import datetime as dt
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.lnd.client import DetailedClient, LndError
from exporter.lnd.server_name import choose_server_name
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator.credentials import Certificate, certificate
from tests.lnd.in_between import Between, between, client

DAY = dt.timedelta(days=1)
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
PAGE = b"<html>who are you?</html>"


def signed(*names: x509.GeneralName, by: ec.EllipticCurvePrivateKey | None = None) -> Certificate:
    """Return a certificate for these names, signed with the key of another CA, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    own, other = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("lnd", "a CA"))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(other if by else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(by or key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(made.public_bytes(serialization.Encoding.PEM), private)


async def failure(client: DetailedClient) -> LndError:
    """Return why `SubscribeState` fails, the first call of a session; one with the macaroon must fail likewise."""
    await client.connect()
    try:
        with pytest.raises(LndError) as first:
            await anext(client.states())
        with pytest.raises(LndError) as second:
            await client.info(9)
    finally:
        await client.close()
    assert (first.value.cause, first.value.state) == (second.value.cause, second.value.state)
    return first.value


@every_transport
@pytest.mark.parametrize(
    ("since", "until", "text"),
    [(-2 * DAY, -DAY, "has expired. Are the clocks of both"), (DAY, 2 * DAY, "set the clocks of both machines right")],
)
async def test_certificate_outside_its_validity(
    tmp_path: Path, transport: str, since: dt.timedelta, until: dt.timedelta, text: str
) -> None:
    """The advice is another one than for a wrong certificate."""
    made = certificate(since, until)
    async with between(Between(), made) as server:
        error = await failure(client(transport, server.port, tmp_path, made.certificate))
    assert (error.cause, error.state) == (Interruption.CERTIFICATE, NodeState.UNREACHABLE)
    assert text in error.advice


@every_transport
@pytest.mark.parametrize("expired", [False, True])
async def test_nothing_is_sent_to_a_server_with_another_certificate(
    tmp_path: Path, transport: str, *, expired: bool
) -> None:
    """lnd may have a new one or a temporary one: the advice names both.

    It is the same if the configured one has expired: the new one must be copied all the same.
    """
    trusted = certificate(-2 * DAY, -DAY if expired else DAY)
    async with between(Between(), certificate()) as server:
        error = await failure(client(transport, server.port, tmp_path, trusted.certificate))
        assert server.received == b""
    assert error.cause is Interruption.CERTIFICATE
    assert "must be a copy of lnd's current tls.cert" in error.advice
    assert "unlock the wallet" in error.advice


@every_transport
async def test_certificate_signed_by_an_unknown_ca(tmp_path: Path, transport: str) -> None:
    """It is a proxy's, not lnd's own, so copying lnd's again would not help."""
    made = signed(x509.DNSName("localhost"), by=ec.generate_private_key(ec.SECP256R1()))
    async with between(Between(), made) as server:
        error = await failure(client(transport, server.port, tmp_path, certificate().certificate, "localhost"))
    assert error.cause is Interruption.CERTIFICATE
    assert "--lnd.tls-cert=system" in error.advice


@every_transport
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (302, "the answer is a redirect"),
        (400, "is the address right"),
        (401, "the proxy in front of lnd refuses"),
        (403, "the proxy in front of lnd refuses"),
        (404, "the server has nothing at this path"),
        (429, "raise its limit"),
        (500, "the proxy in front of lnd doesn't reach it"),
        (502, "the proxy in front of lnd doesn't reach it"),
        (503, "the proxy in front of lnd doesn't reach it"),
        (504, "grpc_read_timeout"),
        (520, "the proxy in front of lnd doesn't reach it"),
    ],
)
async def test_http_error_of_a_proxy(tmp_path: Path, transport: str, status: int, text: str) -> None:
    """Nothing is known of lnd then, and the advice is about the proxy."""
    made = certificate()
    async with between(Between(status), made) as server:
        error = await failure(client(transport, server.port, tmp_path, made.certificate))
    assert (error.cause, error.state) == (Interruption.UNREACHABLE, NodeState.UNREACHABLE)
    assert text in error.advice
    assert str(status) in error.advice


@every_transport
async def test_web_page_of_a_proxy(tmp_path: Path, transport: str) -> None:
    """Such as a form to log in. It isn't taken for a stream that ended, although it has no newline at its end."""
    made = certificate()
    async with between(Between(page=PAGE), made) as server:
        error = await failure(client(transport, server.port, tmp_path, made.certificate))
    assert error.state is NodeState.UNREACHABLE
    assert ("not from lnd's gRPC" if transport == GRPC else "a web page") in error.advice


async def test_stream_that_a_proxy_resets(tmp_path: Path) -> None:
    """nginx does so over gRPC if lnd is quiet for too long after a message."""
    made = certificate()
    async with between(Between(cut=True), made) as server:
        error = await failure(client(GRPC, server.port, tmp_path, made.certificate))
    assert error.cause is Interruption.UNREACHABLE
    assert "timed out" in error.advice


LOCAL = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def test_server_name_for_an_ip_address() -> None:
    """A name from lnd's own certificate, if the certificate names this IP address, too; else the address."""
    lnds = signed(x509.DNSName("umbrel"), x509.DNSName("localhost"), LOCAL).certificate
    assert choose_server_name(lnds, "127.0.0.1") == "localhost"
    assert choose_server_name(signed(x509.DNSName("umbrel"), LOCAL).certificate, "127.0.0.1") == "umbrel"
    for odd in ("10.0.0.1", "*.umbrel.local", ".umbrel.local", "umbrel.", "", "an umbrel", "u" * 64):
        assert choose_server_name(signed(x509.DNSName(odd), LOCAL).certificate, "127.0.0.1") == "127.0.0.1", odd
        both = signed(x509.DNSName(odd), x509.DNSName("umbrel.local"), LOCAL).certificate
        assert choose_server_name(both, "127.0.0.1") == "umbrel.local", odd
    assert choose_server_name(lnds, "umbrel") == "umbrel"
    assert choose_server_name(lnds, "127.0.0.2") == "127.0.0.2", "the owner of the name need not own the address"
    assert choose_server_name(signed(LOCAL).certificate, "127.0.0.1") == "127.0.0.1"
    assert choose_server_name(b"not a certificate", "127.0.0.1") == "127.0.0.1"
    assert choose_server_name(lnds + lnds, "127.0.0.1") == "127.0.0.1", "one of them could have signed others"
    by_another = signed(x509.DNSName("localhost"), LOCAL, by=ec.generate_private_key(ec.SECP256R1())).certificate
    assert choose_server_name(by_another, "127.0.0.1") == "127.0.0.1"


@every_transport
async def test_certificate_for_another_address_is_refused(tmp_path: Path, transport: str) -> None:
    """Also if the certificate has a name: the address must be in it."""
    made = signed(x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("10.1.2.3")))
    async with between(Between(), made) as server:
        error = await failure(client(transport, server.port, tmp_path, made.certificate))
        assert server.received == b""
    assert error.cause is Interruption.CERTIFICATE
    assert "tlsextraip" in error.advice
