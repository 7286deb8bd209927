"""The HTTP side: metrics, health, and a landing page for a person with a browser."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import ProcessCollector

from exporter.metrics import landing
from exporter.metrics.collector import PageCollector
from exporter.metrics.exposition import accepts_gzip, choose_format, render
from exporter.metrics.row import PageData

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Source = Callable[[], Awaitable[PageData]]
"""All that there is to show, at one instant not before the call."""

_SHUTDOWN_S = 2.0
_LOGGER = "exporter.metrics.server"
_LOGGER_OF_AIOHTTP = f"{_LOGGER}.http"
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def build(source: Source, telemetry_path: str = "/metrics") -> web.Application:
    """All pages. A path that leads nowhere is 404, another method than GET or HEAD 405, both in plain text."""
    process = ProcessCollector(registry=None)

    async def metrics(request: web.Request) -> web.Response:
        form = choose_format(_header(request, hdrs.ACCEPT))
        compress = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))
        page = PageCollector(await source(), process)
        body = await asyncio.to_thread(render, page, form, compress=compress)
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding", **_NO_SNIFFING}
        if compress:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=body, headers=headers)

    async def home(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(landing.page, (await source()).views, telemetry_path)
        headers = {"Content-Security-Policy": _PAGE_POLICY, hdrs.CACHE_CONTROL: "no-store", **_NO_SNIFFING}
        return web.Response(text=text, content_type="text/html", headers=headers)

    app = web.Application(middlewares=[_bugs_are_logged])
    app.router.add_get(telemetry_path, metrics)
    app.router.add_get("/-/healthy", _healthy)
    app.router.add_get("/-/ready", _ready)
    app.router.add_get("/", home)
    return app


async def serve(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen; an empty host is all interfaces, port 0 any free one. Raises OSError when it can't.

    Returns the runner, whose `cleanup` ends it all, and the port that was bound.
    """
    # A client that reads slowly may delay the end, but not for long.
    logger = logging.getLogger(_LOGGER_OF_AIOHTTP)
    logger.addFilter(_no_noise)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S, logger=logger)
    await runner.setup()
    try:
        await (web.TCPSite(runner, host, port) if host else web.SockSite(runner, _everywhere(port))).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]


def _everywhere(port: int) -> socket.socket:
    """One socket for IPv4 and IPv6: asyncio would open two, which with port 0 would get different ports."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


@web.middleware
async def _bugs_are_logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever a handler raises is a bug; aiohttp takes some of it (a timeout, a lost connection) for the client's."""
    try:
        return await handler(request)
    except web.HTTPException:  # 404 and 405
        raise
    except Exception:  # noqa: BLE001 - logged, and told to the client
        structlog.get_logger(_LOGGER).exception("a page can't be made, please report it", path=request.path)
        return web.Response(status=500, text="500: Internal Server Error")


def _no_noise(record: logging.LogRecord) -> bool:
    """A client that speaks no HTTP (a port scan, TLS) is worth a line without a traceback, at level debug, if any.

    Its own words are left out: they may be anything. One that hung up before it was answered is worth none: what a
    handler raises, a lost connection, too, never comes here.
    """
    error = record.exc_info and record.exc_info[1]
    if isinstance(error, ConnectionError):
        return False
    if not isinstance(error, HttpProcessingError):
        return True
    record.msg, record.args, record.exc_info = "a request that is no HTTP: %s", (type(error).__name__,), None
    record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return logging.getLogger(_LOGGER_OF_AIOHTTP).isEnabledFor(logging.DEBUG)


_NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))


async def _healthy(_: web.Request) -> web.Response:
    """The process lives; of lnd it says nothing, for who watches a node must not vanish with it."""
    return web.Response(text="The exporter is healthy.\n")


async def _ready(_: web.Request) -> web.Response:
    """It listens only when configuration and state are in order, so whoever gets an answer is right to ask."""
    return web.Response(text="The exporter is ready.\n")
