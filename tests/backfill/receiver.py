"""A remote-write receiver that can misbehave: it refuses, waits, redirects, answers with garbage, cuts connections."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import cramjam
from aiohttp import web

from exporter.backfill.remote_request import Series
from exporter.backfill.rpc import remote_pb2 as rpc
from exporter.config.httpmodel import HttpConfig, RemoteWriteConfig

PATH = "/api/v1/write"


class Answer:
    """A scripted answer to one request."""

    def __init__(self, status: int = 204, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        """The request is kept only if the status is a success."""
        self.status, self.text, self.headers = status, text, headers or {}


class Cut(Answer):
    """The connection is cut after the request has been accepted: the answer gets lost."""


class Half(Answer):
    """The connection is cut in the middle of the answer."""


class Garbage(Answer):
    """The answer isn't HTTP."""


class Never(Answer):
    """There is no answer."""


class Receiver:
    """What it got, and what it will answer."""

    def __init__(self) -> None:
        """Accept everything."""
        self.script: list[Answer] = []
        """The next answers; afterwards everything is accepted."""
        self.headers: list[Mapping[str, str]] = []
        """Those of each request."""
        self.kept: list[list[Series]] = []
        """The series of each request that was accepted."""
        self.url = ""
        self.ended = asyncio.Event()

    def config(self, http: HttpConfig | None = None, query: str = "") -> RemoteWriteConfig:
        """Return the configuration that leads here."""
        return RemoteWriteConfig(self.url + query, http or HttpConfig())

    def samples(self) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
        """Return all samples that were accepted, by series and time."""
        found: dict[tuple[tuple[str, str], ...], dict[int, float]] = {}
        for request in self.kept:
            for labels, samples in request:
                found.setdefault(labels, {}).update(samples)
        return found

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as the script says."""
        self.headers.append(dict(request.headers))
        series = decoded(await request.read())
        answer = self.script.pop(0) if self.script else Answer()
        if answer.status < 300:
            self.kept.append(series)
        assert request.transport is not None
        match answer:
            case Cut():
                request.transport.abort()
            case Half():
                request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                request.transport.close()
            case Garbage():
                request.transport.write(b"\x00\xffSSH-2.0-garbage\r\n\r\n")
                request.transport.close()
            case Never():
                await self.ended.wait()
        return web.Response(status=answer.status, text=answer.text or None, headers=answer.headers)


def decoded(body: bytes) -> list[Series]:
    """Return the series of the body of a request."""
    request = rpc.WriteRequest.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    return [
        Series(
            tuple((label.name, label.value) for label in one.labels),
            [(sample.timestamp, sample.value) for sample in one.samples],
        )
        for one in request.timeseries
    ]


@asynccontextmanager
async def receiving(
    tls: ssl.SSLContext | None = None, others: Mapping[str, Any] | None = None
) -> AsyncIterator[Receiver]:
    """Run a receiver; `others` are handlers of GET requests by path."""
    receiver = Receiver()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_post(PATH, receiver.handle)
    for path, handler in (others or {}).items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}{PATH}"
    try:
        yield receiver
    finally:
        receiver.ended.set()
        with suppress(TimeoutError):
            await runner.cleanup()
