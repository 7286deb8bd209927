"""Streams over REST, in two forms: the lines of an endless chunked answer, or the messages of a WebSocket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus

import aiohttp
import grpc

from exporter.lnd import errors, http_errors, proxy_errors
from exporter.lnd.client import LndError
from exporter.lnd.liveness import PONG_S, Watch, wait_while_alive
from exporter.lnd.proxy_errors import CONNECTION_ERRORS
from exporter.lnd.rest_connection import LARGEST, RestConnection, read_body, too_large
from exporter.payments.labels import Interruption, NodeState

_HEARTBEAT_S = 2 * PONG_S  # aiohttp waits half of it for the answer to a ping; lnd itself pings every 30 s
_CLOSE_S = 1.0  # how long closing a WebSocket waits for the other side to close
_SILENT = "closed without a message, as lnd does when it stops, and proxies when a connection is idle for too long"


async def chunked(
    connection: RestConnection, path: str, *, macaroon: bool, sent: asyncio.Event
) -> AsyncGenerator[bytes | str, None]:
    """Yield the lines of a chunked answer until lnd ends it; raises `LndError`. Headers arrive with the first line.

    `sent` is set when the request is on its way.
    """
    request = asyncio.ensure_future(connection.stream(path, macaroon=macaroon, sent=sent))
    try:
        response = await wait_while_alive(request, connection.get_state)
        if response.status != HTTPStatus.OK:
            async with asyncio.timeout(PONG_S):
                raise http_errors.from_response(response.status, await read_body(response), path)
        http_errors.reject_web_page(response)
        pending: list[bytes] = []
        async with Watch(connection.get_state) as watch:
            while chunk := await watch.wait(response.content.readany()):
                first, *rest = chunk.split(b"\n")
                pending.append(first)
                if sum(map(len, pending)) > LARGEST:
                    raise too_large()
                for part in rest:
                    if text := b"".join(pending):
                        yield text
                    pending = [part]
    except CONNECTION_ERRORS as error:
        raise proxy_errors.from_exception(error) from None
    finally:
        request.cancel()
        request.add_done_callback(_close)  # also if this task is cancelled while it waits
        await asyncio.wait({request})


def _close(request: asyncio.Future[aiohttp.ClientResponse]) -> None:
    """Close the answer to a request, if there is one."""
    if not request.cancelled() and request.exception() is None:
        request.result().close()


async def websocket(
    connection: RestConnection, path: str, *, macaroon: bool, sent: asyncio.Event
) -> AsyncGenerator[bytes | str, None]:
    """Yield the messages of a WebSocket until it closes, then raise `LndError`: lnd sends no end of a stream.

    `sent` is set when the WebSocket is open.
    """
    try:
        async with connection.websocket(path, macaroon=macaroon, heartbeat_s=_HEARTBEAT_S, close_s=_CLOSE_S) as socket:
            sent.set()
            with suppress(ConnectionError):  # lnd may refuse and close before the request arrives: read its error
                await socket.send_str("{}")
            while True:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield message.data
                elif message.type is aiohttp.WSMsgType.ERROR:
                    raise _from_websocket(message.data)
                else:
                    raise errors.from_status(grpc.StatusCode.UNAVAILABLE, _SILENT)
    except aiohttp.WSServerHandshakeError as error:
        await _check_without_websocket(connection)
        text = f"HTTP {error.status} instead of a WebSocket: does a proxy not support WebSockets?"
        raise errors.not_lnd(text, NodeState.READY) from None
    except CONNECTION_ERRORS as error:
        raise proxy_errors.from_exception(error) from None


async def _check_without_websocket(connection: RestConnection) -> None:
    """Request lnd's state without a WebSocket; if that fails, too, raise its `LndError`, which gives the reason."""
    try:
        await connection.get_state(PONG_S)
    except LndError as error:
        if error.cause is not Interruption.UNIMPLEMENTED:  # an old lnd has no such call
            raise


def _from_websocket(error: Exception) -> LndError:
    """Return the `LndError` for an error within a WebSocket."""
    if isinstance(error, aiohttp.WebSocketError) and error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
        return too_large()
    if isinstance(error, CONNECTION_ERRORS):
        return proxy_errors.from_exception(error)
    return errors.from_status(grpc.StatusCode.UNAVAILABLE, str(error))
