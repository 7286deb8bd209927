"""The HTTP server: metrics, health checks, and a landing page for browsers."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import ProcessCollector
from prometheus_client.registry import Collector

from exporter.metrics import landing
from exporter.metrics.exposition import accepts_gzip, choose_format, render
from exporter.page import PageData
from exporter.web import pages
from exporter.web.pages import NO_SNIFFING

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PageDataSource = Callable[..., Awaitable[PageData]]
"""Returns the data of a page, as of one instant not before the call; all nodes, or at least those of its argument."""
Page = Callable[[web.Request, PageData, Collector], Collector]
"""Returns the part of the data that a request asks for; its last argument collects the metrics of the process."""

_SHUTDOWN_S = 2.0
_LOGGER = "exporter.web.server"
_LOGGER_OF_AIOHTTP = f"{_LOGGER}.http"
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def build_app(
    source: PageDataSource, telemetry_path: str = "/metrics", nodes: Callable[[], Iterable[str]] | None = None
) -> web.Application:
    """Return the application. An unknown path is 404, a method other than GET or HEAD is 405, both in plain text.

    `nodes` returns the names of the present nodes without writing to the disk; by default they are those of a page.
    """
    process = ProcessCollector(registry=None)

    async def metrics(request: web.Request) -> web.Response:
        return await respond(request, pages.page_of_nodes, request.query.getall("node", None))

    async def exporter(request: web.Request) -> web.Response:
        return await respond(request, pages.page_of_exporter, [])

    async def respond(request: web.Request, choose: Page, names: Collection[str] | None) -> web.Response:
        form = choose_format(_header(request, hdrs.ACCEPT))
        compress = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))
        page = choose(request, await (source() if names is None else source(names)), process)
        body = await asyncio.to_thread(render, page, form, compress=compress)
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding", **NO_SNIFFING}
        if compress:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=body, headers=headers)

    async def home(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(landing.render_page, (await source()).views, telemetry_path)
        headers = {"Content-Security-Policy": _PAGE_POLICY, hdrs.CACHE_CONTROL: "no-store", **NO_SNIFFING}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def targets(request: web.Request) -> web.Response:
        names = nodes() if nodes is not None else [view.node for view in (await source()).views]
        return pages.targets(request, names, telemetry_path)

    app = web.Application(middlewares=[_log_exceptions])
    app.router.add_get(telemetry_path, metrics)
    app.router.add_get(pages.exporter_path(telemetry_path), exporter)
    app.router.add_get(pages.SERVICE_DISCOVERY, targets)
    app.router.add_get("/-/healthy", _healthy)
    app.router.add_get("/-/ready", _ready)
    app.router.add_get("/", home)
    return app


async def serve(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen on a host (empty: all interfaces) and port (0: any free one). Raises `OSError` if that fails.

    Returns the runner, whose `cleanup` stops the server, and the port that was bound.
    """
    # A client that reads slowly may delay the shutdown, but no longer than `_SHUTDOWN_S`.
    logger = logging.getLogger(_LOGGER_OF_AIOHTTP)
    logger.addFilter(_quiet_client_errors)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S, logger=logger)
    await runner.setup()
    try:
        await (
            web.TCPSite(runner, host, port) if host else web.SockSite(runner, _listen_on_all_interfaces(port))
        ).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]


def _listen_on_all_interfaces(port: int) -> socket.socket:
    """Return one socket for IPv4 and IPv6: asyncio would open two, which with port 0 would get different ports."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


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


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))


async def _healthy(_: web.Request) -> web.Response:
    """Answer that the process is alive; independent of lnd, because the exporter must outlive the nodes it watches."""
    return web.Response(text="The exporter is healthy.\n")


async def _ready(_: web.Request) -> web.Response:
    """Answer that the exporter is ready: it listens only after configuration and state are loaded."""
    return web.Response(text="The exporter is ready.\n")
