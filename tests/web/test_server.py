"""The HTTP server, tested with a real client."""

import asyncio
import errno
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest

from exporter.config import ListenAddress
from exporter.metrics.exposition import Format
from exporter.page import PageData
from exporter.payments.view import View
from exporter.web.handlers import PageDataSource
from exporter.web.server import build_app, serve
from exporter.web.sockets import CannotListen
from tests.metrics import scene
from tests.metrics.reading import families, text
from tests.patience import PATIENCE_S
from tests.web.serving import serving


class Answer(NamedTuple):
    """The response of a server."""

    status: int
    headers: dict[str, str]
    body: bytes


def _views() -> list[View]:
    return [scene.untouched()]


async def _instant() -> PageData:
    return PageData(_views())


@asynccontextmanager
async def _served(
    source: PageDataSource = _instant, path: str = "/metrics", host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """Run a server and yield its URL."""
    async with serving(source, [ListenAddress(host)], path=path) as server:
        yield f"http://{server.addresses[0]._replace(host=host or '127.0.0.1')}"


async def _request(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
    """Return status, headers and body unprocessed; send no Accept header that a test doesn't name."""
    async with (
        aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept", "Accept-Encoding"]) as session,
        session.request(method, url, headers=headers) as response,
    ):
        return Answer(response.status, dict(response.headers), await response.read())


async def test_plain_request_gets_text() -> None:
    """The page, followed by the metrics of the process."""
    async with _served() as url:
        status, headers, body = await _request(f"{url}/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "Content-Encoding" not in headers
    assert body.decode().startswith(text(_views()))
    assert "process_cpu_seconds" in families(body.decode())


async def test_prometheus_gets_compressed_openmetrics() -> None:
    """As its headers request; `Vary` names both headers for caches."""
    asked = {
        "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6",
        "Accept-Encoding": "gzip",
    }
    async with _served() as url:
        status, headers, body = await _request(f"{url}/metrics", headers=asked)
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
async def test_status_of_paths_and_methods(method: str, path: str, status: int, body: bytes) -> None:
    """Only GET and HEAD of known paths; an error is one line of plain text."""
    async with _served() as url:
        answer = await _request(url + path, method)
    assert (answer.status, answer.body) == (status, body)
    if status != 200:
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_landing_page_links_to_the_other_pages() -> None:
    """Its security policy allows no other resource, and it reloads itself every ten seconds."""
    async with _served(path="/custom") as url:
        status, headers, body = await _request(f"{url}/")
        links = ["/custom", "/-/healthy", "/-/ready"]
        assert [(await _request(url + link)).status for link in links] == [200, 200, 200]
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert all(f'href="{link}"' in body.decode() for link in links)
    assert '<meta http-equiv="refresh" content="10">' in body.decode()


async def test_page_data_is_requested_on_the_event_loop() -> None:
    """Once per page."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def instant() -> PageData:
        loops.append(asyncio.get_running_loop())
        return PageData([scene.populated()])

    async with _served(instant) as url:
        await _request(f"{url}/metrics")
        await _request(f"{url}/")
    assert loops == [asyncio.get_running_loop()] * 2


@pytest.mark.slow
async def test_slow_and_silent_clients_do_not_block_others() -> None:
    """Clients that connect and send nothing, stop in the middle of a request, or never read the answer."""
    views = [scene.populated(f"node{number}") for number in range(50)]  # a page that exceeds any socket buffer

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
        status, _, body = await asyncio.wait_for(_request(f"{url}/metrics"), PATIENCE_S)
        assert (status, b"process_cpu_seconds_total" in body) == (200, True)
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", ""])
async def test_listen_address(host: str) -> None:
    """IPv4, IPv6, a name, or all interfaces; port 0 finds a free one."""
    try:
        served = _served(host=host)
        async with served as url:
            assert (await _request(f"{url}/-/healthy")).status == 200
            if not host and socket.has_dualstack_ipv6():
                assert (await _request(f"{url.replace('127.0.0.1', '[::1]')}/-/healthy")).status == 200
    except CannotListen as error:
        if host != "::1" or error.failures[0][1].errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
async def test_port_in_use(host: str) -> None:
    """The error names the address and the cause."""
    with socket.create_server((host, 0)) as taken, pytest.raises(CannotListen) as refused:
        await serve(build_app(_instant), [ListenAddress(host, taken.getsockname()[1])])
    assert [(address.host, error.errno) for address, error in refused.value.failures] == [(host, errno.EADDRINUSE)]


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b", "a" * 200])
async def test_unknown_host(name: str) -> None:
    """As a port in use."""
    with pytest.raises(CannotListen) as refused:
        await serve(build_app(_instant), [ListenAddress(name, 0)])
    assert [address.host for address, _ in refused.value.failures] == [name]
