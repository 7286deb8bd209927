"""What answers in lnd's place, over every transport: other certificates, pages and refusals of a reverse proxy."""

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
from exporter.lnd.server_name import asked_name
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator.credentials import Certificate, certificate
from tests.lnd.in_between import Between, between, client

DAY = dt.timedelta(days=1)
every_way = pytest.mark.parametrize("way", TRANSPORTS)
PAGE = b"<html>who are you?</html>"


def signed(*names: x509.GeneralName, by: ec.EllipticCurvePrivateKey | None = None) -> Certificate:
    """A certificate for these names, signed by another one, or by itself."""
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


async def refusal(asked: DetailedClient) -> LndError:
    """What comes of asking for the state, which comes before all else, and of asking with the macaroon."""
    await asked.connect()
    try:
        with pytest.raises(LndError) as first:
            await anext(asked.states())
        with pytest.raises(LndError) as second:
            await asked.info(9)
    finally:
        await asked.close()
    assert (first.value.cause, first.value.state) == (second.value.cause, second.value.state)
    return first.value


@every_way
@pytest.mark.parametrize(
    ("since", "until", "words"),
    [(-2 * DAY, -DAY, "has expired. Are the clocks of both"), (DAY, 2 * DAY, "set the clocks of both machines right")],
)
async def test_clocks(tmp_path: Path, way: str, since: dt.timedelta, until: dt.timedelta, words: str) -> None:
    """A certificate that has expired, or isn't valid yet, is told from one that is another."""
    made = certificate(since, until)
    async with between(Between(), made) as server:
        trouble = await refusal(client(way, server.port, tmp_path, made.certificate))
    assert (trouble.cause, trouble.state) == (Interruption.CERTIFICATE, NodeState.UNREACHABLE)
    assert words in trouble.advice


@every_way
@pytest.mark.parametrize("expired", [False, True])
async def test_another_certificate_is_told_nothing(tmp_path: Path, way: str, *, expired: bool) -> None:
    """lnd has a new one, or a temporary one: not even a request is sent there, and the advice names both.

    It is the same where the old one, which is configured, has expired: it must be copied all the same.
    """
    trusted = certificate(-2 * DAY, -DAY if expired else DAY)
    async with between(Between(), certificate()) as server:
        trouble = await refusal(client(way, server.port, tmp_path, trusted.certificate))
        assert server.heard == b""
    assert trouble.cause is Interruption.CERTIFICATE
    assert "must be a copy of its present tls.cert" in trouble.advice
    assert "unlock the wallet" in trouble.advice


@every_way
async def test_a_certificate_of_a_proxy(tmp_path: Path, way: str) -> None:
    """A CA signed it: it isn't lnd's own, and copying lnd's again would not help."""
    shown = signed(x509.DNSName("localhost"), by=ec.generate_private_key(ec.SECP256R1()))
    async with between(Between(), shown) as server:
        trouble = await refusal(client(way, server.port, tmp_path, certificate().certificate, "localhost"))
    assert trouble.cause is Interruption.CERTIFICATE
    assert "--lnd.tls-cert=system" in trouble.advice


@every_way
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (302, "sends us elsewhere"),
        (400, "is the address right"),
        (401, "what stands before lnd refuses"),
        (403, "what stands before lnd refuses"),
        (404, "what stands before lnd has nothing there"),
        (429, "raise its limit"),
        (500, "what stands before lnd doesn't reach it"),
        (502, "what stands before lnd doesn't reach it"),
        (503, "what stands before lnd doesn't reach it"),
        (504, "grpc_read_timeout"),
        (520, "what stands before lnd doesn't reach it"),
    ],
)
async def test_a_proxy_answers_by_itself(tmp_path: Path, way: str, status: int, words: str) -> None:
    """Nothing is known of lnd then, and it is the proxy that a person must look at."""
    made = certificate()
    async with between(Between(status), made) as server:
        trouble = await refusal(client(way, server.port, tmp_path, made.certificate))
    assert (trouble.cause, trouble.state) == (Interruption.UNREACHABLE, NodeState.UNREACHABLE)
    assert words in trouble.advice
    assert str(status) in trouble.advice


@every_way
async def test_a_web_page(tmp_path: Path, way: str) -> None:
    """A proxy asks a person something: that is neither lnd nor the end of a stream, with or without a last newline."""
    made = certificate()
    async with between(Between(page=PAGE), made) as server:
        trouble = await refusal(client(way, server.port, tmp_path, made.certificate))
    assert trouble.state is NodeState.UNREACHABLE
    assert ("not lnd's gRPC" if way == GRPC else "a web page") in trouble.advice


async def test_a_stream_that_a_proxy_cuts(tmp_path: Path) -> None:
    """nginx does so over gRPC once lnd has said something, and is quiet for too long then."""
    made = certificate()
    async with between(Between(cut=True), made) as server:
        trouble = await refusal(client(GRPC, server.port, tmp_path, made.certificate))
    assert trouble.cause is Interruption.UNREACHABLE
    assert "tired of waiting" in trouble.advice


LOCAL = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def test_the_name_to_ask_for() -> None:
    """An IP address is no name in TLS: lnd's own certificate has another, if it is made for that very address."""
    lnds = signed(x509.DNSName("umbrel"), x509.DNSName("localhost"), LOCAL).certificate
    assert asked_name(lnds, "127.0.0.1") == "localhost"
    assert asked_name(signed(x509.DNSName("umbrel"), LOCAL).certificate, "127.0.0.1") == "umbrel"
    for odd in ("10.0.0.1", "*.umbrel.local", ".umbrel.local", "umbrel.", "", "an umbrel", "u" * 64):
        assert asked_name(signed(x509.DNSName(odd), LOCAL).certificate, "127.0.0.1") == "127.0.0.1", odd
        both = signed(x509.DNSName(odd), x509.DNSName("umbrel.local"), LOCAL).certificate
        assert asked_name(both, "127.0.0.1") == "umbrel.local", odd
    assert asked_name(lnds, "umbrel") == "umbrel"
    assert asked_name(lnds, "127.0.0.2") == "127.0.0.2", "who has the name need not have the address"
    assert asked_name(signed(LOCAL).certificate, "127.0.0.1") == "127.0.0.1"
    assert asked_name(b"no certificate", "127.0.0.1") == "127.0.0.1"
    assert asked_name(lnds + lnds, "127.0.0.1") == "127.0.0.1", "others could be signed by one of them"
    by_another = signed(x509.DNSName("localhost"), LOCAL, by=ec.generate_private_key(ec.SECP256R1())).certificate
    assert asked_name(by_another, "127.0.0.1") == "127.0.0.1"


@every_way
async def test_an_address_for_which_the_certificate_is_not_made(tmp_path: Path, way: str) -> None:
    """That another name is asked for changes nothing: the address must be in the certificate."""
    made = signed(x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("10.1.2.3")))
    async with between(Between(), made) as server:
        trouble = await refusal(client(way, server.port, tmp_path, made.certificate))
        assert server.heard == b""
    assert trouble.cause is Interruption.CERTIFICATE
    assert "tlsextraip" in trouble.advice
