"""A page a node, the page of the exporter alone, and the targets for Prometheus, tested with a real client."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Collection, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from aiohttp import web

from exporter import checkpoint as checkpoint_module
from exporter.checkpoint import Checkpoint
from exporter.metrics.groups import Group
from exporter.metrics.names import EXPORTER_ROWS, NODE_ROWS, node_rows
from exporter.metrics.rendered import Rendered
from exporter.page import ExporterStatus, PageData
from exporter.simulator.credentials import certificate
from exporter.web import rendering
from exporter.web.rendering import in_slices
from exporter.web.server import build_app, serve
from tests.metrics import scene
from tests.metrics.reading import families, series
from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.test_checkpoint import SlowStore, accounts
from tests.web.serving import LOCAL

T = TypeVar("T")

NAMES = ["alice", "böb", "team:a/carol@home.1-2", "名"]
DATA = PageData([scene.populated(name) for name in NAMES], ExporterStatus(12.5, 1))
Served = tuple[aiohttp.ClientSession, str]


async def _source(_: Collection[str] = ()) -> PageData:
    return DATA  # more than was asked for, as after a change of other nodes


@asynccontextmanager
async def served(telemetry_path: str = "/metrics", without: Collection[Group] = ()) -> AsyncIterator[Served]:
    """Run a server of all nodes; yield a client and the server's HOST:PORT."""
    server = await serve(build_app(_source, telemetry_path, without=without), (LOCAL,))
    port = server.addresses[0].port
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client, f"127.0.0.1:{port}"
    finally:
        await server.close()


async def got(client: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    """Return the status and the text of an answer."""
    async with client.get(path) as answer:
        return answer.status, await answer.text()


def nodes_of(page: str) -> set[str]:
    """Return the nodes of a page."""
    return set(re.findall(r'[{,]node="([^"]*)"', page))


def series_of(page: str, node: str) -> dict[object, float]:
    """Return the series of a node."""
    return {key: value for key, value in series(page).items() if ("node", node) in key[1]}


def names_of(rows: object) -> set[str]:
    """Return the names of metrics, as families have them."""
    return {row.name.removesuffix("_total") for row in rows}  # type: ignore[attr-defined]


async def test_page_of_a_node_has_its_series_and_no_other() -> None:
    """They are those of the page of all nodes, without metrics of the exporter and its process; all names are there."""
    async with served() as (client, _):
        _, whole = await got(client, "/metrics")
        for name in NAMES:
            status, page = await got(client, f"/metrics?{urlencode({'node': name})}")
            assert (status, series(page)) == (200, series_of(whole, name))
            assert families(page).keys() == names_of(NODE_ROWS)
        assert nodes_of(whole) == set(NAMES)
        assert families(whole).keys() > names_of(NODE_ROWS) | names_of(EXPORTER_ROWS) | {"process_cpu_seconds"}


async def test_pages_without_groups() -> None:
    """They lack the same on every page; the exporter's page and the landing page are the same."""
    async with served() as (client, _), served(without=tuple(Group)) as (short, _):
        paths = ["/metrics", f"/metrics?{urlencode({'node': NAMES[0]})}", "/metrics/exporter"]
        whole, left = [[families((await got(of, path))[1]).keys() for path in paths] for of in (client, short)]
        missing = names_of(NODE_ROWS) - names_of(node_rows(tuple(Group)))
        assert missing
        assert [all_of - some for all_of, some in zip(whole, left, strict=True)] == [missing, missing, set()]
        for path in paths[:2]:
            assert "amount_band" in (await got(client, path))[1]
            assert "amount_band" not in (await got(short, path))[1]
        assert (await got(client, "/"))[1] == (await got(short, "/"))[1]


async def test_page_of_several_nodes() -> None:
    """Each node is there once, however often it is named; other parameters are ignored, as exporters do."""
    async with served() as (client, _):
        status, page = await got(client, "/metrics?node=alice&collect[]=x&node=b%C3%B6b&node=alice&name=")
        assert (status, nodes_of(page)) == (200, {"alice", "böb"})
        status, page = await got(client, "/metrics?name=alice")
        assert (status, nodes_of(page)) == (200, set(NAMES))


@pytest.mark.parametrize("telemetry_path", ["/metrics", "/a/b/"])
async def test_page_of_the_exporter(telemetry_path: str) -> None:
    """It has all metrics that the pages of the nodes lack, and no other; it is below the path of the metrics."""
    async with served(telemetry_path) as (client, _):
        status, page = await got(client, f"{telemetry_path.rstrip('/')}/exporter?node=nobody")
        _, whole = await got(client, telemetry_path)
    assert status == 200
    assert families(page).keys() == families(whole).keys() - names_of(NODE_ROWS)
    assert nodes_of(page) == set()
    assert ("lnd_payments_exporter_checkpoint_timestamp_seconds", frozenset()) in series(page)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("node=bob", "'bob'"),
        ("node=", "''"),
        ("node", "''"),
        ("node=alice&node=ALICE", "'ALICE'"),
        ("node=a&node=b&node=c&node=d&node=e&node=a", "'a', 'b', 'c' and 2 more"),
        ("node=" + "x" * 5000, f"'{'x' * 64}'..."),
        ("node=%0d%0aSet-Cookie:%20a%1b[2J%00", "'\N{REPLACEMENT CHARACTER}" * 1),
        ("node=%ff%fe", "'"),
        ("node=%E2%80%AE'\"<b>", "'\N{REPLACEMENT CHARACTER}\\'\"<b>'"),
    ],
)
async def test_unknown_node_is_404(query: str, shown: str) -> None:
    """In one line of plain text that names it, without anything that disturbs a terminal, and says where to look."""
    async with served() as (client, _), client.get(f"/metrics?{query}".replace("\r", "")) as answer:
        text = await answer.text()
        assert (answer.status, answer.headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert text.startswith(f"404: no node is called {shown}"), text
    assert text.endswith(". /sd lists the names of all nodes.\n")
    assert text[:-1].isprintable()
    assert len(text) < 300


async def test_targets() -> None:
    """One for each node and one for the exporter, each with an instance; all have the address of the request."""
    async with served("/custom") as (client, address), client.get("/sd") as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        found = await answer.json()
        assert found == [
            *(
                {
                    "targets": [address],
                    "labels": {
                        "__scheme__": "http",
                        "__metrics_path__": "/custom",
                        "__param_node": name,
                        "exporter": address,
                        "instance": f"{address}/{name}",
                    },
                }
                for name in NAMES
            ),
            {
                "targets": [address],
                "labels": {
                    "__scheme__": "http",
                    "__metrics_path__": "/custom/exporter",
                    "exporter": address,
                    "instance": address,
                },
            },
        ]
        for group in found:
            labels = group["labels"]
            query = f"?node={quote(labels['__param_node'], safe='')}" if "__param_node" in labels else ""
            assert (await got(client, labels["__metrics_path__"] + query))[0] == 200


@pytest.mark.parametrize("telemetry_path", ["/metrics", "/deep/path/"])
async def test_the_landing_page_links_to_all_pages(telemetry_path: str) -> None:
    """Each link leads somewhere."""
    async with served(telemetry_path) as (client, _):
        _, text = await got(client, "/")
        links = re.findall(r'<a href="([^"]*)"', text)
        exporter = f"{telemetry_path.rstrip('/')}/exporter"
        assert links == [telemetry_path, exporter, "/sd", "/-/healthy", "/-/ready"]
        assert [(await got(client, link))[0] for link in links] == [200] * 5


async def answer_to(address: str, *hosts: bytes, version: bytes = b"1.1") -> tuple[int, bytes]:
    """Return the status and the body of the answer to a request with these Host headers."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    lines = [b"GET /sd HTTP/" + version, *(b"Host: " + host for host in hosts), b"Connection: close"]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
    head, _, body = (await asyncio.wait_for(reader.read(), PATIENCE_S)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("host", "address"),
    [
        (b"exporter:10019", "exporter:10019"),
        (b"exporter", "exporter:80"),
        (b"my_exporter.default.svc.cluster.local.:443", "my_exporter.default.svc.cluster.local.:443"),
        (b"10.1.2.3:65535", "10.1.2.3:65535"),
        (b"[::1]:10019", "[::1]:10019"),
        (b"[fd00::10.0.0.1]", "[fd00::10.0.0.1]:80"),
    ],
)
async def test_targets_have_the_address_that_was_asked(host: bytes, address: str) -> None:
    """A name, an IPv4 or an IPv6 address; without a port the one of HTTP."""
    async with served() as (_, server):
        status, body = await answer_to(server, host)
    assert (status, {target for group in json.loads(body) for target in group["targets"]}) == (200, {address})


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"one:1", b"one:1"],
        [b":10019"],
        [b"exporter:"],
        [b"exporter:0"],
        [b"exporter:65536"],
        [b"exporter:1x"],
        [b"exporter:1:2"],
        [b"::1"],
        [b"[::1"],
        [b"[::g]:1"],
        [b"[fe80::1%25eth0]:1"],
        [b"[]:1"],
        [b"user@exporter:1"],
        [b"exporter/path"],
        [b"exporter:1?a"],
        [b'"><script>'],
        [b"a b:1"],
        ["bü.example:1".encode()],
        [b"-x:1"],
        [b"x" * 300],
    ],
)
async def test_request_without_an_address_is_400(hosts: list[bytes]) -> None:
    """A missing, doubled or malformed Host header is repeated nowhere."""
    async with served() as (_, server):
        status, body = await answer_to(server, *hosts, version=b"1.0")
    assert status == 400
    assert all(host not in body for host in hosts if len(host) > 3)


async def test_targets_are_reached_as_the_list_was(tmp_path: Path) -> None:
    """Over TLS the scheme is https, and a missing port is 443."""
    (tmp_path / "both.pem").write_bytes(b"".join(certificate()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")
    runner = web.AppRunner(build_app(_source))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/sd"
    async with aiohttp.ClientSession() as client, client.get(url, headers={"Host": "a"}, ssl=False) as answer:
        groups = await answer.json()
    await runner.cleanup()
    assert {(group["labels"]["__scheme__"], group["labels"]["instance"]) for group in groups} == {
        *(("https", f"a:443/{name}") for name in NAMES),
        ("https", "a:443"),
    }


@pytest.mark.slow
async def test_pages_that_are_requested_together_share_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred pages of a node each need one more write than a single page; the list of targets needs none."""
    monkeypatch.setattr(checkpoint_module, "WAIT_S", PATIENCE_S)
    names = [f"node{number}" for number in range(200)]
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(accounts(len(names)), store)
    waiting = 0

    async def source(nodes: Collection[str]) -> PageData:
        nonlocal waiting
        waiting += 1
        if waiting == len(names):
            store.go_on.set()
        return await checkpoint.durable_page(nodes)

    server = await serve(build_app(source, nodes=checkpoint.nodes), (LOCAL,))
    together = aiohttp.TCPConnector(limit=len(names))
    async with aiohttp.ClientSession(f"http://{server.addresses[0]}", connector=together) as client:
        _, targets = await got(client, "/sd")
        assert store.saves == []
        store.go_on.clear()
        pages = await asyncio.gather(*(got(client, f"/metrics?node={name}") for name in names))
    await server.close()
    store.close()
    assert [group["labels"].get("__param_node") for group in json.loads(targets)] == [*names, None]
    assert [(status, nodes_of(page)) for status, page in pages] == [(200, {name}) for name in names]
    assert len(store.saves) == 2
    assert sorted(store.saves[0] + store.saves[1]) == sorted(names), "each node is written once"


async def test_few_pages_are_rendered_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """More would only delay each other."""
    running, most, go_on = set[object](), [0], asyncio.Event()

    async def slow(steps: Generator[None, None, Rendered]) -> Rendered:
        running.add(steps)
        most.append(len(running))
        await go_on.wait()
        running.discard(steps)
        return await in_slices(steps)

    monkeypatch.setattr(rendering, "in_slices", slow)
    async with served() as (client, _):
        pages = [asyncio.create_task(got(client, f"/metrics?node={name}")) for name in NAMES]
        pages += [asyncio.create_task(got(client, path)) for path in ("/metrics", "/metrics/exporter")]

        async def all_wait() -> bool:
            return len(running) == rendering.PARALLEL

        await until("pages are rendered", all_wait)
        assert (await got(client, "/-/ready"))[0] == 200
        go_on.set()
        assert [status for status, _ in await asyncio.gather(*pages)] == [200] * 6
    assert max(most) == rendering.PARALLEL


async def test_choices_of_nodes_do_not_delay_other_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: each order of the names is a page of its own."""
    may_end = asyncio.Event()

    async def slow(steps: Generator[None, None, T]) -> T:
        result = await in_slices(steps)
        if isinstance(result, Rendered) and len(result.views) > 1 and [view.node for view in result.views] != NAMES:
            await may_end.wait()
        return result

    monkeypatch.setattr(rendering, "in_slices", slow)
    async with served() as (client, _):
        names = [NAMES[n:] + NAMES[:n] for n in range(1, 4)] + [NAMES[::-1]] + [NAMES[:n] for n in (2, 3)]
        paths = [f"/metrics?{urlencode([('node', name) for name in choice])}" for choice in names]
        choices = [asyncio.create_task(got(client, path)) for path in paths]
        await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(5):
                for path in ("/metrics", "/metrics/exporter", "/metrics?node=alice"):
                    assert (await got(client, path))[0] == 200
        finally:
            may_end.set()
        assert [status for status, _ in await asyncio.gather(*choices)] == [200] * 6
