"""Renders pages in short slices of the event loop's time, and keeps of each what its next rendering can use again."""

import asyncio
from collections.abc import Generator, Sequence
from time import monotonic
from typing import TypeAlias, TypeVar

from exporter.metrics import gzipped, library
from exporter.metrics.exposition import Format
from exporter.metrics.names import EXPORTER_ROWS, NODE_ROWS
from exporter.metrics.process import Process
from exporter.metrics.rendered import NOTHING, Rendered, render_in_steps
from exporter.metrics.row import NodeRow
from exporter.page import PageData
from exporter.web import pages

T = TypeVar("T")
Names: TypeAlias = tuple[str, ...] | None
"""The nodes of a page; None: all nodes, the exporter and its process; empty: the last two alone."""

PARALLEL = 2
"""Renderings of different pages at the same time; more only delay each other, and each takes a slice."""
SLICE_S = 0.0005
"""After this time a rendering lets everything else go on that is due; a thread would make it wait longer. A timer waits
for up to three slices: asyncio looks at the clock once in a round, and whoever is woken then runs in the next one."""
KEPT_S = 600.0
"""A page that nobody requested for so long is forgotten; that of a node that was removed, too."""


class Rendering:
    """The pages of one server: at most two for each node and two for all, one in each format."""

    def __init__(self, rows: Sequence[NodeRow] = NODE_ROWS) -> None:
        """Keep nothing yet; `rows` are the metrics of the nodes that the pages show."""
        self._rows = rows
        self._process = Process()
        self._others = asyncio.Semaphore(PARALLEL)
        self._choices = asyncio.Semaphore(1)
        self._kept: dict[tuple[Names, Format], tuple[Rendered, float]] = {}

    async def page(self, data: PageData, names: Names, form: Format) -> bytes:
        """Return a page, compressed by gzip. Raises `UnknownNode`.

        Pages with the same names and format can be rendered at the same time, but that is twice the work.
        """
        data = data._replace(views=pages.chosen(data.views, names))
        before, _ = self._kept.get((names, form), (NOTHING, 0.0))
        rows = self._rows if names != () else ()
        # There are endless choices of several nodes: a flood of them must not keep the other pages waiting.
        async with self._choices if names and len(names) > 1 else self._others:
            rendered = await in_slices(render_in_steps(rows, form, data.views, before))
        await asyncio.sleep(0)  # each of the next two steps takes 1 ms for two hundred nodes
        last = library.end(form) if names else library.tail(EXPORTER_ROWS, data.exporter, self._process, form)
        if not names or len(names) == 1:
            self._keep((names, form), rendered)
        gone, before = [*before.views, *before.chunks], NOTHING
        await in_slices(_let_go(gone))  # to free two hundred nodes at once takes 5 ms
        await asyncio.sleep(0)
        return gzipped.member(rendered.parts, last)

    def _keep(self, key: tuple[Names, Format], rendered: Rendered) -> None:
        now_s = monotonic()
        self._kept.pop(key, None)
        self._kept[key] = (rendered, now_s)  # the last one: they are in the order of their use
        while self._kept[oldest := next(iter(self._kept))][1] < now_s - KEPT_S:
            del self._kept[oldest]


def _let_go(parts: list[object]) -> Generator[None, None, None]:
    """Remove some parts of a page in each step."""
    while parts:
        del parts[-8:]
        yield


async def in_slices(steps: Generator[None, None, T]) -> T:
    """Do the steps, and let the event loop go on after each `SLICE_S`."""
    end_s = monotonic() + SLICE_S
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        if monotonic() >= end_s:
            await asyncio.sleep(0)
            end_s = monotonic() + SLICE_S
