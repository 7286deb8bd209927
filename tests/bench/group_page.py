"""What a scrape costs over HTTP: one node and 200, with nothing, a tenth and everything changed since the last one."""

import asyncio
import gzip
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.crowd import measure_crowd
from tests.bench.fleet import Fleet, fleet
from tests.bench.line import Goal, Limit, Line, Scale

GROUP = "page"
NODES = 200
PAYMENTS = 300
"""Payments of each node before the first page."""
ROUNDS = 10
"""Scrapes of one node in each repetition; of many nodes there is one. One more before the first is not counted."""
_GZIP_LEVEL = 1
_BARE = "gzip of the same text"


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure pages of one node and of many, the write to disk, the lag of the event loop, and a crowd of clients."""
    nodes, payments = scale.of(NODES, 10), scale.of(PAYMENTS, 20)
    with tempfile.TemporaryDirectory() as home:
        async with fleet(1, payments, Path(home) / "one.sqlite") as one:
            goal = Goal(Limit.VALUE, 3)
            yield await _scrapes(one, "whole scrape of 1 node, with the write to disk", 1, scale, goal)
            yield await _scrapes(one, "the same, nothing changed", 0, scale, goal)
        async with fleet(nodes, payments) as many:
            for name, changed, limit in (("nothing", 0, 50), ("a tenth", nodes // 10, 150), ("everything", nodes, 350)):
                line = f"whole scrape of {nodes} nodes, {name} changed, nothing written"
                yield await _scrapes(many, line, changed, scale, Goal(Limit.VALUE, limit))
            yield await _lag(many, nodes, scale)
        async with fleet(nodes, payments, Path(home) / "many.sqlite") as written:
            yield await _scrapes(written, f"the same of {nodes} nodes, everything changed and written", nodes, scale)
            yield await _one_after_the_other(written, nodes, scale)
    for name, seconds, alone in await measure_crowd():
        yield Line(GROUP, name, "ms", [seconds * 1000], "without any other client", [alone * 1000])


async def _scrapes(served: Fleet, name: str, changed: int, scale: Scale, goal: Goal | None = None) -> Line:
    """Measure scrapes of all nodes, after a change of some of them."""
    own, bare = list[float](), list[float]()
    text = b""
    rounds = ROUNDS if served.nodes == 1 else 1
    await served.scrape()
    for _ in range(scale.repetitions):
        used = 0.0
        for _ in range(rounds):
            await served.change(changed)
            before = await served.cpu_s()
            page = await served.scrape()
            used += await served.cpu_s() - before
        text = gzip.decompress(page)
        own.append(used / rounds * 1000)
        before = time.process_time()
        gzip.compress(text, _GZIP_LEVEL)
        bare.append((time.process_time() - before) * 1000)
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    return Line(GROUP, f"{name} ({series:,} series)", "ms", own, _BARE, bare, goal)


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
    name = f"longest pause of the event loop while a page of {nodes} nodes is taken, everything changed"
    return Line(GROUP, name, "ms", own, "as long without a page", bare, Goal(Limit.VALUE, 5))


async def _one_after_the_other(served: Fleet, nodes: int, scale: Scale) -> Line:
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
    return Line(
        GROUP, f"{nodes} pages of a node each, everything changed and written", "ms", own, "one page for all", bare
    )
