"""Warnings about a certificate that is valid, but that TLS will reject: its dates, and the names it is made for."""

import datetime as dt
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.app import client_of
from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.lnd.client import LndError
from exporter.payments.labels import Interruption
from exporter.simulator import credentials
from exporter.simulator.server import SimulatedNode
from tests.config.conftest import Home
from tests.config.shortcuts import config_of
from tests.lnd.test_in_between import signed

LOCAL, BY_NAME = x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("umbrel.local")


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [(-2, -1, "tls.cert expired on 20"), (1, 2, "tls.cert is valid from 20"), (-1, 1, "")],
)
def test_dates_outside_of_which_the_certificate_is_rejected(home: Home, since: int, until: int, text: str) -> None:
    """The configuration is valid, but no connection will be; the clock may be the reason."""
    made = credentials.certificate(dt.timedelta(days=since), dt.timedelta(days=until))
    home.write(".lnd/tls.cert", made.certificate)
    (node,) = config_of("--lnd.dir=.lnd").nodes
    assert len(node.warnings) == bool(text)
    assert all(text in warning and "is the clock right" in warning for warning in node.warnings)


def warnings(home: Home, certificate: bytes, flags: str) -> list[str]:
    """Return the warnings about a node with this certificate."""
    home.write(".lnd/tls.cert", certificate)
    (node,) = config_of(f"--lnd.dir=.lnd {flags}").nodes
    return node.warnings


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("", ""),
        ("--lnd.address=127.0.0.1", ""),
        ("--lnd.address=UMBREL.local:1", ""),
        ("--lnd.address=https://umbrel.local/lnd --lnd.transport=rest", ""),
        ("--lnd.address=10.0.0.7", "10.0.0.7"),
        ("--lnd.address=[::1]", "::1"),
        ("--lnd.address=https://lnd.example --lnd.transport=websocket", "lnd.example"),
        ("--lnd.address=http://lnd.onion --lnd.proxy=127.0.0.1:9050 --lnd.transport=rest", ""),
        ("--lnd.address=lnd.onion --lnd.proxy=127.0.0.1:9050", "lnd.onion"),
        ("--lnd.address=lnd.onion --lnd.proxy=127.0.0.1:9050 --lnd.tls-server-name=umbrel.local", ""),
        ("--lnd.address=10.0.0.7 --lnd.tls-server-name=127.0.0.1", ""),
        ("--lnd.address=umbrel.local --lnd.tls-server-name=lnd.example", "lnd.example"),
    ],
)
def test_certificate_must_name_the_host_or_the_server_name(home: Home, flags: str, name: str) -> None:
    """With --lnd.tls-server-name the host of the address doesn't matter; without TLS there is no certificate."""
    certificate = signed(x509.DNSName("localhost"), BY_NAME, LOCAL).certificate
    found = warnings(home, certificate, flags)
    assert [f"not for {name}, so TLS will reject it" in warning for warning in found] == [True] * bool(name)


def test_warning_lists_the_names_and_both_ways_out(home: Home) -> None:
    """It names the option of lnd.conf. Of many names it lists some, and none with control characters."""
    certificate = signed(x509.DNSName("localhost"), x509.DNSName("a\x1b[31m"), LOCAL).certificate
    (warning,) = warnings(home, certificate, "--lnd.address=10.0.0.7")
    assert warning == (
        f"{home.lnd}/tls.cert is made for localhost, 127.0.0.1, not for 10.0.0.7, so TLS will reject it: choose one of"
        " its names by --lnd.tls-server-name, or add tlsextraip=10.0.0.7 to lnd.conf, delete tls.cert and tls.key,"
        " restart lnd and copy the new tls.cert here"
    )
    many = signed(*(x509.DNSName(f"n{number}.example") for number in range(9))).certificate
    (warning,) = warnings(home, many, "--lnd.address=lnd.example")
    assert "is made for n0.example, n1.example, n2.example, n3.example, n4.example, n5.example, ..., not for" in warning
    assert "add tlsextradomain=lnd.example to lnd.conf" in warning


def test_no_warning_if_the_certificate_may_be_accepted(home: Home) -> None:
    """A wildcard matches; a CA's certificate or several ones say nothing about the one that the server sends."""
    ours = signed(x509.DNSName("localhost"), LOCAL).certificate
    for certificate in (
        signed(x509.DNSName("*.example")).certificate,
        signed(x509.DNSName("LND.example.")).certificate,
        signed(x509.DNSName("localhost"), by=ec.generate_private_key(ec.SECP256R1())).certificate,
        signed(LOCAL).certificate,
        ours + ours,
    ):
        assert warnings(home, certificate, "--lnd.address=lnd.example") == []
    wildcard = signed(x509.DNSName("*.example")).certificate
    assert len(warnings(home, wildcard, "--lnd.address=a.lnd.example")) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_warning_is_given_exactly_if_tls_rejects_the_certificate(tmp_path: Path, transport: str) -> None:
    """The exporter's own clients decide: also where an IP address is replaced by a name that lnd can be asked for."""
    async with SimulatedNode(tmp_path) as simulated:
        port = (simulated.address if transport == GRPC else simulated.rest).rpartition(":")[2]
        for host in ("localhost", "127.0.0.1"):
            address = f"{'' if transport == GRPC else 'https://'}{host}:{port}"
            node = NodeConfig("lnd", address, simulated.tls_cert, simulated.macaroon, transport)
            for name in (None, "localhost", "127.0.0.1", "::1", "lnd.example", "127.0.0.2"):
                named = replace(node, tls_server_name=name)
                assert bool(named.warnings) == await is_rejected(named), f"{host}, {name}"


async def is_rejected(node: NodeConfig) -> bool:
    """Return whether a client rejects the certificate."""
    client = client_of(node)
    try:
        await client.connect()
        await client.info(9)
    except LndError as error:
        return error.cause is Interruption.CERTIFICATE
    finally:
        await client.close()
    return False
