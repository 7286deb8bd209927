"""A second port of a node: the calls of the service over REST, streams as chunked answers or as WebSockets."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from aiohttp import WSMsgType, web
from google.protobuf.message import Message

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.credentials import Certificate
from exporter.simulator.faults import BROKEN
from exporter.simulator.rest import Caller, Refused, line, request, words
from exporter.simulator.service import Service

PING_S, PONG_S = 30.0, 5.0
"""lnd pings a WebSocket so often, and waits so long for an answer."""
_PING = b"are you there?"
_LARGEST = 4 * 1024 * 1024  # bytes of a message on a WebSocket; lnd hangs up rather than send a larger one
_GRACE_S = 10.0  # as the gRPC server has it

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


class _Call(NamedTuple):
    """A call of the service, its request and its answer, or each of its answers."""

    of: Callable[[bytes, Caller], Any]
    asks: type[Message]
    answers: type[Message]


class Gateway:
    """REST for one node."""

    def __init__(self, service: Service) -> None:
        """Not yet listening."""
        self._runner: web.AppRunner | None = None
        self._app = web.Application()
        state, payment = pb.SubscribeStateResponse, pb.Payment
        for path, handler in (
            ("/v2/router/payments", _stream(_Call(service.track_payments, pb.TrackPaymentsRequest, payment))),
            ("/v2/router/track/{payment_hash}", _stream(_Call(service.track_payment, pb.TrackPaymentRequest, payment))),
            ("/v1/state/subscribe", _stream(_Call(service.subscribe_state, pb.SubscribeStateRequest, state))),
            ("/v1/state", _answer(_Call(service.get_state, pb.SubscribeStateRequest, state))),
            ("/v1/payments", _answer(_Call(service.list_payments, pb.ListPaymentsRequest, pb.ListPaymentsResponse))),
            ("/v1/getinfo", _answer(_Call(service.get_info, pb.GetInfoRequest, pb.GetInfoResponse))),
            ("/v1/channels", _answer(_Call(service.list_channels, pb.ListChannelsRequest, pb.ListChannelsResponse))),
            ("/{path:.*}", _nowhere),
        ):
            self._app.router.add_get(path, handler)

    async def start(self, host: str, port: int, certificate: Certificate) -> int:
        """Listen; returns the port, which is any free one for 0."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_GRACE_S, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=tls(certificate), reuse_address=True).start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self, *, abruptly: bool) -> None:
        """Stop listening; `abruptly` breaks all connections, else what is under way may end first."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if abruptly and runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await runner.cleanup()


def _answer(call: _Call) -> Handler:
    """A call with one answer."""

    async def handle(asked: web.Request) -> web.StreamResponse:
        try:
            answer: bytes = await call.of(_request(call, asked), _caller(asked))
        except Refused as refused:
            return _json(refused.error, refused.status)
        return _json(words(call.answers, answer))

    return handle


def _stream(call: _Call) -> Handler:
    """A call with many answers."""

    async def handle(asked: web.Request) -> web.StreamResponse:
        if web.WebSocketResponse().can_prepare(asked):
            return await _Socket(asked).serve(_messages(call, asked))
        return await _chunked(asked, _messages(call, asked))

    return handle


async def _messages(call: _Call, asked: web.Request) -> AsyncGenerator[bytes, None]:
    """Each answer as a line."""
    async with aclosing(call.of(_request(call, asked), _caller(asked))) as answers:
        async for answer in answers:
            yield line({"result": words(call.answers, answer)})


async def _chunked(asked: web.Request, messages: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """No header before the first line."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    async with aclosing(messages):
        try:
            async for message in messages:
                if not response.prepared:
                    await response.prepare(asked)
                await response.write(message)
        except Refused as refused:
            _break(asked, refused)
            if not response.prepared:
                return _json({"error": refused.error}, refused.status)
            with suppress(ConnectionError):
                await response.write(line({"error": refused.error}))
        except ConnectionError:
            return response
    if not response.prepared:
        await response.prepare(asked)
    with suppress(ConnectionError):
        await response.write_eof()
    return response


class _Socket:
    """A WebSocket: it opens whatever comes of the call, and ends without a farewell (close code 1006)."""

    def __init__(self, asked: web.Request) -> None:
        self._asked = asked
        self._socket = web.WebSocketResponse(autoping=False, max_msg_size=_LARGEST)
        self._answered = asyncio.Event()

    async def serve(self, messages: AsyncGenerator[bytes, None]) -> web.StreamResponse:
        """Until the call ends, the caller hangs up or answers no more pings."""
        await self._socket.prepare(self._asked)
        tasks = [asyncio.ensure_future(work) for work in (self._send(messages), self._listen(), self._ping())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[2].done():
                await self._say({"error": Refused(grpc.StatusCode.CANCELLED, "context canceled").error})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._asked.transport is not None:
                self._asked.transport.close()
        return self._socket

    async def _send(self, messages: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(messages):
            try:
                async for message in messages:
                    if len(message) > _LARGEST:
                        return
                    await self._socket.send_str(message.decode().rstrip("\n"))
            except Refused as refused:
                _break(self._asked, refused)
                await self._say({"error": refused.error})

    async def _say(self, said: object) -> None:
        with suppress(ConnectionError):
            await self._socket.send_str(line(said).decode().rstrip("\n"))

    async def _listen(self) -> None:
        while True:
            heard = await self._socket.receive()
            if heard.type is WSMsgType.PING:
                await self._socket.pong(heard.data)
            elif heard.type is WSMsgType.PONG:
                self._answered.set()
            elif heard.type is not WSMsgType.TEXT:
                return

    async def _ping(self) -> None:
        """Ends when nobody answers."""
        with suppress(TimeoutError, ConnectionError):
            while True:
                await asyncio.sleep(PING_S)
                self._answered.clear()
                await self._socket.ping(_PING)
                async with asyncio.timeout(PONG_S):
                    await self._answered.wait()


async def _nowhere(asked: web.Request) -> web.StreamResponse:
    """A path that lnd doesn't have."""
    error = Refused(grpc.StatusCode.NOT_FOUND, "Not Found").error

    async def message() -> AsyncGenerator[bytes, None]:
        yield line(error)

    if web.WebSocketResponse().can_prepare(asked):
        return await _Socket(asked).serve(message())
    return _json(error, 404)


def _request(call: _Call, asked: web.Request) -> bytes:
    return request(call.asks, {**asked.query, **asked.match_info})


def _caller(asked: web.Request) -> Caller:
    return Caller(asked.headers.getall("Grpc-Metadata-Macaroon", []))


def _break(asked: web.Request, refused: Refused) -> None:
    """A connection that breaks says nothing any more."""
    if (refused.code, refused.text) == BROKEN and asked.transport is not None:
        asked.transport.abort()


def _json(said: object, status: int = 200) -> web.Response:
    return web.Response(body=line(said).rstrip(), status=status, content_type="application/json")


def tls(certificate: Certificate) -> ssl.SSLContext:
    """To serve with; Python's TLS takes certificate and key from files only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory() as directory:
        files = Path(directory) / "cert", Path(directory) / "key"
        for file, content in zip(files, certificate, strict=True):
            file.write_bytes(content)
        context.load_cert_chain(*files)
    return context
