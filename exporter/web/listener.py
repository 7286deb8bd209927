"""Accepts connections on all listening sockets, each in a task of its own, with TLS if it is configured."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog
from aiohttp.web_protocol import RequestHandler

from exporter.config import ListenAddress
from exporter.web.connections import Connection, Connections
from exporter.web.limits import CLOSE_S, SEND_BUFFER
from exporter.web.sockets import ListeningSockets

TLS = Callable[[], ssl.SSLContext | None]
"""Returns the encryption of a new connection; None: none. Called for each, so a renewed certificate counts."""

RETRY_S = 0.1
"""Pause after a failed accept, such as one for which there are no more file descriptors, if none can be freed."""
AT_ONCE = 32
"""Connections that are accepted before others are served, at most."""
ROUNDS = 8
"""A flood takes at least so many rounds of the loop to push a new connection out: its request is read after four."""
LOG_EVERY_S = 60.0
"""A trouble that lasts is logged so often."""
_OF_THE_CLIENT = (errno.ECONNABORTED, errno.EPROTO)
"""The client was gone before its connection was accepted."""


def no_tls() -> None:
    """Return that connections aren't encrypted."""


class Listener:
    """Accepts connections until it is closed."""

    def __init__(
        self, sockets: ListeningSockets, handler: Callable[[], RequestHandler], connections: Connections, tls: TLS
    ) -> None:
        """Begin to accept."""
        self._sockets = sockets
        self._new_handler = handler
        self._connections = connections
        self._tls = tls
        self._logged: dict[str, float] = {}
        self._log = structlog.get_logger("exporter.web.listener")
        self._loop = asyncio.get_running_loop()
        self._at_once = min(AT_ONCE, max(1, connections.most // (ROUNDS * len(sockets.sockets))))
        self._paused: set[asyncio.TimerHandle] = set()
        self._establishing: set[asyncio.Task[None]] = set()
        for each in sockets.sockets:
            each.setblocking(False)
            self._listen(each)

    @property
    def addresses(self) -> Sequence[ListenAddress]:
        """Where it listens."""
        return self._sockets.addresses

    async def close(self) -> None:
        """Stop accepting, close the sockets, and drop connections whose TLS handshake is not over."""
        for timer in self._paused:
            timer.cancel()
        for each in self._sockets.sockets:
            self._loop.remove_reader(each)
        self._sockets.close()
        for task in self._establishing:
            task.cancel()
        await asyncio.gather(*self._establishing, return_exceptions=True)

    def _listen(self, listening: socket.socket) -> None:
        """Accept whenever there is a connection."""
        # loop.sock_accept would log an InvalidStateError if it is cancelled while a connection waits.
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accept a few connections; the rest in the next round, so that a flood keeps nobody from being served."""
        for _ in range(self._at_once):
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _OF_THE_CLIENT:
                    self._make_room(listening, error)
                    return
            else:
                accepted.setblocking(False)
                with suppress(OSError):  # the client is gone already
                    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
                self._begin(accepted)

    def _make_room(self, listening: socket.socket, error: OSError) -> None:
        """Try again in the next round, in which files of closed connections are free; or later, if there are none."""
        if self._connections.closing:
            return
        self._warn("a connection can't be accepted", reason=error.strerror)
        if self._connections.make_room():
            return
        self._loop.remove_reader(listening)

        def again() -> None:
            self._paused.discard(timer)
            self._listen(listening)

        timer = self._loop.call_later(RETRY_S, again)
        self._paused.add(timer)

    def _begin(self, accepted: socket.socket) -> None:
        connection = self._connections.add(self._new_handler)
        if connection is None:
            accepted.close()
            self._warn("too many requests at once: a connection was closed", connections=self._connections.most)
            return
        task = connection.establishing = asyncio.create_task(self._establish(connection, accepted), name="establish")
        self._establishing.add(task)
        task.add_done_callback(partial(self._end_of_establishing, connection, accepted))

    async def _establish(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            context = self._tls()
            await self._loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._connections.limits.handshake_s if context else None,
                ssl_shutdown_timeout=CLOSE_S if context else None,
            )
        except OSError as error:  # whatever the client does wrong, also if it takes too long
            self._log.debug("a connection without a TLS handshake", reason=type(error).__name__)

    def _end_of_establishing(self, connection: Connection, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        """Forget what was not established. Not a part of the task: one that is cancelled at once never begins."""
        self._establishing.discard(task)
        if not connection.established:
            accepted.close()
            connection.connection_lost(None)

    def _warn(self, event: str, **details: object) -> None:
        """Log, but the same event only every `LOG_EVERY_S`."""
        now = self._loop.time()
        if now - self._logged.get(event, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged[event] = now
            self._log.warning(event, **details)
