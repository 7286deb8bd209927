"""What a server keeps of its pages, tested with a real client: second scrapers, both encodings, and nodes that left."""

import asyncio
import gzip
import zlib
from collections.abc import Collection, Generator
from dataclasses import replace
from random import Random

import aiohttp
import pytest

from exporter.metrics.exposition import Format
from exporter.metrics.names import NODE_ROWS
from exporter.metrics.rendered import Rendered
from exporter.page import PageData
from exporter.payments.view import View
from exporter.web import rendering
from exporter.web.pages import UnknownNode
from exporter.web.rendering import Rendering, in_slices
from exporter.web.server import build_app, serve
from tests.metrics import changing, judge, scene
from tests.web.serving import LOCAL

NAMES = tuple(f"node{number}" for number in range(4))


def expected(views: Collection[View], form: Format = Format.TEXT) -> bytes:
    """Return the page of some nodes as the client library renders it."""
    return judge.rendered(judge.PageCollector(PageData(tuple(views)), rows=NODE_ROWS), form)


async def test_every_answer_is_of_one_instant_of_each_node() -> None:
    """Many scrapers, in both encodings and both formats, of one, some and all nodes, while the nodes change."""
    chance = Random(1)
    views = {name: scene.populated(name) for name in NAMES}

    async def source(_: Collection[str] = ()) -> PageData:
        return PageData(tuple(views.values()))

    async def scrape(client: aiohttp.ClientSession, form: Format, encoding: str, names: tuple[str, ...]) -> None:
        query = [("node", name) for name in names]
        headers = {"Accept": form.value, "Accept-Encoding": encoding}
        for _ in range(3):
            async with client.get("/metrics", params=query, headers=headers) as answer:
                body = await answer.read()
            if encoding == "gzip":
                reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
                body, rest = reader.decompress(body), reader.unused_data
                assert (reader.eof, rest) == (True, b"")
            shown = []
            for name in names or NAMES:
                line = f'lnd_payments_updates_total{{node="{name}",source="track"}} '.encode()
                moment = int(float(body.partition(line)[2].partition(b"\n")[0]))
                shown.append(history[name][moment])
            if names:
                assert body == expected(shown, form)
            else:
                assert body.startswith(expected(shown, form).removesuffix(b"# EOF\n"))

    history = {name: [view] for name, view in views.items()}
    server = await serve(build_app(source), (LOCAL,))
    async with aiohttp.ClientSession(f"http://{server.addresses[0]}", auto_decompress=False) as client:
        scrapes = [
            asyncio.create_task(scrape(client, form, encoding, names))
            for form in Format
            for encoding in ("gzip", "identity")
            for names in ((), NAMES[:1], NAMES[1:2], NAMES[2:])
        ]
        while not all(task.done() for task in scrapes):
            name = chance.choice(NAMES)
            views[name] = changing.everything(views[name])
            history[name].append(views[name])
            await asyncio.sleep(0.001)
        await asyncio.gather(*scrapes)
    await server.close()


async def test_scrapers_at_the_same_instant_share_a_rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they accept gzip or not."""
    data, rendered = PageData([scene.untouched("alice")]), list[object]()

    async def source(_: Collection[str] = ()) -> PageData:
        return data

    async def counted(steps: Generator[None, None, Rendered]) -> Rendered:
        rendered.append(steps)
        return await in_slices(steps)

    monkeypatch.setattr(rendering, "in_slices", counted)
    server = await serve(build_app(source), (LOCAL,))

    async def scrape(encoding: str) -> bytes:
        async with client.get("/metrics?node=alice", headers={"Accept-Encoding": encoding}) as answer:
            body = await answer.read()
        return gzip.decompress(body) if encoding == "gzip" else body

    async with aiohttp.ClientSession(f"http://{server.addresses[0]}", auto_decompress=False) as client:
        bodies = await asyncio.gather(*(scrape(encoding) for encoding in ("gzip", "identity") * 20))
    await server.close()
    assert set(bodies) == {expected(data.views)}
    assert len(rendered) < 40 / 2


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of each node and one of all; none of a choice of nodes, and none that nobody requests any more."""
    now = [0.0]
    monkeypatch.setattr("exporter.web.rendering.monotonic", lambda: now[0])
    pages, data = Rendering(), PageData([scene.untouched(name) for name in NAMES])
    for names in (None, (), NAMES[:1], NAMES[:2], NAMES[1:3], NAMES[:1]):
        await pages.page(data, names, Format.TEXT)
    assert list(pages._kept) == [(names, Format.TEXT) for names in (None, (), NAMES[:1])]
    with pytest.raises(UnknownNode):
        await pages.page(data, ("nobody",), Format.TEXT)
    now[0] = rendering.KEPT_S
    await pages.page(data, NAMES[1:2], Format.TEXT)
    assert len(pages._kept) == 4
    now[0] += rendering.KEPT_S
    await pages.page(data, NAMES[1:2], Format.TEXT)
    assert list(pages._kept) == [(NAMES[1:2], Format.TEXT)]


async def test_a_node_that_returns_is_rendered_anew() -> None:
    """With what it has now, though an older page of it is kept."""
    pages, view = Rendering(), scene.populated("alice")
    other = scene.untouched("bob")
    await pages.page(PageData([view]), ("alice",), Format.TEXT)
    await pages.page(PageData([view, other]), None, Format.TEXT)
    await pages.page(PageData([other]), None, Format.TEXT)
    new = replace(scene.untouched("alice"), last_update_ns=1)
    page = await pages.page(PageData([new, other]), ("alice",), Format.TEXT)
    assert gzip.decompress(page) == expected([new])
    page = await pages.page(PageData([other, new]), None, Format.TEXT)
    assert gzip.decompress(page).startswith(expected([other, new]))
