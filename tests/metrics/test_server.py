"""The HTTP side, asked by a real client."""

import asyncio
import errno
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest

from exporter.metrics.exposition import Format
from exporter.metrics.row import PageData
from exporter.metrics.server import Source, build, serve
from exporter.payments.view import View
from tests.metrics import scene
from tests.metrics.reading import families, text
from tests.patience import PATIENCE_S


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes


def _views() -> list[View]:
    return [scene.untouched()]


async def _instant() -> PageData:
    return PageData(_views())


@asynccontextmanager
async def _served(source: Source = _instant, path: str = "/metrics", host: str = "127.0.0.1") -> AsyncIterator[str]:
    """A running server; its address."""
    runner, port = await serve(build(source, path), host, 0)
    try:
        yield f"http://{f'[{host}]' if ':' in host else host or '127.0.0.1'}:{port}"
    finally:
        await runner.cleanup()


async def _ask(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """Status, headers and body as they come, with no header asked that a test doesn't name."""
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept", "Accept-Encoding"]) as session,
        session.request(method, url, headers=headers) as response,
    ):
        return Answer(response.status, dict(response.headers), await response.read())


async def test_metrics() -> None:
    """A plain request gets the page as text, and the process's own metrics after it."""
    async with _served() as url:
        status, headers, body = await _ask(f"{url}/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "Content-Encoding" not in headers
    assert body.decode().startswith(text(_views()))
    assert "process_cpu_seconds" in families(body.decode())


async def test_metrics_for_prometheus() -> None:
    """Prometheus gets what it asks for: OpenMetrics, compressed, and caches are told that both were asked for."""
    asked = {
        "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6",
        "Accept-Encoding": "gzip",
    }
    async with _served() as url:
        status, headers, body = await _ask(f"{url}/metrics", headers=asked)
    assert status == 200
    assert {name: headers[name] for name in ("Content-Type", "Content-Encoding", "Vary")} == {
        "Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8",
        "Content-Encoding": "gzip",
        "Vary": "Accept, Accept-Encoding",
    }
    page = gzip.decompress(body).decode()
    assert page.startswith(text(_views(), Format.OPENMETRICS).removesuffix("# EOF\n"))
    assert page.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/-/healthy", 200, b"The exporter is healthy.\n"),
        ("GET", "/-/ready", 200, b"The exporter is ready.\n"),
        ("HEAD", "/metrics", 200, b""),
        ("HEAD", "/", 200, b""),
        ("HEAD", "/-/healthy", 200, b""),
        ("GET", "/metric", 404, b"404: Not Found"),
        ("GET", "/metrics/", 404, b"404: Not Found"),
        ("GET", "/favicon.ico", 404, b"404: Not Found"),
        ("POST", "/metrics", 405, b"405: Method Not Allowed"),
        ("DELETE", "/", 405, b"405: Method Not Allowed"),
        ("PUT", "/-/ready", 405, b"405: Method Not Allowed"),
    ],
)
async def test_paths_and_methods(method: str, path: str, status: int, body: bytes) -> None:
    """Pages may be asked for, and nothing else; a refusal is one line of plain text."""
    async with _served() as url:
        answer = await _ask(url + path, method)
    assert (answer.status, answer.body) == (status, body)
    if status != 200:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_landing_page() -> None:
    """A browser at the root gets HTML that loads nothing but itself again, and links to the other pages."""
    async with _served(path="/custom") as url:
        status, headers, body = await _ask(f"{url}/")
        links = ["/custom", "/-/healthy", "/-/ready"]
        assert [(await _ask(url + link)).status for link in links] == [200, 200, 200]
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert all(f'href="{link}"' in body.decode() for link in links)
    assert '<meta http-equiv="refresh" content="10">' in body.decode()


async def test_a_page_is_captured_on_the_loop() -> None:
    """Each page is asked for once, in the thread of the event loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def instant() -> PageData:
        loops.append(asyncio.get_running_loop())
        return PageData([scene.populated()])

    async with _served(instant) as url:
        await _ask(f"{url}/metrics")
        await _ask(f"{url}/")
    assert loops == [asyncio.get_running_loop()] * 2


@pytest.mark.slow
async def test_slow_and_silent_clients() -> None:
    """Clients that connect and say nothing, stop in the middle, or never read keep nobody else waiting."""
    views = [scene.populated(f"node{number}") for number in range(50)]  # more than any socket buffer takes

    async def instant() -> PageData:
        return PageData(views)

    async with _served(instant) as url:
        port = int(url.rpartition(":")[2])
        writers = []
        for request in (b"", b"GET /metrics HTT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
            for _ in range(5):
                _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
                writer.write(request)
                await writer.drain()
                writers.append(writer)
        status, _, body = await asyncio.wait_for(_ask(f"{url}/metrics"), PATIENCE_S)
        assert (status, b"process_cpu_seconds_total" in body) == (200, True)
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", ""])
async def test_addresses(host: str) -> None:
    """IPv4, IPv6, a name, or all interfaces; a free port is found and told."""
    try:
        served = _served(host=host)
        async with served as url:
            assert (await _ask(f"{url}/-/healthy")).status == 200
            if not host and socket.has_dualstack_ipv6():
                assert (await _ask(f"{url.replace('127.0.0.1', '[::1]')}/-/healthy")).status == 200
    except OSError as error:
        if host != "::1" or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
async def test_port_in_use(host: str) -> None:
    """A port that is taken is an OSError that says so."""
    with socket.create_server((host, 0)) as taken, pytest.raises(OSError, match="in use") as refused:
        await serve(build(_instant), host, taken.getsockname()[1])
    assert refused.value.errno == errno.EADDRINUSE


async def test_unknown_host() -> None:
    """A host name that leads nowhere is an OSError too."""
    with pytest.raises(OSError, match=r"."):
        await serve(build(_instant), "no-such-host.invalid", 0)
