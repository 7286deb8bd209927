"""The TLS settings of the web file, as a client sees them in a handshake."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import aiohttp
import pytest

from exporter.web.security import WebSecurity
from tests.patience import PATIENCE_S
from tests.web import certificates
from tests.web.secured import client, request, serving

AES_128, AES_256 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
OLD_AES = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"


def _only_12(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def _only_13(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3


def _aes_128_first(context: ssl.SSLContext) -> None:
    _only_12(context)
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")


def _old_aes(context: ssl.SSLContext) -> None:
    _only_12(context)
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")


def _p_256(context: ssl.SSLContext) -> None:
    context.set_ecdh_curve("prime256v1")


def _p_384(context: ssl.SSLContext) -> None:
    context.set_ecdh_curve("secp384r1")


@pytest.mark.parametrize(
    ("section", "ask", "found"),
    [
        ("", lambda _: None, "TLSv1.3"),
        ("", _only_12, "TLSv1.2"),
        (", min_version: TLS13", _only_12, None),
        (", min_version: TLS13", _only_13, "TLSv1.3"),
        (", max_version: TLS12", _only_13, None),
        (", max_version: TLS12", lambda _: None, "TLSv1.2"),
        (f", cipher_suites: [{AES_256}]", _only_12, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
        (f", cipher_suites: [{AES_256}]", _only_13, "TLSv1.3"),
        (f", cipher_suites: [{OLD_AES}, TLS_AES_128_GCM_SHA256]", _old_aes, "TLSv1.2 ECDHE-ECDSA-AES128-SHA"),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", _only_12, None),
        (", cipher_suites: [TLS_AES_128_GCM_SHA256]", _only_13, "TLSv1.3"),
        (f", cipher_suites: [{AES_256}, {AES_128}]", _aes_128_first, "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
        (
            f", cipher_suites: [{AES_256}, {AES_128}], prefer_server_cipher_suites: false",
            _aes_128_first,
            "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (", curve_preferences: [CurveP384]", _p_256, None),
        (", curve_preferences: [CurveP384]", _p_384, "TLSv1.3"),
        ("", _p_256, "TLSv1.3"),
    ],
)
async def test_what_is_agreed(
    tmp_path: Path, section: str, ask: Callable[[ssl.SSLContext], None], found: str | None
) -> None:
    """Version and cipher suite, or no connection."""
    own = certificates.server()
    (tmp_path / "server.pem").write_bytes(own.pem + own.key)
    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: server.pem, key_file: server.pem{section}}}\n")
    context = client(tmp_path, own)
    context.set_alpn_protocols(["h2", "http/1.1"])
    ask(context)
    async with serving(WebSecurity(web)) as port:
        opening = asyncio.open_connection("127.0.0.1", port, ssl=context)
        if found is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.wait_for(opening, PATIENCE_S)
            return
        _, writer = await asyncio.wait_for(opening, PATIENCE_S)
        connection = writer.get_extra_info("ssl_object")
        agreed = f"{connection.version()} {connection.cipher()[0]}"
        assert agreed.startswith(found)
        assert connection.selected_alpn_protocol() == "http/1.1"
        writer.close()


async def test_inline_certificate_and_key(tmp_path: Path) -> None:
    """They work as those in files do, and the key is written to no file."""
    own = certificates.server()
    web = tmp_path / "web.yml"
    cert, key = (indent(text.decode(), "    ") for text in (own.pem, own.key))
    web.write_text(f"tls_server_config:\n  cert: |\n{cert}\n  key: |\n{key}")
    async with serving(WebSecurity(web)) as port:
        assert (await request(port, tls=client(tmp_path, own))).status == 200
    assert [*tmp_path.iterdir()] == [web]


async def test_each_trusted_certificate_is_an_anchor(tmp_path: Path) -> None:
    """As in Go: `client_ca_file` may have a client's own certificate, whoever has signed it."""
    own = certificates.server()
    authority = certificates.make("authority")
    known, other = (certificates.make(name, by=authority) for name in ("known", "other"))
    (tmp_path / "server.pem").write_bytes(own.pem + own.key)
    (tmp_path / "known.pem").write_bytes(known.pem)
    web = tmp_path / "web.yml"
    asked = "client_ca_file: known.pem, client_auth_type: RequireAndVerifyClientCert"
    web.write_text(f"tls_server_config: {{cert_file: server.pem, key_file: server.pem, {asked}}}\n")
    async with serving(WebSecurity(web)) as port:
        assert (await request(port, tls=client(tmp_path, own, known))).status == 200
        with pytest.raises(aiohttp.ClientError):
            await request(port, tls=client(tmp_path, own, other))
