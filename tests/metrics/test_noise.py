"""What clients that speak no HTTP cost, and what a bug of ours looks like: in the log, by raw sockets."""

import asyncio
import io
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from exporter import log
from exporter.metrics.row import PageData
from exporter.metrics.server import Source, build, serve
from tests.metrics import scene
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.usefixtures("logging_as_before")

LARGE = [scene.populated(f"node{number}") for number in range(20)]
"""More than any socket buffer takes."""

REFUSED = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "binary": bytes(range(256)) * 4 + b"\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "an unknown method": b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method with control characters": b"G\x1b[31mT / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\nHost: a\r\n: \x1b[31m\r\n\r\n",
    "a length that is none": b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: \x1b[31m\r\n\r\n",
    "two lengths": b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a chunk that is none": b"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a proxy's request": b"GET http://[bad/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\n\r\n",
}
TAKEN = {
    "a cut body": (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", 405),
    "a cut chunk": (b"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", 405),
    "a body that nobody wants": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 200),
    "another path": (b"GET /%ff%00/../wp-login.php HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "odd headers": (b"GET / HTTP/1.1\r\nHost: \xff\r\nAccept: \xff;q=z\r\nAccept-Encoding: \xff;q=9\r\n\r\n", 200),
    "an expectation": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: much\r\n\r\n", 417),
    "an upgrade": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
}


class Log:
    """All that is logged from now on."""

    def __init__(self, level: str) -> None:
        """Of this level and above."""
        self._stream = io.StringIO()
        log.configure(level, "json", self._stream)
        logging.getLogger("asyncio").setLevel(logging.WARNING)  # it tells which selector it uses

    def events(self) -> list[dict[str, Any]]:
        """One for each line."""
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


async def _small() -> PageData:
    return PageData([scene.untouched()])


async def _large() -> PageData:
    return PageData(LARGE)


@asynccontextmanager
async def _served(source: Source = _small) -> AsyncIterator[int]:
    """A running server; its port. When the block ends, it has nothing left to do."""
    runner, port = await serve(build(source), "127.0.0.1", 0)
    try:
        yield port
    finally:
        await runner.cleanup()


async def _say(port: int, *parts: bytes) -> bytes:
    """Write each part by itself; all that is answered until the server hangs up, or the first line of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.readline(), PATIENCE_S)
    finally:
        writer.close()


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
async def test_a_client_that_speaks_no_http(request_: bytes) -> None:
    """It is told so, and the log gets no line, or at level debug one without a traceback or the client's words."""
    quiet = Log("info")
    async with _served() as port:
        assert b" 400 Bad Request\r\n" in await _say(port, request_)
    assert quiet.events() == []
    talkative = Log("debug")
    async with _served() as port:
        assert b" 400 Bad Request\r\n" in await _say(port, request_)
    (event,) = talkative.events()
    assert event.pop("event").startswith("a request that is no HTTP: ")
    assert event.keys() == {"timestamp", "level", "logger"}
    assert event["level"] == "debug"


@pytest.mark.parametrize(("request_", "status"), TAKEN.values(), ids=TAKEN)
async def test_an_odd_client(request_: bytes, status: int) -> None:
    """It gets an answer, and the log nothing at all."""
    said = Log("debug")
    async with _served() as port:
        assert f" {status} ".encode() in await _say(port, request_)
        assert b" 200 " in await _say(port, *(bytes([byte]) for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert said.events() == []


async def test_garbage_after_a_request() -> None:
    """On a connection that is kept open: what was asked is answered, and what follows costs no line either."""
    said = Log("info")
    async with _served() as port:
        for request in REFUSED.values():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"ready.\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.write(request)
            assert b" 400 Bad Request\r\n" in await asyncio.wait_for(reader.read(), PATIENCE_S)
            writer.close()
    assert said.events() == []


@pytest.mark.slow
@pytest.mark.parametrize("header", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("path", [b"/", b"/metrics"])
async def test_clients_that_hang_up(path: bytes, header: bytes) -> None:
    """Before, amid and after the answer, politely or not, many at once: nobody else notices, and the log is empty."""
    said = Log("info")

    async def hangs_up(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        if number % 2:  # reset instead of farewell
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, header))
        if number % 3:
            await writer.drain()
            await reader.read(number % 3)
        writer.close()

    async with _served(_large) as port:
        await asyncio.gather(*(hangs_up(number) for number in range(12)))
        assert b" 200 OK\r\n" in await _say(port, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    assert said.events() == []


@pytest.mark.parametrize("bug", [KeyError, TimeoutError, ConnectionResetError, BrokenPipeError])
@pytest.mark.parametrize("path", ["/", "/metrics"])
async def test_a_bug_is_loud(path: str, bug: type[Exception]) -> None:
    """Whatever is raised while a page is made: an error with its traceback, and a page that says no more than that."""
    said = Log("error")

    async def broken() -> PageData:
        raise bug("of ours")

    async with _served(broken) as port:
        assert await _say(port, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) == (
            b"HTTP/1.1 500 Internal Server Error\r\n"
        )
    (event,) = said.events()
    assert (event["level"], event["event"], event["path"]) == ("error", "a page can't be made, please report it", path)
    assert event["exception"].splitlines()[-1].endswith(f"{bug.__name__}: {bug('of ours')}")
