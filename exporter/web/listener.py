"""Accepts connections on all listening sockets, each in a task of its own, with TLS if it is configured."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from exporter.config import ListenAddress
from exporter.web.connections import Connection, Connections
from exporter.web.limits import CLOSE_S
from exporter.web.sockets import ListeningSockets

TLS = Callable[[], ssl.SSLContext | None]
"""Returns the encryption of a new connection; None: none. Called for each, so a renewed certificate counts."""

RETRY_S = 0.1
"""Pause after a failed accept, such as one for which there are no more file descriptors."""
LOG_EVERY_S = 60.0
"""A trouble that lasts is logged so often."""
_OF_THE_CLIENT = (errno.ECONNABORTED, errno.EPROTO)
"""The client was gone before its connection was accepted."""


def no_tls() -> None:
    """Return that connections aren't encrypted."""


class Listener:
    """The accept loops."""

    def __init__(self, sockets: ListeningSockets, server: web.Server, connections: Connections, tls: TLS) -> None:
        """Begin to accept."""
        self._sockets = sockets
        self._server = server
        self._connections = connections
        self._tls = tls
        self._logged: dict[str, float] = {}
        self._log = structlog.get_logger("exporter.web.listener")
        for each in sockets.sockets:
            each.setblocking(False)
        self._loops = [asyncio.create_task(self._accept(each), name="accept") for each in sockets.sockets]
        self._establishing: set[asyncio.Task[None]] = set()

    @property
    def addresses(self) -> Sequence[ListenAddress]:
        """Where it listens."""
        return self._sockets.addresses

    async def close(self) -> None:
        """Stop accepting, close the sockets, and drop connections whose TLS handshake is not over."""
        tasks = [*self._loops, *self._establishing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sockets.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno not in _OF_THE_CLIENT:
                    self._warn("a connection can't be accepted", reason=error.strerror)
                    self._connections.make_room()
                    await asyncio.sleep(RETRY_S)
                continue
            self._begin(accepted)
            await asyncio.sleep(0)  # a flood of connections must not keep the loop from serving them

    def _begin(self, accepted: socket.socket) -> None:
        connection = self._connections.add(self._server)
        if connection is None:
            accepted.close()
            self._warn("too many requests at once: a connection was closed", connections=self._connections.most)
            return
        task = connection.establishing = asyncio.create_task(self._establish(connection, accepted), name="establish")
        self._establishing.add(task)
        task.add_done_callback(self._establishing.discard)

    async def _establish(self, connection: Connection, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            context = self._tls()
            await loop.connect_accepted_socket(
                lambda: connection,
                accepted,
                ssl=context,
                ssl_handshake_timeout=self._connections.limits.handshake_s if context else None,
                ssl_shutdown_timeout=CLOSE_S if context else None,
            )
        except OSError as error:  # whatever the client does wrong, also if it takes too long
            self._log.debug("a connection without a TLS handshake", reason=type(error).__name__)
        finally:
            if not connection.established:
                accepted.close()
                connection.connection_lost(None)

    def _warn(self, event: str, **details: object) -> None:
        """Log, but the same event only every `LOG_EVERY_S`."""
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(event, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged[event] = now
            self._log.warning(event, **details)
