"""Renders pages in threads, few at a time, and keeps of each what its next rendering can use again."""

import asyncio
import time
from collections.abc import Sequence
from typing import TypeAlias

from prometheus_client import ProcessCollector
from prometheus_client.registry import Collector

from exporter.metrics import gzipped, library
from exporter.metrics.exposition import Format
from exporter.metrics.names import EXPORTER_ROWS, NODE_ROWS
from exporter.metrics.rendered import NOTHING, Rendered, render
from exporter.metrics.row import NodeRow
from exporter.page import PageData
from exporter.web import pages

Names: TypeAlias = tuple[str, ...] | None
"""The nodes of a page; None: all nodes, the exporter and its process; empty: the last two alone."""

PARALLEL = 4
"""Renderings of different pages at the same time. Python runs one thread at a time, so more only delay each other."""
KEPT_S = 600.0
"""A page that nobody requested for so long is forgotten; that of a node that was removed, too."""


class Rendering:
    """The pages of one server: at most two for each node and two for all, one in each format."""

    def __init__(self, rows: Sequence[NodeRow] = NODE_ROWS) -> None:
        """Keep nothing yet; `rows` are the metrics of the nodes that the pages show."""
        self._rows = rows
        self._process = ProcessCollector(registry=None)
        self._threads = asyncio.Semaphore(PARALLEL)
        self._threads_for_choices = asyncio.Semaphore(1)
        self._kept: dict[tuple[Names, Format], tuple[Rendered, float]] = {}

    async def page(self, data: PageData, names: Names, form: Format) -> bytes:
        """Return a page, compressed by gzip. Raises `UnknownNode`.

        Pages with the same names and format can be rendered at the same time, but that is twice the work.
        """
        data = data._replace(views=pages.chosen(data.views, names))
        before, _ = self._kept.get((names, form), (NOTHING, 0.0))
        if names and before.shows(data.views):
            # This takes a tenth of what a thread takes.
            rendered, page = _render(data, names, form, before, self._process, rows=self._rows)
        else:
            # There are endless choices of several nodes: a flood of them must not keep the other pages waiting.
            async with self._threads_for_choices if names and len(names) > 1 else self._threads:
                rendered, page = await asyncio.to_thread(
                    _render, data, names, form, before, self._process, rows=self._rows
                )
        if not names or len(names) == 1:
            self._keep((names, form), rendered)
        return page

    def _keep(self, key: tuple[Names, Format], rendered: Rendered) -> None:
        now_s = time.monotonic()
        self._kept.pop(key, None)
        self._kept[key] = (rendered, now_s)  # the last one: they are in the order of their use
        while self._kept[oldest := next(iter(self._kept))][1] < now_s - KEPT_S:
            del self._kept[oldest]


def _render(
    data: PageData, names: Names, form: Format, before: Rendered, process: Collector, *, rows: Sequence[NodeRow]
) -> tuple[Rendered, bytes]:
    """Return the nodes of a page for its next rendering, and all of it, compressed."""
    rendered = NOTHING if names == () else render(rows, form, data.views, before)
    last = library.end(form) if names else library.tail(EXPORTER_ROWS, data.exporter, process, form)
    return rendered, gzipped.member((rendered.part, gzipped.compress(last)))
