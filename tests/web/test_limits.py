"""The limits for clients that are too slow or too many, over TCP, TLS and Unix sockets."""

import asyncio
import resource
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from operator import attrgetter
from pathlib import Path

import pytest
from aiohttp import web

from exporter.config import ListenAddress
from exporter.web import limits
from exporter.web.limits import Limits
from exporter.web.server import Server, serve
from tests.patience import PATIENCE_S
from tests.web.serving import READY, Stream, answer, closed, connect, fetch
from tests.web.ways import WAYS, Way, contexts, way

NEVER = 10 * PATIENCE_S
GENEROUS = Limits(NEVER, NEVER, NEVER, NEVER)
"""A connection that is closed nevertheless, was closed by the one limit that a test lowers."""
SOON = 0.05
BIG = bytes(32 << 20)
"""More than any socket buffer."""
GET_BIG = b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n"
GET_WAIT = b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"


class Site:
    """A server with a page that is ready, a big one, and one that waits until it may end."""

    def __init__(self, server: Server, way_: Way) -> None:
        """Take a server that runs."""
        self.server = server
        self.address = server.addresses[0]
        self.tls = way_.client
        self.waiting = 0
        self.may_end = asyncio.Event()
        self._clients: list[asyncio.StreamWriter] = []

    @property
    def open(self) -> int:
        """The number of its connections."""
        return self.server._connections.open

    async def connect(self) -> Stream:
        """Open a connection whose client reads next to nothing by itself."""
        stream = await connect(self.address, self.tls, limit=2048)
        self._clients.append(stream[1])
        return stream

    async def close(self) -> None:
        """Close all connections of `connect`, and the server."""
        for writer in self._clients:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
        await self.server.close()

    async def ready(self) -> None:
        """Check that a client gets an answer."""
        assert (await fetch(self.address, tls=self.tls)).startswith(b"HTTP/1.1 200 OK\r\n")


@asynccontextmanager
async def site(way_: Way, limits_: Limits = GENEROUS) -> AsyncIterator[Site]:
    """Run a server."""

    async def wait(_: web.Request) -> web.Response:
        running.waiting += 1
        await running.may_end.wait()
        return web.Response(text="done")

    async def big(_: web.Request) -> web.Response:
        return web.Response(body=BIG)

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ready")

    app = web.Application()
    app.router.add_get("/wait", wait)
    app.router.add_get("/big", big)
    app.router.add_get("/-/ready", ready)
    server = await serve(app, [way_.address], tls=way_.server, limits=limits_)
    running = Site(server, way_)
    try:
        yield running
    finally:
        await running.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the condition is part of the server
            await asyncio.sleep(0.01)


@pytest.fixture(params=WAYS)
def each_way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    """Every way."""
    return way(request.param, tmp_path)


def same(one: bytes, other: bytes) -> bool:
    """Return whether they are equal; pytest would show how they differ, byte by byte."""
    return one == other


async def is_open(stream: Stream) -> bool:
    """Return whether the server answers on an idle connection."""
    try:
        return (await answer(stream)).startswith(b"HTTP/1.1 200 OK\r\n")
    except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        return False


@pytest.mark.parametrize("start", [b"", b"\r\n", READY[:20], READY[:-2]])
async def test_headers_that_do_not_come(each_way: Way, start: bytes) -> None:
    """A client that sends nothing, or not all of its headers, is cut, and gets no answer."""
    async with site(each_way, GENEROUS._replace(headers_s=SOON)) as running:
        stream = await running.connect()
        stream[1].write(start)
        assert await closed(stream) == b""


async def test_headers_that_come_slowly(each_way: Way) -> None:
    """Each byte comes soon, but all of them take too long."""
    async with site(each_way, GENEROUS._replace(headers_s=0.3)) as running:
        reader, writer = await running.connect()
        writer.write(b"GET /-/ready HTTP/1.1\r\nX: ")
        end = asyncio.create_task(closed((reader, writer)))
        while not end.done():
            writer.write(b"a")
            await asyncio.wait({end}, timeout=0.01)
        assert await end == b""


async def test_connection_that_is_kept(each_way: Way) -> None:
    """It has a longer time for the next request to begin, and no more than others for its headers."""
    async with site(each_way, GENEROUS._replace(kept_s=SOON)) as running:
        stream = await running.connect()
        assert (await answer(stream)).endswith(b"ready")
        assert await closed(stream) == b""
    async with site(each_way, GENEROUS._replace(headers_s=0.3)) as running:
        stream = await running.connect()
        await answer(stream)
        await asyncio.wait({asyncio.create_task(asyncio.sleep(0.4))})  # longer than for headers
        assert await is_open(stream)
        stream[1].write(READY[:-2])
        assert await closed(stream) == b""


async def test_request_in_progress_is_not_cut(each_way: Way) -> None:
    """However long the exporter takes for the answer."""
    async with site(each_way, Limits(SOON * 100, SOON, SOON, SOON)) as running:
        stream = await running.connect()
        answered = asyncio.create_task(answer(stream, GET_WAIT))
        await until(lambda: running.waiting == 1)
        await asyncio.wait({answered}, timeout=4 * SOON)
        running.may_end.set()
        assert (await answered).endswith(b"done")


@pytest.mark.parametrize("name", ["TLS", "Unix and TLS"])
async def test_handshake_that_does_not_come(tmp_path: Path, name: str) -> None:
    """A client that connects and is silent; meanwhile others are served."""
    async with site(way(name, tmp_path), GENEROUS._replace(handshake_s=1.0)) as running:
        silent = [await connect(running.address) for _ in range(5)]
        await running.ready()
        assert [await closed(stream) for stream in silent] == [b""] * 5
    async with site(way(name, tmp_path), GENEROUS._replace(headers_s=SOON)) as running:
        assert await closed(await connect(running.address)) == b""


async def test_reader_that_never_reads(each_way: Way) -> None:
    """It is cut after the limit, and delays nobody meanwhile."""
    async with site(each_way, GENEROUS._replace(answer_s=0.5)) as running:
        streams = [await running.connect() for _ in range(3)]
        for _, writer in streams:
            writer.write(GET_BIG)
        await running.ready()
        await until(lambda: running.open == 0)
        for stream in streams:
            assert len(await closed(stream)) < len(BIG)


async def test_reader_that_reads_slowly(each_way: Way) -> None:
    """It is cut although it reads all the time."""
    async with site(each_way, GENEROUS._replace(answer_s=0.3)) as running:
        reader, writer = await running.connect()
        writer.write(GET_BIG)
        await until(lambda: bool(running.server._connections._taking))
        while running.open:
            assert await reader.read(1000)
            await asyncio.sleep(0.01)
        writer.close()


async def test_reader_that_takes_its_time(each_way: Way) -> None:
    """It gets the whole answer, and the connection can be used again."""
    async with site(each_way) as running:
        reader, writer = stream = await running.connect()
        writer.write(GET_BIG)
        await until(lambda: bool(running.server._connections._taking))
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Content-Length: {len(BIG)}\r\n".encode() in head
        assert same(await reader.readexactly(len(BIG)), BIG)
        assert await is_open(stream)


async def test_more_connections_than_the_limit(each_way: Way) -> None:
    """The one that has been idle for longest is closed for a new one, even if it is kept from an earlier request."""
    async with site(each_way, GENEROUS._replace(connections=4)) as running:
        streams = [await running.connect() for _ in range(4)]
        await until(lambda: running.open == 4)
        assert await is_open(streams[0])  # so the second one is the oldest now
        await running.ready()
        assert await closed(streams[1]) == b""
        assert [await is_open(stream) for stream in (streams[0], streams[2], streams[3])] == [True] * 3


async def test_more_connections_at_once_than_the_limit(each_way: Way) -> None:
    """Those that are cut in the moment in which they were accepted are forgotten: the server can be closed."""
    async with site(each_way, GENEROUS._replace(connections=2)) as running:
        host, port, path, *_ = running.address
        clients = [socket.socket(socket.AF_UNIX if path else socket.AF_INET) for _ in range(8)]
        for client in clients:  # this blocks the loop, so that all of them are accepted in one round
            client.connect(path or (host, port))
        await until(lambda: running.open == 2 and len(running.server._connections._all) == 2)
        for client in clients:
            client.close()
        await until(lambda: not running.server._connections._all)
        await running.ready()


@pytest.mark.parametrize("name", ["TCP", "Unix"])
async def test_flood_does_not_push_out_what_was_just_accepted(tmp_path: Path, name: str) -> None:
    """Its request is read first, although many connections wait to be accepted behind it."""
    async with site(way(name, tmp_path), GENEROUS._replace(connections=16)) as running:
        host, port, path = running.address
        clients = [socket.socket(socket.AF_UNIX if path else socket.AF_INET) for _ in range(100)]
        for client in clients:
            client.connect(path or (host, port))
            client.send(READY if client is clients[0] else b"")
        clients[0].setblocking(False)
        got = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(clients[0], 1 << 16), PATIENCE_S)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        for client in clients:
            client.close()


async def test_more_requests_than_connections(each_way: Way) -> None:
    """If no connection is idle, the new one is closed; those with a request go on."""
    async with site(each_way, GENEROUS._replace(connections=3)) as running:
        busy = []
        for number in range(3):
            busy.append(asyncio.create_task(answer(await running.connect(), GET_WAIT)))
            await until(lambda: running.waiting == number + 1)  # noqa: B023 - called at once
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)):
            await running.ready()
        running.may_end.set()
        assert [(await task)[-4:] for task in busy] == [b"done"] * 3
        await running.ready()


async def test_more_readers_than_the_limit(each_way: Way) -> None:
    """Of the clients that take an answer the one that began first is cut; the last one gets its answer."""
    async with site(each_way, GENEROUS._replace(answers=3)) as running:
        taking = running.server._connections._taking
        streams = []
        for number in range(3):
            streams.append(await running.connect())
            streams[-1][1].write(GET_BIG)
            await until(lambda: len(taking) == number + 1)  # noqa: B023 - called at once
        body = (await fetch(running.address, GET_BIG, running.tls)).partition(b"\r\n\r\n")[2]
        assert same(body, BIG)
        assert len(await closed(streams[0])) < len(BIG)
        await running.ready()
        assert len(taking) == 2


async def test_readers_leave_half_of_the_connections(each_way: Way) -> None:
    """If there may be only a few connections, clients that never read don't take all of them."""
    async with site(each_way, GENEROUS._replace(connections=4)) as running:
        taking = running.server._connections._taking
        for number in range(4):
            (await running.connect())[1].write(GET_BIG)
            await until(lambda: len(taking) == min(number + 1, 2))  # noqa: B023 - called at once
            await running.ready()
        await running.ready()
        assert running.open <= 3


@pytest.mark.parametrize("head", ["GET /-/ready", "POST /-/ready", "GET /big"])
async def test_body_that_never_ends(each_way: Way, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    """The answer comes at once, and a moment later the connection is closed, however fast the body comes."""
    async with site(each_way) as running:
        reader, writer = await connect(running.address, running.tls)
        writer.write(f"{head} HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n".encode())
        begun = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE_S)
        assert begun.split()[1] in (b"200", b"405")
        end = asyncio.create_task(closed((reader, writer)))
        while not end.done():
            writer.write(bytes(1000))
            await asyncio.wait({end}, timeout=0.01)
        await running.ready()


async def test_renewed_certificate_counts_from_the_next_handshake(tmp_path: Path) -> None:
    """Connections that are open go on; new clients see the new one."""
    (old, trusts_old), (new, trusts_new) = contexts(tmp_path / "old.pem"), contexts(tmp_path / "new.pem")
    current = old
    async with site(Way(ListenAddress("127.0.0.1", 0), lambda: current, trusts_old)) as running:
        stream = await running.connect()
        await answer(stream)
        current = new
        assert await is_open(stream)
        with pytest.raises(ssl.SSLCertVerificationError):
            await running.ready()
        assert (await fetch(running.address, tls=trusts_new)).endswith(b"ready")


@pytest.mark.slow
async def test_three_hundred_clients_of_every_bad_kind(each_way: Way) -> None:
    """With the limits of every day a scrape gets its answer at once, while nobody else was cut for time."""
    async with site(each_way, Limits(connections=100)) as running:
        streams = []
        for request in (b"", READY[:20], GET_BIG, READY, READY[:-2] + b"Content-Length: 9\r\n\r\n"):
            for _ in range(60):
                streams.append(await running.connect())
                streams[-1][1].write(request)
        await running.ready()
        assert running.open <= 100


async def test_buffers_of_tls_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are small, and big pages get through all the same."""
    monkeypatch.setattr(SSLProtocol, "max_size", SSLProtocol.max_size)  # as before at the end of the test
    limits.limit_tls_buffers()
    async with site(way("TLS", tmp_path)) as running:
        assert same((await fetch(running.address, GET_BIG, running.tls)).partition(b"\r\n\r\n")[2], BIG)
        await until(lambda: running.open == 0)
        await answer(await running.connect())
        (connection,) = running.server._connections._all
        assert len(attrgetter("_transport._below._ssl_protocol._ssl_buffer")(connection)) == limits.TLS_BUFFER


def test_limits_leave_files_for_others() -> None:
    """At most half of the files that the process may open are connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        assert limits.most_connections(Limits()) == 100
        limits.raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert limits.most_connections(Limits()) == min(limits.CONNECTIONS, hard // 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_sockets_of_the_system_are_smaller_than_the_big_page() -> None:
    """Otherwise no reader would be slow."""
    with socket.socket() as one:
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < len(BIG) // 4
