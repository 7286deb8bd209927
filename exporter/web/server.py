"""The HTTP server: metrics, health checks, and a landing page for browsers."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import ProcessCollector

from exporter.config import ListenAddress
from exporter.metrics import landing
from exporter.metrics.collector import PageCollector
from exporter.metrics.exposition import accepts_gzip, choose_format, render
from exporter.page import PageData
from exporter.web.body import SharedBody
from exporter.web.connections import Connections
from exporter.web.lifecycle import ReloadHandler, add_lifecycle
from exporter.web.limits import DEFAULTS, LINGER_S, Limits
from exporter.web.listener import TLS, Listener, no_tls
from exporter.web.security import Handler, WebSecurity
from exporter.web.single_flight import SingleFlight
from exporter.web.sockets import adopt, open_sockets

PageDataSource = Callable[[], Awaitable[PageData]]
"""Returns the data of a page, as of one instant not before the call."""

_SHUTDOWN_S = 2.0
_LOGGER = "exporter.web.server"
_LOGGER_OF_AIOHTTP = f"{_LOGGER}.http"
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def build_app(
    source: PageDataSource,
    telemetry_path: str = "/metrics",
    *,
    security: WebSecurity | None = None,
    reload: ReloadHandler | None = None,
) -> web.Application:
    """Return the application; without `reload` the lifecycle API is off.

    `security` decides who gets an answer, and adds headers. An unknown path is 404, a method other than GET or HEAD is
    405, both in plain text.
    """
    process = ProcessCollector(registry=None)
    pages = SingleFlight[bytes]()

    async def metrics(request: web.Request) -> web.Response:
        form = choose_format(_header(request, hdrs.ACCEPT))
        compress = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))

        async def make() -> bytes:
            page = PageCollector(await source(), process)
            return await asyncio.to_thread(render, page, form, compress=compress)

        body = await pages.get((telemetry_path, form, compress), make)
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding", **_NO_SNIFFING}
        if compress:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=SharedBody(body), headers=headers)

    async def home(_: web.Request) -> web.Response:
        async def make() -> bytes:
            views = (await source()).views
            return (await asyncio.to_thread(landing.render_page, views, telemetry_path)).encode()

        body = await pages.get("/", make)
        headers = {"Content-Security-Policy": _PAGE_POLICY, hdrs.CACHE_CONTROL: "no-store", **_NO_SNIFFING}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def stop(_: web.Application) -> None:
        await pages.close()

    app = web.Application(middlewares=[_log_exceptions])
    app.on_cleanup.append(stop)
    if security is not None:
        security.protect(app)
    app.router.add_get(telemetry_path, metrics)
    app.router.add_get("/-/healthy", _healthy)
    app.router.add_get("/-/ready", _ready)
    app.router.add_get("/", home)
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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, lingering_time=LINGER_S, logger=logger)
    await runner.setup()
    try:
        sockets = adopt(passed) if passed else await open_sockets(addresses)
    except BaseException:
        await runner.cleanup()
        raise
    server = runner.server
    assert server is not None, "the runner is set up"
    return Server(runner, Listener(sockets, server, connections, tls), connections)


@web.middleware
async def _log_exceptions(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Log each exception of a handler as a bug; aiohttp would take a timeout or a lost connection for the client's."""
    try:
        return await handler(request)
    except web.HTTPException:  # 404 and 405
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


_NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))


async def _healthy(_: web.Request) -> web.Response:
    """Answer that the process is alive; independent of lnd, because the exporter must outlive the nodes it watches."""
    return web.Response(text="The exporter is healthy.\n")


async def _ready(_: web.Request) -> web.Response:
    """Answer that the exporter is ready: it listens only after configuration and state are loaded."""
    return web.Response(text="The exporter is ready.\n")
