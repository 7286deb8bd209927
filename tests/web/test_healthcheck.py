"""The command `healthcheck` knows no password and has no certificate, and finds the exporter ready nevertheless."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter import healthcheck
from exporter.config import ListenAddress, WebConfig
from exporter.healthcheck import check_ready
from exporter.web.security import WebSecurity
from exporter.web.server import build_app, serve
from tests.web.secured import instant
from tests.web.test_security import ALICE, Site

CLIENTS = ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"
PASSWORD = f"basic_auth_users: {{alice: {ALICE}}}\n"


async def asked(address: ListenAddress, web_file: Path | None = None) -> str:
    """Return why the exporter at this address is not ready."""
    return await asyncio.to_thread(check_ready, WebConfig((address,), "/metrics", config_file=web_file))


@pytest.mark.parametrize("tls", [None, "", CLIENTS], ids=["no TLS", "TLS", "certificates"])
@pytest.mark.parametrize("more", ["", PASSWORD], ids=["free", "password"])
@pytest.mark.parametrize("unix", [False, True], ids=["TCP", "Unix"])
async def test_ready(tmp_path: Path, tls: str | None, more: str, *, unix: bool) -> None:
    """Whatever the web file asks of others."""
    site = Site(tmp_path)
    if tls is not None:
        site.with_tls(tls)
    site.write("web.yml", (site.path.read_text() if tls is not None else "") + more)
    security = WebSecurity(site.path)
    address = ListenAddress(path=str(tmp_path / "socket")) if unix else ListenAddress("127.0.0.1", 0)
    server = await serve(build_app(instant, security=security), [address], tls=security.tls)
    try:
        assert await asked(server.addresses[0], site.path) == ""
        certificates = "If it requires client certificates, name its web file, too: --web.config.file"
        assert certificates * (tls == CLIENTS) in await asked(server.addresses[0])
    finally:
        await server.close()


@asynccontextmanager
async def other_program(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[ListenAddress]:
    """Run a server that answers each connection with these bytes when it has sent something."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=tls) as server:
        yield ListenAddress("127.0.0.1", server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "answers 503"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answers 404"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "this is not HTTP"),
        (b"HTTP/1.1\r\n\r\n", "this is not HTTP"),
        (b"HTTP/1.1 what\r\n\r\n", "this is not HTTP"),
        (b"", "this is not HTTP"),
        (b"x" * 5000, "this is not HTTP"),
    ],
)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
async def test_other_programs(tmp_path: Path, answer: bytes, why: str, *, encrypted: bool) -> None:
    """What does not answer as the exporter does is not ready."""
    site = Site(tmp_path)
    site.with_tls()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    async with other_program(answer, context if encrypted else None) as address:
        said = await asked(address)
    if not answer and encrypted:
        why = "ends the connection"
    assert why in said
    assert bool(said) == bool(why)


async def test_silent_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up after a time limit."""
    monkeypatch.setattr(healthcheck, "TIMEOUT_S", 0.05)
    go_on = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        said = await asked(ListenAddress("127.0.0.1", server.sockets[0].getsockname()[1]))
        go_on.set()
    assert "does not answer: timed out" in said
