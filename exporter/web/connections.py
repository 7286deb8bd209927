"""The open connections: cuts clients that are too slow, and makes room for new ones."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp.typedefs import Middleware
from aiohttp.web_protocol import RequestHandler

from exporter.web import aiohttp_web as web
from exporter.web.limits import Limits, most_connections
from exporter.web.paced import PacedTransport

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Connection(asyncio.Protocol):
    """One connection from its accept on; passes everything on to a `RequestHandler` of aiohttp.

    It is idle unless a request is in progress: the handler runs, or the client is taking the answer.
    """

    def __init__(self, connections: "Connections", handler: Callable[[], RequestHandler]) -> None:
        """Start as idle; `establishing` must be set."""
        self._connections = connections
        self._new_handler = handler
        self._handler: RequestHandler | None = None
        self._transport: _Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._receiving = True
        self._handling = False
        self._taking = False
        self.closing = False
        self.establishing: asyncio.Task[None] | None = None
        self._limit(connections.limits.headers_s)

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        return not self._handling and not self._taking

    @property
    def taking(self) -> bool:
        """Whether the client is taking an answer."""
        return self._taking

    @property
    def established(self) -> bool:
        """Whether there was a transport: after the TLS handshake."""
        return self._transport is not None

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read requests; the time for the first one runs since the accept."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = _Transport(transport, self)
        self._handler = self._new_handler()
        self._handler.connection_made(self._transport)

    def data_received(self, data: bytes) -> None:
        """Pass data on; the first of a request starts the time for its headers."""
        if self.idle and not self._receiving:
            self._receiving = True
            self._limit(self._connections.limits.headers_s)
        if self._handler is not None and not self.closing:
            self._handler.data_received(data)

    def eof_received(self) -> None:
        """Pass it on."""
        if self._handler is not None:
            self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass it on to the transport."""
        if self._transport is not None:
            self._transport.pause()

    def resume_writing(self) -> None:
        """Pass it on to the transport."""
        if self._transport is not None:
            self._transport.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        if self._handler is not None:
            self._handler.connection_lost(exc)
            self._handler = None
        self._connections.forget(self)

    # the steps of a request

    def request_begins(self) -> None:
        """Its headers are complete."""
        self._handling = True
        self._stop_timer()
        self._connections.sort(self)

    def request_ends(self) -> None:
        """Its answer is about to be written; the wait for the next request begins."""
        self._handling = False
        self._wait_for_request()

    def answer_waits(self) -> None:
        """A part of it has to wait for the client."""
        self._taking = True
        self._limit(self._connections.limits.answer_s)
        if self._handler is not None:
            self._handler.pause_writing()
        self._connections.sort(self)

    def answer_taken(self) -> None:
        """All of it is on its way."""
        self._taking = False
        if self._handler is not None:
            self._handler.resume_writing()
        if self.idle:
            self._wait_for_request()
        else:
            self._stop_timer()
            self._connections.sort(self)

    def _wait_for_request(self) -> None:
        self._receiving = False
        if not self._taking:
            self._limit(self._connections.limits.kept_s)
        self._connections.sort(self)

    # the end

    def cut(self) -> None:
        """Close at once. Closing in order would wait for a client that doesn't read."""
        self._stop_timer()
        self.closing = True
        self._connections.sort(self)
        if self._transport is not None:
            self._transport.abort()
        elif self.establishing is not None:
            self.establishing.cancel()

    def finish(self) -> None:
        """Close after the answer that is in progress."""
        if self.idle or self._handler is None:
            self.cut()
        else:
            self._handler.close()

    def _limit(self, seconds: float) -> None:
        self._stop_timer()
        if not self.closing:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.cut)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Transport(PacedTransport):
    """A transport that knows its connection, because aiohttp's requests know their transport."""

    def __init__(self, below: asyncio.Transport, connection: Connection) -> None:
        """Tell the connection when an answer waits for the client."""
        super().__init__(below, connection.answer_waits, connection.answer_taken)
        self.connection = connection


class Connections:
    """All connections, the idle ones and those that take an answer in the order in which they became so."""

    def __init__(self, limits: Limits) -> None:
        """Start without any."""
        self.limits = limits
        self.most = most_connections(limits)
        self._answers = min(limits.answers, max(1, self.most // 2))  # the other half is for new clients
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        self._taking: dict[Connection, None] = {}
        self._serving: set[asyncio.Task[None]] = set()  # of aiohttp, one for each connection that had a request
        self._none = asyncio.Event()
        self._none.set()

    @property
    def open(self) -> int:
        """How many there are, without those that are being closed."""
        return sum(not connection.closing for connection in self._all)

    @property
    def closing(self) -> int:
        """How many are being closed, so that the system has not got back their files."""
        return len(self._all) - self.open

    def add(self, handler: Callable[[], RequestHandler]) -> Connection | None:
        """Return a new connection; for it the oldest idle one may be closed. None if there are too many requests."""
        if self.open >= self.most and not self.make_room():
            return None
        connection = Connection(self, handler)
        self._all.add(connection)
        self._none.clear()
        self.sort(connection)
        return connection

    def make_room(self) -> bool:
        """Close the connection that has been idle for longest; return False if none is idle."""
        connection = next(iter(self._idle), None)
        if connection is not None:
            connection.cut()
        return connection is not None

    def forget(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self._all.discard(connection)
        self._idle.pop(connection, None)
        self._taking.pop(connection, None)
        if not self._all:
            self._none.set()

    def sort(self, connection: Connection) -> None:
        """Take note of its state; if too many take an answer, the one that began first is closed.

        Refusing the newest instead (503) would let clients that never read keep a scrape out.
        """
        self._idle.pop(connection, None)
        if connection.closing or connection not in self._all:
            self._taking.pop(connection, None)
        elif connection.idle:
            self._taking.pop(connection, None)
            self._idle[connection] = None
        elif connection.taking:
            self._taking.setdefault(connection)
            if len(self._taking) > self._answers:
                next(iter(self._taking)).cut()

    def middleware(self) -> Middleware:
        """Return a middleware for aiohttp, the outermost one, that notes when requests begin and end."""

        @web.middleware
        async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
            transport, task = request.transport, request.task
            connection = transport.connection if isinstance(transport, _Transport) else None
            if connection is None:
                return await handler(request)
            if task not in self._serving:
                self._serving.add(task)
                task.add_done_callback(self._serving.discard)
            connection.request_begins()
            try:
                return await handler(request)
            finally:
                connection.request_ends()

        return note

    async def finish(self, seconds: float) -> None:
        """Close all: idle ones at once, those with a request after its answer, or when the time is over."""
        await asyncio.sleep(0)  # a request that was received begins
        for connection in [*self._all]:
            connection.finish()
        try:
            await asyncio.wait_for(self._none.wait(), seconds)
        except TimeoutError:
            for connection in [*self._all]:
                connection.cut()
        for task in [*self._serving]:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._none.wait()
