"""Answers the requests for pages: metrics, targets, health checks, and a landing page for browsers."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

from aiohttp import hdrs

from exporter.metrics import gzipped, landing
from exporter.metrics.exposition import accepts_gzip, choose_format
from exporter.metrics.groups import Group
from exporter.metrics.names import node_rows
from exporter.page import PageData
from exporter.web import aiohttp_web as web
from exporter.web import pages
from exporter.web.body import SharedBody
from exporter.web.pages import NO_SNIFFING
from exporter.web.rendering import Names, Rendering
from exporter.web.single_flight import SingleFlight

PageDataSource = Callable[..., Awaitable[PageData]]
"""Returns the data of a page; all nodes, or those of its argument, are as of an instant after the call."""

_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Handlers:
    """The pages of one server; requests for the same page that come together share one rendering."""

    def __init__(
        self,
        source: PageDataSource,
        telemetry_path: str,
        nodes: Callable[[], Iterable[str]] | None = None,
        without: Collection[Group] = (),
    ) -> None:
        """Take the source of all pages, and the groups of series that they lack.

        `nodes` returns the names of the present nodes, by default those of a page.
        """
        self._source = source
        self._telemetry_path = telemetry_path
        self._nodes = nodes
        self._rendering = Rendering(node_rows(without))
        self._shared = SingleFlight[bytes]()

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application; its cleanup ends what is being rendered."""
        app.on_cleanup.append(self._stop)
        app.router.add_get(self._telemetry_path, self._metrics)
        app.router.add_get(pages.exporter_path(self._telemetry_path), self._exporter)
        app.router.add_get(pages.SERVICE_DISCOVERY, self._targets)
        app.router.add_get("/-/healthy", _healthy)
        app.router.add_get("/-/ready", _ready)
        app.router.add_get("/", self._home)

    async def _metrics(self, request: web.Request) -> web.Response:
        """Answer with all nodes and the exporter, or with the nodes that the parameters `node` name."""
        return await self._page(request, tuple(dict.fromkeys(request.query.getall("node", ()))) or None)

    async def _exporter(self, request: web.Request) -> web.Response:
        return await self._page(request, ())

    async def _page(self, request: web.Request, names: Names) -> web.Response:
        form = choose_format(_header(request, hdrs.ACCEPT))
        compress = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))

        async def make() -> bytes:
            data = await (self._source() if names is None else self._source(names))
            return await self._rendering.page(data, names, form)

        async def make_plain() -> bytes:
            page = await self._shared.get((names, form, "gzip"), make)
            return await asyncio.to_thread(gzipped.text_of, page)

        try:
            if compress:
                body = await self._shared.get((names, form, "gzip"), make)
            else:
                body = await self._shared.get((names, form, "plain"), make_plain)
        except pages.UnknownNode as error:
            raise web.HTTPNotFound(text=f"404: {error}\n", headers=NO_SNIFFING) from None
        headers = {hdrs.CONTENT_TYPE: form.value, hdrs.VARY: "Accept, Accept-Encoding", **NO_SNIFFING}
        if compress:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=SharedBody(body), headers=headers)

    async def _home(self, _: web.Request) -> web.Response:
        async def make() -> bytes:
            views = (await self._source()).views
            others = {
                pages.exporter_path(self._telemetry_path): "Metrics of the exporter alone",
                pages.SERVICE_DISCOVERY: "Targets for Prometheus, one a node",
            }
            return (await asyncio.to_thread(landing.render_page, views, self._telemetry_path, others)).encode()

        body = await self._shared.get("/", make)
        headers = {"Content-Security-Policy": _PAGE_POLICY, hdrs.CACHE_CONTROL: "no-store", **NO_SNIFFING}
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

    async def _targets(self, request: web.Request) -> web.Response:
        names = [view.node for view in (await self._source()).views] if self._nodes is None else self._nodes()
        return pages.targets(request, names, self._telemetry_path)

    async def _stop(self, _: web.Application) -> None:
        await self._shared.close()


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, []))


async def _healthy(_: web.Request) -> web.Response:
    """Answer that the process is alive; independent of lnd, because the exporter must outlive the nodes it watches."""
    return web.Response(text="The exporter is healthy.\n")


async def _ready(_: web.Request) -> web.Response:
    """Answer that the exporter is ready: it listens only after configuration and state are loaded."""
    return web.Response(text="The exporter is ready.\n")
