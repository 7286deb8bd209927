"""What a page costs: text and gzip alone, and whole scrapes over HTTP, of one node and of 200, by how much changed."""

import asyncio
import gzip
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path

from exporter.metrics import gzipped
from exporter.metrics.exposition import Format
from exporter.metrics.names import NODE_ROWS
from exporter.metrics.rendered import NOTHING, Rendered, render
from exporter.page import PageData
from exporter.payments.view import View
from tests.bench.crowd import measure_crowd
from tests.bench.fleet import Fleet, fleet
from tests.bench.line import Goal, Limit, Line, Scale
from tests.metrics import changing, judge, scene

GROUP = "page"
NODES = 200
PAYMENTS = 300
"""Payments of each node before the first page."""
ROUNDS = 10
"""Scrapes of one node in each repetition; of many nodes there is one. One more before the first is not counted."""
_GZIP_LEVEL = 1
_BARE = "gzip of the same text"
_LIBRARY = "the client library, with gzip"
_FORM = Format.OPENMETRICS
_PAUSE = "longest pause of the event loop while a page is taken"


class Way(Enum):
    """How pages are taken."""

    KEPT = "connection kept as Prometheus does"
    NEW = "a new connection each time"
    TWO = "two scrapers at the same instant, each with its connection kept"

    async def take(self, served: Fleet) -> bytes:
        """Return a page; a second scraper gets the same one."""
        if self is Way.TWO:
            return await served.scrape_twice()
        return await (served.scrape_anew() if self is Way.NEW else served.scrape())


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure pages of one node and of many, the write to disk, the lag of the event loop, and a crowd of clients."""
    nodes, payments = scale.of(NODES, 10), scale.of(PAYMENTS, 20)
    for text in (*_texts(1, scale), *_texts(nodes, scale)):
        yield text
    with tempfile.TemporaryDirectory() as home:
        async for line in _of_one(Path(home), payments, scale):
            yield line
        async for line in _many(nodes, payments, scale):
            yield line
        async for line in _written(nodes, payments, Path(home) / "many.sqlite", scale):
            yield line
    if scale.wants("crowd"):
        for name, seconds, alone in await measure_crowd():
            compared = ("without any other client", [alone * 1000]) if seconds != alone else ("", [])
            yield Line(GROUP, f"crowd: {name}, wall clock", "ms", [seconds * 1000], *compared)


async def _many(nodes: int, payments: int, scale: Scale) -> AsyncIterator[Line]:
    async with fleet(nodes, payments) as many:
        await many.scrape()
        for name, changed, limit in (("nothing", 0, 50), ("a tenth", nodes // 10, 150), ("everything", nodes, 350)):
            if scale.wants(line := f"whole scrape of {nodes} nodes, {name} changed, no state file"):
                yield await _scrapes(many, line, changed, scale, Goal(Limit.VALUE, limit))
        if scale.wants(line := f"whole scrape of {nodes} nodes, everything changed, no state file, {Way.TWO.value}"):
            yield await _scrapes(many, line, nodes, scale, way=Way.TWO)
        if scale.wants(_PAUSE):
            yield await _lag(many, nodes, scale)


async def _written(nodes: int, payments: int, path: Path, scale: Scale) -> AsyncIterator[Line]:
    together = f"whole scrape of {nodes} nodes, everything changed and written"
    apart = f"{nodes} pages of a node each, everything changed and written"
    if not scale.wants(together, apart):
        return
    async with fleet(nodes, payments, path) as written:
        await written.scrape()
        yield await _scrapes(written, together, nodes, scale)
        yield await _one_after_the_other(written, apart, nodes, scale)


def _texts(nodes: int, scale: Scale) -> Iterator[Line]:
    """Measure text and gzip in this process, by how much changed since the last page."""
    node = scene.populated()
    views = [replace(node, node=f"node{number}") for number in range(nodes)]
    before = render(NODE_ROWS, _FORM, views, NOTHING)
    limit = Goal(Limit.VALUE, 1) if nodes == 1 else None
    for change, now, goal in (
        ("nothing changed", views, limit),
        ("a payment each", [changing.payment(view) for view in views], limit),
        ("everything changed", [changing.everything(view) for view in views], limit),
    ):
        named = "1 node" if nodes == 1 else f"{nodes} nodes"
        if scale.wants(name := f"text and gzip of {named}, {change}"):
            own, bare = list[float](), list[float]()
            for _ in range(scale.repetitions):
                own.append(_text_ms(now, before, ROUNDS if nodes == 1 else 1))
                bare.append(_library_ms(now))
            yield Line(GROUP, name, "ms", own, _LIBRARY, bare, goal)


def _text_ms(views: Sequence[View], before: Rendered, rounds: int) -> float:
    begin = time.process_time()
    for _ in range(rounds):
        gzipped.member(render(NODE_ROWS, _FORM, views, before).parts, b"")
    return (time.process_time() - begin) / rounds * 1000


def _library_ms(views: Sequence[View]) -> float:
    begin = time.process_time()
    text = judge.rendered(judge.PageCollector(PageData(views), rows=NODE_ROWS), _FORM)
    gzip.compress(text, _GZIP_LEVEL, mtime=0)
    return (time.process_time() - begin) * 1000


async def _of_one(home: Path, payments: int, scale: Scale) -> AsyncIterator[Line]:
    """Measure scrapes of one node that is written to disk."""
    for name, changed in (("changed and written", 1), ("nothing changed", 0)):
        for way, goal in ((Way.KEPT, Goal(Limit.VALUE, 3)), (Way.NEW, None), (Way.TWO, None)):
            if scale.wants(line := f"whole scrape of 1 node, {name}, {way.value}"):
                async with fleet(1, payments, home / f"{changed}-{way.name}.sqlite") as one:
                    await way.take(one)
                    yield await _scrapes(one, line, changed, scale, goal, way=way)


async def _scrapes(
    served: Fleet, name: str, changed: int, scale: Scale, goal: Goal | None = None, *, way: Way = Way.KEPT
) -> Line:
    """Measure scrapes of all nodes, after a change of some of them."""
    own, bare = list[float](), list[float]()
    page = b""
    rounds = ROUNDS if served.nodes == 1 else 1
    for _ in range(scale.repetitions):
        used = 0.0
        for _ in range(rounds):
            await served.change(changed)
            before = await served.cpu_s()
            page = await way.take(served)
            used += await served.cpu_s() - before
        own.append(used / rounds * 1000)
        text = gzip.decompress(page)
        before = time.process_time()
        gzip.compress(text, _GZIP_LEVEL)
        bare.append((time.process_time() - before) * 1000)
    series = sum(not line.startswith(b"#") for line in gzip.decompress(page).splitlines())
    return Line(GROUP, name, "ms", own, _BARE, bare, goal, f"{series:,} series")


async def _lag(served: Fleet, nodes: int, scale: Scale) -> Line:
    """Measure by the wall clock how long the event loop stands still while pages are taken, and while none is."""
    own, bare = list[float](), list[float]()
    for _ in range(scale.repetitions):
        await served.change(nodes)
        await served.watch()
        begin = time.monotonic()
        await served.scrape()
        took = time.monotonic() - begin
        own.append(await served.lag_s() * 1000)
        await served.watch()
        await asyncio.sleep(max(took, 0.2))
        bare.append(await served.lag_s() * 1000)
    note = f"wall clock, {nodes} nodes, everything changed"
    return Line(GROUP, _PAUSE, "ms", own, "as long without a page", bare, Goal(Limit.VALUE, 5), note)


async def _one_after_the_other(served: Fleet, name: str, nodes: int, scale: Scale) -> Line:
    """Measure a page for each node, one after the other, after all have changed; compared with one page for all."""
    own, bare = list[float](), list[float]()
    for _ in range(scale.repetitions):
        await served.change(nodes)
        before = await served.cpu_s()
        for number in range(nodes):
            await served.scrape(f"/metrics?node=node{number}")
        own.append((await served.cpu_s() - before) * 1000)
        await served.change(nodes)
        before = await served.cpu_s()
        await served.scrape()
        bare.append((await served.cpu_s() - before) * 1000)
    return Line(GROUP, name, "ms", own, "one page for all", bare)
