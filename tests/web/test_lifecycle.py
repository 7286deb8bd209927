"""`/-/reload`: switched off unless there is a reload to do, for POST and PUT, and without reading a body."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from exporter.page import PageData
from exporter.web.lifecycle import ReloadHandler, ReloadResult
from exporter.web.server import build_app, serve
from tests.patience import PATIENCE_S
from tests.web.serving import LOCAL


async def no_nodes() -> PageData:
    """Return a page without nodes."""
    return PageData([])


async def reloads() -> ReloadResult:
    """Succeed."""
    return ReloadResult(successful=True, text="Reloaded.\n")


async def fails() -> ReloadResult:
    """Fail."""
    return ReloadResult(successful=False, text="Not reloaded.\n")


@asynccontextmanager
async def serving(reload: ReloadHandler | None) -> AsyncIterator[int]:
    """Serve within the block; yield the port."""
    server = await serve(build_app(no_nodes, reload=reload), (LOCAL,))
    try:
        yield server.addresses[0].port
    finally:
        await server.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
@pytest.mark.parametrize(
    ("reload", "answer"),
    [
        (None, (403, "Lifecycle API is not enabled.\n")),
        (reloads, (200, "Reloaded.\n")),
        (fails, (500, "Not reloaded.\n")),
    ],
)
async def test_answers(method: str, reload: ReloadHandler | None, answer: tuple[int, str]) -> None:
    """The status says whether it was done; another method never does anything."""
    expected = answer if method in ("POST", "PUT") else (405, "405: Method Not Allowed")
    async with (
        serving(reload) as port,
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}/-/reload") as got,
    ):
        assert (got.status, await got.text()) == expected


async def test_the_body_is_not_waited_for() -> None:
    """The answer comes although the body that was announced never does."""
    async with serving(reloads) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /-/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), PATIENCE_S)
        assert line == b"HTTP/1.1 200 OK\r\n"
        writer.close()
