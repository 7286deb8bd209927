"""The log lines for clients that don't speak HTTP and for exceptions of handlers, tested with raw sockets."""

import asyncio
import io
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from exporter import log
from exporter.page import PageData
from exporter.web.handlers import PageDataSource
from tests.metrics import scene
from tests.patience import PATIENCE_S
from tests.web.serving import closed, connect, fetch, serving
from tests.web.ways import way

pytestmark = pytest.mark.usefixtures("logging_as_before")

LARGE = [scene.populated(f"node{number}") for number in range(20)]
"""Views whose page exceeds any socket buffer."""

NOT_HTTP = {
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
    "an invalid length": b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: \x1b[31m\r\n\r\n",
    "two lengths": b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "an invalid chunk": b"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a proxy's request": b"GET http://[bad/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\n\r\n",
}
ODD_REQUESTS = {
    "a cut body": (b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc", 405),
    "a cut chunk": (b"POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", 405),
    "an unexpected body": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 200),
    "another path": (b"GET /%ff%00/../wp-login.php HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "an odd name of a node": (b"GET /metrics?node=%ff%00%0d%0a&node&=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "targets of an odd host": (b"GET /sd HTTP/1.1\r\nHost: \xff\r\n\r\n", 400),
    "odd headers": (b"GET / HTTP/1.1\r\nHost: \xff\r\nAccept: \xff;q=z\r\nAccept-Encoding: \xff;q=9\r\n\r\n", 200),
    "an expectation": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: much\r\n\r\n", 417),
    "an upgrade": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
}


class Log:
    """Collects the log records from its creation on."""

    def __init__(self, level: str) -> None:
        """Configure logging at this level."""
        self._stream = io.StringIO()
        log.configure(level, "json", self._stream)
        logging.getLogger("asyncio").setLevel(logging.WARNING)  # at debug it logs the selector

    def events(self) -> list[dict[str, Any]]:
        """Return one event per line."""
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


async def _small(_: object = None) -> PageData:
    return PageData([scene.untouched()])


async def _large() -> PageData:
    return PageData(LARGE)


@asynccontextmanager
async def _served(source: PageDataSource = _small) -> AsyncIterator[int]:
    """Run a server and yield its port; the server has shut down when the block ends."""
    async with serving(source) as server:
        yield server.addresses[0].port


async def _send(port: int, *parts: bytes) -> bytes:
    """Write each part separately; return the first line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.readline(), PATIENCE_S)
    finally:
        writer.close()


@pytest.mark.parametrize("request_", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_client_that_does_not_speak_http(request_: bytes) -> None:
    """It gets a 400; the log gets a line at level debug only, without traceback and without the request."""
    at_info = Log("info")
    async with _served() as port:
        assert b" 400 Bad Request\r\n" in await _send(port, request_)
    assert at_info.events() == []
    at_debug = Log("debug")
    async with _served() as port:
        assert b" 400 Bad Request\r\n" in await _send(port, request_)
    (event,) = at_debug.events()
    assert event.pop("event").startswith("a request that is not HTTP: ")
    assert event.keys() == {"timestamp", "level", "logger"}
    assert event["level"] == "debug"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\nHost: a\nAuthorization: Basic c2VjcmV0\n\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Basic c2VjcmV0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0" + b"c2VjcmV0" * 2000 + b"\r\n\r\n",
        b"GET /?c2VjcmV0 \x1b HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["line ends", "a blank", "a long header", "the path"],
)
async def test_answer_repeats_nothing_of_what_is_not_http(request_: bytes) -> None:
    """It may be a password."""
    async with _served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_)
        got = await closed((reader, writer))
        writer.close()
    assert got.endswith(b"\r\n\r\n400: Bad Request")
    assert b"c2VjcmV0" not in got


@pytest.mark.parametrize(("request_", "status"), ODD_REQUESTS.values(), ids=ODD_REQUESTS)
async def test_odd_request_is_not_logged(request_: bytes, status: int) -> None:
    """It gets an answer; so does a request that arrives byte by byte."""
    log_lines = Log("debug")
    async with _served() as port:
        assert f" {status} ".encode() in await _send(port, request_)
        assert b" 200 " in await _send(port, *(bytes([byte]) for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert log_lines.events() == []


async def test_random_queries_and_hosts() -> None:
    """They get the page, a 404 for an unknown node, or a 400; nothing is logged above debug."""
    chance, log_lines = Random("queries"), Log("info")

    def anything(letters: bytes) -> bytes:
        return bytes(chance.choice(letters) for _ in range(chance.randrange(12)))

    async with _served() as port:
        for _ in range(300):
            query = b"&".join(anything(b"node=+%0fz;\x80\xff[]\"'<{") for _ in range(3))
            path = chance.choice([b"/metrics?node=", b"/metrics?", b"/metrics/exporter?", b"/sd?"])
            host = anything(b"a1.:-_[]f@/%\xe9")
            answer = await _send(port, b"GET %s%s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, query, host))
            assert answer.split()[1] in (b"200", b"400", b"404"), (path, query, host)
    assert log_lines.events() == []


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection is closed, or reset: the answer comes before a long request has been read."""
    received = b""
    with suppress(ConnectionResetError):
        while some := await reader.read(1000):
            received += some
    return received


async def test_garbage_after_a_request_is_not_logged() -> None:
    """On a connection that is kept open: the request is answered, and what follows gets a 400."""
    log_lines = Log("info")
    async with _served() as port:
        for request in NOT_HTTP.values():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await reader.readuntil(b"ready.\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.write(request)
            assert b" 400 Bad Request\r\n" in await asyncio.wait_for(_rest(reader), PATIENCE_S)
            writer.close()
    assert log_lines.events() == []


@pytest.mark.slow
@pytest.mark.parametrize("header", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize("path", [b"/", b"/metrics"])
async def test_clients_that_disconnect_are_not_logged(path: bytes, header: bytes) -> None:
    """Before, during and after the answer, by close or reset, many at once; other clients still get answers."""
    log_lines = Log("info")

    async def disconnect(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        if number % 2:  # reset instead of close
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.write(b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, header))
        if number % 3:
            await writer.drain()
            await reader.read(number % 3)
        writer.close()

    async with _served(_large) as port:
        await asyncio.gather(*(disconnect(number) for number in range(12)))
        assert b" 200 OK\r\n" in await _send(port, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
    assert log_lines.events() == []


@pytest.mark.parametrize("bug", [KeyError, TimeoutError, ConnectionResetError, BrokenPipeError])
@pytest.mark.parametrize("path", ["/", "/metrics", "/metrics/exporter", "/sd"])
async def test_exception_of_a_handler_is_logged(path: str, bug: type[Exception]) -> None:
    """As an error with its traceback; the client gets a 500 without details."""
    log_lines = Log("error")

    async def broken(_: object = None) -> PageData:
        raise bug("of ours")

    async with _served(broken) as port:
        assert await _send(port, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) == (
            b"HTTP/1.1 500 Internal Server Error\r\n"
        )
    (event,) = log_lines.events()
    assert (event["level"], event["event"], event["path"]) == (
        "error",
        "failed to render a page, please report this bug",
        path,
    )
    assert event["exception"].splitlines()[-1].endswith(f"{bug.__name__}: {bug('of ours')}")


async def test_client_that_does_not_speak_tls(tmp_path: Path) -> None:
    """To a server with TLS: the connection is closed, and the log gets at most a line at level debug."""
    at_info, there = Log("info"), way("TLS", tmp_path)
    async with serving(addresses=[there.address], tls=there.server) as server:
        for request in [*NOT_HTTP.values(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01"]:
            stream = await connect(server.addresses[0])
            stream[1].write(request)
            stream[1].write_eof()
            await closed(stream)
        assert b" 200 OK\r\n" in await fetch(server.addresses[0], tls=there.client)
    assert at_info.events() == []
    at_debug = Log("debug")
    async with serving(addresses=[there.address], tls=there.server) as server:
        stream = await connect(server.addresses[0])
        stream[1].write(b"GET / HTTP/1.1\r\n\r\n")
        await closed(stream)
    (event,) = at_debug.events()
    assert (event["level"], event["event"], event["reason"]) == (
        "debug",
        "a connection without a TLS handshake",
        "SSLError",
    )
