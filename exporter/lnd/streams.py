"""Two ways to have a stream of lnd's from its REST port: lines of an endless answer, messages of a WebSocket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus

import aiohttp
import grpc

from exporter.lnd import trouble
from exporter.lnd.attended import PONG_S, attended
from exporter.lnd.client import LndError
from exporter.lnd.line import LARGEST, WEATHER, Line, broken, too_large, whole
from exporter.lnd.refusal import not_a_page, refused
from exporter.payments.labels import Interruption, NodeState

_HEARTBEAT_S = 2 * PONG_S  # half of it is what aiohttp waits for an answer; lnd itself pings every 30 s
_CLOSE_S = 1.0  # how long a WebSocket that is left waits for the other side's farewell
_SILENT = "closed without a word, as lnd does when it ends, and proxies when they tire of waiting"


async def chunked(line: Line, path: str, *, macaroon: bool, sent: asyncio.Event) -> AsyncGenerator[bytes | str, None]:
    """The lines of a chunked answer, until lnd ends it; raises `LndError`. Headers come with the first line.

    `sent` is set when the request is on its way.
    """
    request = asyncio.ensure_future(line.stream(path, macaroon=macaroon, sent=sent))
    try:
        answer = await attended(request, line.ask_state)
        if answer.status != HTTPStatus.OK:
            async with asyncio.timeout(PONG_S):
                raise refused(answer.status, await whole(answer), path)
        not_a_page(answer)
        pending: list[bytes] = []
        while chunk := await attended(answer.content.readany(), line.ask_state):
            first, *rest = chunk.split(b"\n")
            pending.append(first)
            if sum(map(len, pending)) > LARGEST:
                raise too_large()
            for part in rest:
                if text := b"".join(pending):
                    yield text
                pending = [part]
    except WEATHER as error:
        raise broken(error) from None
    finally:
        request.cancel()
        await asyncio.wait({request})
        if not request.cancelled() and request.exception() is None:
            request.result().close()


async def websocket(line: Line, path: str, *, macaroon: bool, sent: asyncio.Event) -> AsyncGenerator[bytes | str, None]:
    """The messages of a WebSocket, until it breaks: then `LndError`, for lnd ends it without a word, too.

    `sent` is set when it is open.
    """
    try:
        async with line.websocket(path, macaroon=macaroon, heartbeat_s=_HEARTBEAT_S, close_s=_CLOSE_S) as socket:
            sent.set()
            with suppress(ConnectionError):  # what refuses has done so before it is asked
                await socket.send_str("{}")
            while True:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield message.data
                elif message.type is aiohttp.WSMsgType.ERROR:
                    raise _lost(message.data)
                else:
                    raise trouble.translate(grpc.StatusCode.UNAVAILABLE, _SILENT)
    except aiohttp.WSServerHandshakeError as error:
        await _plainly(line)
        words = f"HTTP {error.status} instead of a WebSocket: does a proxy let none through?"
        raise trouble.foreign(words, NodeState.READY) from None
    except WEATHER as error:
        raise broken(error) from None


async def _plainly(line: Line) -> None:
    """Ask without a WebSocket: if that is refused, too, the `LndError` that it raises says why."""
    try:
        await line.ask_state(PONG_S)
    except LndError as refusal:
        if refusal.cause is not Interruption.UNIMPLEMENTED:  # an old lnd has no such call
            raise


def _lost(error: Exception) -> LndError:
    """What an error amid a WebSocket makes of a node."""
    if isinstance(error, aiohttp.WebSocketError) and error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
        return too_large()
    return broken(error) if isinstance(error, WEATHER) else trouble.translate(grpc.StatusCode.UNAVAILABLE, str(error))
