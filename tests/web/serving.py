"""Runs the HTTP server for a test, and speaks with it over raw sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from exporter.config import ListenAddress
from exporter.page import PageData
from exporter.web.handlers import PageDataSource
from exporter.web.limits import DEFAULTS, Limits
from exporter.web.listener import TLS, no_tls
from exporter.web.server import Server, build_app, serve
from tests.metrics import scene
from tests.patience import PATIENCE_S

LOCAL = ListenAddress("127.0.0.1", 0)
READY = b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def small() -> PageData:
    """Return a small page."""
    return PageData([scene.untouched()])


@asynccontextmanager
async def serving(
    source: PageDataSource = small,
    addresses: Sequence[ListenAddress] = (LOCAL,),
    *,
    path: str = "/metrics",
    tls: TLS = no_tls,
    limits: Limits = DEFAULTS,
) -> AsyncIterator[Server]:
    """Run a server; it has shut down when the block ends."""
    server = await serve(build_app(source, path), addresses, tls=tls, limits=limits)
    try:
        yield server
    finally:
        await server.close()


async def connect(address: ListenAddress, tls: ssl.SSLContext | None = None, limit: int = 1 << 16) -> Stream:
    """Open a connection; `limit` is how much of an answer is read without being asked for, about."""
    if address.path:
        name = "localhost" if tls else None
        return await asyncio.open_unix_connection(address.path, ssl=tls, server_hostname=name, limit=limit)
    name = "localhost" if tls else None
    return await asyncio.open_connection(
        address.host or "127.0.0.1", address.port, ssl=tls, server_hostname=name, limit=limit
    )


async def answer(stream: Stream, request: bytes = READY) -> bytes:
    """Send a request over an open connection, and return the whole answer, with its headers."""
    reader, writer = stream
    writer.write(request)
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return head + await reader.readexactly(length)


async def fetch(address: ListenAddress, request: bytes = READY, tls: ssl.SSLContext | None = None) -> bytes:
    """Return the answer to one request over a connection of its own."""
    stream = await connect(address, tls)
    try:
        return await answer(stream, request)
    finally:
        stream[1].close()


async def closed(stream: Stream) -> bytes:
    """Wait until the server closes the connection, and return what it sent before."""
    try:
        return await asyncio.wait_for(stream[0].read(), PATIENCE_S)
    except ConnectionError:
        return b""
    finally:
        stream[1].close()
