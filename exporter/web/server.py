"""The HTTP server: metrics, health checks, and a landing page for browsers."""

import asyncio
import logging
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from exporter.config import ListenAddress
from exporter.metrics.groups import Group
from exporter.web import aiohttp_web as web
from exporter.web.connections import Connections
from exporter.web.handlers import Handlers, PageDataSource
from exporter.web.lifecycle import ReloadHandler, add_lifecycle
from exporter.web.limits import DEFAULTS, LINGER_S, Limits
from exporter.web.listener import TLS, Listener, no_tls
from exporter.web.security import Handler, WebSecurity
from exporter.web.sockets import adopt, open_sockets

_SHUTDOWN_S = 2.0
_LOGGER = "exporter.web.server"
_LOGGER_OF_AIOHTTP = f"{_LOGGER}.http"


def build_app(
    source: PageDataSource,
    telemetry_path: str = "/metrics",
    *,
    nodes: Callable[[], Iterable[str]] | None = None,
    security: WebSecurity | None = None,
    reload: ReloadHandler | None = None,
    without: Collection[Group] = (),
) -> web.Application:
    """Return the application; without `reload` the lifecycle API is off.

    `nodes` returns the names of the present nodes without writing to the disk; by default they are those of a page.
    `security` decides who gets an answer, and adds headers. The pages lack the groups of series `without`. An unknown
    path is 404, a method other than GET or HEAD is 405, both in plain text.
    """
    app = web.Application(middlewares=[_log_exceptions])
    if security is not None:
        security.protect(app)
    Handlers(source, telemetry_path, nodes, without).add_to(app)
    add_lifecycle(app, reload)
    return app


class Server:
    """A server that listens."""

    def __init__(self, runner: web.AppRunner, listener: Listener, connections: Connections) -> None:
        """Take its parts, which run."""
        self._runner = runner
        self._listener = listener
        self._connections = connections

    @property
    def addresses(self) -> Sequence[ListenAddress]:
        """Where it listens, with the ports that were bound."""
        return self._listener.addresses

    async def close(self) -> None:
        """Listen no more, finish running answers for at most `_SHUTDOWN_S`, and close all connections."""
        await self._listener.close()
        await self._runner.shutdown()  # a flood of wrong passwords is not waited for
        await self._connections.finish(_SHUTDOWN_S)
        await self._runner.cleanup()


async def serve(
    app: web.Application,
    addresses: Sequence[ListenAddress] = (),
    *,
    passed: Sequence[socket.socket] = (),
    tls: TLS = no_tls,
    limits: Limits = DEFAULTS,
) -> Server:
    """Serve on addresses, or on sockets that were passed. Raises `CannotListen` if an address can't be used."""
    logger = logging.getLogger(_LOGGER_OF_AIOHTTP)
    logger.addFilter(_quiet_client_errors)
    connections = Connections(limits)
    app.middlewares.insert(0, connections.middleware())
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        sockets = adopt(passed) if passed else await open_sockets(addresses)
    except BaseException:
        await runner.cleanup()
        raise
    server = runner.server
    assert server is not None, "the runner is set up"

    # Nobody reads the body of a request, so it isn't decompressed.
    options: dict[str, Any] = {"access_log": None, "auto_decompress": False, "lingering_time": LINGER_S}
    new_handler = partial(_Requests, server, loop=asyncio.get_running_loop(), logger=logger, **options)
    return Server(runner, Listener(sockets, new_handler, connections, tls), connections)


class _Requests(RequestHandler):
    """Reads the requests of a connection."""

    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what isn't HTTP. aiohttp would repeat a part of it, perhaps the header with the password."""
        if isinstance(exc, HttpProcessingError):
            message = f"{status}: {HTTPStatus(status).phrase}"
        return super().handle_error(request, status, exc, message)


@web.middleware
async def _log_exceptions(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log each exception of a handler as a bug; aiohttp would take a timeout or a lost connection for the client's."""
    try:
        return await handler(request)
    except web.HTTPException:  # 400, 404 and 405
        raise
    except Exception:  # noqa: BLE001 - logged, and answered with 500
        structlog.get_logger(_LOGGER).exception("failed to render a page, please report this bug", path=request.path)
        return web.Response(status=500, text="500: Internal Server Error")


def _quiet_client_errors(record: logging.LogRecord) -> bool:
    """Log a request that isn't HTTP (a port scan, TLS) at level debug, without traceback.

    The request itself is left out, because it may contain anything. A client that disconnects before the answer is
    not logged. Exceptions of handlers, lost connections included, never get here (see `_log_exceptions`).
    """
    error = record.exc_info and record.exc_info[1]
    if isinstance(error, ConnectionError):
        return False
    if not isinstance(error, HttpProcessingError):
        return True
    record.msg, record.args, record.exc_info = "a request that is not HTTP: %s", (type(error).__name__,), None
    record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return logging.getLogger(_LOGGER_OF_AIOHTTP).isEnabledFor(logging.DEBUG)
