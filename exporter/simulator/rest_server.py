"""The REST server of a node: the methods of the service over HTTPS, streams as chunked responses or WebSockets."""

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
from exporter.simulator.rest_json import CallFailed, RestContext, json_line, message_json, request
from exporter.simulator.service import Service

PING_S, PONG_S = 30.0, 5.0
"""Seconds between two pings of a WebSocket, and for which lnd waits for a pong."""
_PING = b"are you there?"
_MAX_MESSAGE_BYTES = 4 * 1024 * 1024  # of a message on a WebSocket; lnd closes it rather than send a larger one
_GRACE_S = 10.0  # for open calls when the server stops, as in the gRPC server

Handler = Callable[[web.Request], Coroutine[Any, Any, web.StreamResponse]]


class _Call(NamedTuple):
    """A method of the service, the type of its request, and that of its answer or of each of its answers."""

    method: Callable[[bytes, RestContext], Any]
    request: type[Message]
    answer: type[Message]


class RestServer:
    """The REST server of one node."""

    def __init__(self, service: Service) -> None:
        """Prepare the routes; `start` listens."""
        self._runner: web.AppRunner | None = None
        self._app = web.Application()
        state, payment = pb.SubscribeStateResponse, pb.Payment
        for path, handler in (
            ("/v2/router/payments", _stream(_Call(service.track_payments, pb.TrackPaymentsRequest, payment))),
            ("/v2/router/track/{payment_hash}", _stream(_Call(service.track_payment, pb.TrackPaymentRequest, payment))),
            ("/v1/state/subscribe", _stream(_Call(service.subscribe_state, pb.SubscribeStateRequest, state))),
            ("/v1/state", _unary(_Call(service.get_state, pb.SubscribeStateRequest, state))),
            ("/v1/payments", _unary(_Call(service.list_payments, pb.ListPaymentsRequest, pb.ListPaymentsResponse))),
            ("/v1/getinfo", _unary(_Call(service.get_info, pb.GetInfoRequest, pb.GetInfoResponse))),
            ("/v1/channels", _unary(_Call(service.list_channels, pb.ListChannelsRequest, pb.ListChannelsResponse))),
            ("/{path:.*}", _not_found),
        ):
            self._app.router.add_get(path, handler)

    async def start(self, host: str, port: int, certificate: Certificate) -> int:
        """Listen on a port, 0 for any free one; return the port."""
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_GRACE_S, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(
            self._runner, host, port, ssl_context=server_tls_context(certificate), reuse_address=True
        ).start()
        bound_port: int = self._runner.addresses[0][1]
        return bound_port

    async def stop(self, *, abruptly: bool) -> None:
        """Stop listening; `abruptly` breaks all connections, otherwise open calls may end first."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        if abruptly and runner.server is not None:
            for connection in runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await runner.cleanup()


def _unary(call: _Call) -> Handler:
    """Return a handler for a method with one answer."""

    async def handle(http: web.Request) -> web.StreamResponse:
        try:
            data: bytes = await call.method(_request(call, http), _context(http))
        except CallFailed as failed:
            return _json(failed.error, failed.http_status)
        return _json(message_json(call.answer, data))

    return handle


def _stream(call: _Call) -> Handler:
    """Return a handler for a method with many answers."""

    async def handle(http: web.Request) -> web.StreamResponse:
        if web.WebSocketResponse().can_prepare(http):
            return await _WebSocket(http).serve(_messages(call, http))
        return await _chunked(http, _messages(call, http))

    return handle


async def _messages(call: _Call, http: web.Request) -> AsyncGenerator[bytes, None]:
    """Yield each answer as a line of JSON."""
    async with aclosing(call.method(_request(call, http), _context(http))) as answers:
        async for answer in answers:
            yield json_line({"result": message_json(call.answer, answer)})


async def _chunked(http: web.Request, messages: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """Send the messages in a chunked response; as in lnd, its header is sent with the first message."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    async with aclosing(messages):
        try:
            async for message in messages:
                if not response.prepared:
                    await response.prepare(http)
                await response.write(message)
        except CallFailed as failed:
            _abort_if_broken(http, failed)
            if not response.prepared:
                return _json({"error": failed.error}, failed.http_status)
            with suppress(ConnectionError):
                await response.write(json_line({"error": failed.error}))
        except ConnectionError:
            return response
    if not response.prepared:
        await response.prepare(http)
    with suppress(ConnectionError):
        await response.write_eof()
    return response


class _WebSocket:
    """A stream on a WebSocket, as in lnd: opened even if the call is refused, closed without a close frame (1006)."""

    def __init__(self, http: web.Request) -> None:
        self._http = http
        self._socket = web.WebSocketResponse(autoping=False, max_msg_size=_MAX_MESSAGE_BYTES)
        self._pong = asyncio.Event()

    async def serve(self, messages: AsyncGenerator[bytes, None]) -> web.StreamResponse:
        """Send the messages until the call ends, the client closes the socket or doesn't answer a ping."""
        await self._socket.prepare(self._http)
        tasks = [asyncio.ensure_future(task) for task in (self._send(messages), self._receive(), self._ping())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[2].done():
                await self._send_json({"error": CallFailed(grpc.StatusCode.CANCELLED, "context canceled").error})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._http.transport is not None:
                self._http.transport.close()
        return self._socket

    async def _send(self, messages: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(messages):
            try:
                async for message in messages:
                    if len(message) > _MAX_MESSAGE_BYTES:
                        return
                    await self._socket.send_str(message.decode().rstrip("\n"))
            except CallFailed as failed:
                _abort_if_broken(self._http, failed)
                await self._send_json({"error": failed.error})

    async def _send_json(self, value: object) -> None:
        with suppress(ConnectionError):
            await self._socket.send_str(json_line(value).decode().rstrip("\n"))

    async def _receive(self) -> None:
        """Answer pings and note pongs until the client closes the socket."""
        while True:
            received = await self._socket.receive()
            if received.type is WSMsgType.PING:
                await self._socket.pong(received.data)
            elif received.type is WSMsgType.PONG:
                self._pong.set()
            elif received.type is not WSMsgType.TEXT:
                return

    async def _ping(self) -> None:
        """Ping the client, and return when a ping isn't answered in time."""
        with suppress(TimeoutError, ConnectionError):
            while True:
                await asyncio.sleep(PING_S)
                self._pong.clear()
                await self._socket.ping(_PING)
                async with asyncio.timeout(PONG_S):
                    await self._pong.wait()


async def _not_found(http: web.Request) -> web.StreamResponse:
    """Answer a path that lnd doesn't have."""
    failed = CallFailed(grpc.StatusCode.NOT_FOUND, "Not Found")

    async def message() -> AsyncGenerator[bytes, None]:
        yield json_line(failed.error)

    if web.WebSocketResponse().can_prepare(http):
        return await _WebSocket(http).serve(message())
    return _json(failed.error, failed.http_status)


def _request(call: _Call, http: web.Request) -> bytes:
    return request(call.request, {**http.query, **http.match_info})


def _context(http: web.Request) -> RestContext:
    return RestContext(http.headers.getall("Grpc-Metadata-Macaroon", []))


def _abort_if_broken(http: web.Request, failed: CallFailed) -> None:
    """Break the connection if that is the fault: then no error is sent."""
    if (failed.code, failed.text) == BROKEN and http.transport is not None:
        http.transport.abort()


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=json_line(value).rstrip(), status=status, content_type="application/json")


def server_tls_context(certificate: Certificate) -> ssl.SSLContext:
    """Return the TLS context of a server; Python reads certificate and key from files only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory() as directory:
        files = Path(directory) / "cert", Path(directory) / "key"
        for file, content in zip(files, certificate, strict=True):
            file.write_bytes(content)
        context.load_cert_chain(*files)
    return context
