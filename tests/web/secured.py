"""Runs the HTTP server with a web file for a test, and makes requests with and without TLS."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from exporter.page import PageData
from exporter.web.security import WebSecurity
from exporter.web.server import build_app, serve
from tests.metrics import scene
from tests.patience import PATIENCE_S
from tests.web import certificates
from tests.web.serving import LOCAL


async def instant() -> PageData:
    """Return the data of a page."""
    return PageData([scene.untouched()])


class Answer(NamedTuple):
    """The response of a server."""

    status: int
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def serving(security: WebSecurity, source: Callable[[], Awaitable[PageData]] = instant) -> AsyncIterator[int]:
    """Run a server and yield its port."""
    server = await serve(build_app(source, security=security), (LOCAL,), tls=security.tls)
    try:
        yield server.addresses[0].port
    finally:
        await server.close()


async def request(
    port: int,
    path: str = "/-/ready",
    *,
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    method: str = "GET",
) -> Answer:
    """Make a request on a connection of its own, and return the answer."""
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}"
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session,
        session.request(method, url, headers=headers, ssl=tls or True) as response,
    ):
        return Answer(response.status, dict(response.headers), await response.read())


def client(home: Path, trusted: certificates.Made, own: certificates.Made | None = None) -> ssl.SSLContext:
    """Return the context of a client that trusts an authority and shows a certificate."""
    context = ssl.create_default_context(cadata=trusted.pem.decode())
    if own:
        file = home / f"client-{own.certificate.serial_number}.pem"
        file.write_bytes(own.pem + own.key)
        context.load_cert_chain(file)
    return context
