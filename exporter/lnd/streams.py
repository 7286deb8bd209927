"""Two ways to have a stream of lnd's from its REST port: lines of an endless answer, messages of a WebSocket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPStatus

import aiohttp
import grpc

from exporter.lnd import trouble
from exporter.lnd.client import Trouble
from exporter.lnd.line import LARGEST, WEATHER, Line, broken, refused, too_large, whole
from exporter.payments.labels import Interruption, NodeState

PING_S = 60.0
"""Seconds without a word after which a chunked stream looks whether lnd is still there."""
PONG_S = 20.0
"""Seconds that lnd may take to say so."""
_HEARTBEAT_S = 2 * PONG_S  # half of it is what aiohttp waits for an answer; lnd itself pings every 30 s
_CLOSE_S = 1.0  # how long a WebSocket that is left waits for the other side's farewell
_SILENT = "closed without a word, as lnd does when it ends, and proxies when they tire of waiting"


async def chunked(line: Line, path: str, *, macaroon: bool, sent: asyncio.Event) -> AsyncGenerator[bytes | str, None]:
    """The lines of a chunked answer, until lnd ends it; raises `Trouble`. Headers come with the first line.

    `sent` is set when the request is on its way.

    HTTP has no pings: the kernel probes the connection (`line`), and a stream that is quiet asks for lnd's state from
    time to time, which shows also through a proxy that lnd is gone.
    """
    request = asyncio.ensure_future(line.stream(path, macaroon=macaroon, sent=sent))
    try:
        while not (await asyncio.wait({request}, timeout=PING_S))[0]:
            await _ping(line)
        answer = request.result()
        if answer.status != HTTPStatus.OK:
            async with asyncio.timeout(PONG_S):
                raise refused(answer.status, await whole(answer), path)
        if answer.content_type == "text/html":
            raise trouble.foreign("a web page")
        pending: list[bytes] = []
        while chunk := await _chunk(line, answer):
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


async def _chunk(line: Line, answer: aiohttp.ClientResponse) -> bytes:
    """The next bytes; none at the end."""
    while True:
        try:
            async with asyncio.timeout(PING_S):
                return await answer.content.readany()
        except TimeoutError:
            await _ping(line)


async def _ping(line: Line) -> None:
    """Ask for lnd's state, which needs no macaroon and is answered at once; raises `Trouble`."""
    try:
        await line.ask("/v1/state", timeout_s=PONG_S, macaroon=False)
    except Trouble as lost:
        if lost.cause is Interruption.UNIMPLEMENTED:
            return  # an old lnd has no such call, and says so
        if lost.cause is not Interruption.TIMEOUT:
            raise
        raise trouble.translate(grpc.StatusCode.UNAVAILABLE, "ping timeout") from None


async def websocket(line: Line, path: str, *, macaroon: bool, sent: asyncio.Event) -> AsyncGenerator[bytes | str, None]:
    """The messages of a WebSocket, until it breaks: then `Trouble`, for lnd ends it without a word, too.

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
        await _ping(line)  # where a plain request is refused, too, its answer says why
        words = f"HTTP {error.status} instead of a WebSocket: does a proxy let none through?"
        raise trouble.foreign(words, NodeState.READY) from None
    except WEATHER as error:
        raise broken(error) from None


def _lost(error: Exception) -> Trouble:
    """What an error amid a WebSocket makes of a node."""
    if isinstance(error, aiohttp.WebSocketError) and error.code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
        return too_large()
    return broken(error) if isinstance(error, WEATHER) else trouble.translate(grpc.StatusCode.UNAVAILABLE, str(error))
