"""Serves an application with a web file: TLS is chosen anew for each connection that is accepted."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import aiohttp
from aiohttp import web

from exporter.page import PageData
from exporter.web.security import WebSecurity
from exporter.web.server import build_app
from tests.metrics import scene
from tests.patience import PATIENCE_S
from tests.web import certificates


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
    runner = web.AppRunner(build_app(source, security=security), access_log=None, shutdown_timeout=1)
    await runner.setup()
    assert runner.server is not None
    loop, server = asyncio.get_running_loop(), runner.server
    handshakes: set[asyncio.Task[None]] = set()

    async def handshake(connection: socket.socket) -> None:
        with suppress(OSError):  # of the client: a certificate that isn't trusted
            await loop.connect_accepted_socket(server, connection, ssl=security.tls())

    async def accept(listener: socket.socket) -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            task = asyncio.create_task(handshake(connection))
            handshakes.add(task)
            task.add_done_callback(handshakes.discard)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        accepting = asyncio.create_task(accept(listener))
        try:
            yield listener.getsockname()[1]
        finally:
            accepting.cancel()
            await asyncio.gather(accepting, *handshakes, return_exceptions=True)
            await runner.cleanup()


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
