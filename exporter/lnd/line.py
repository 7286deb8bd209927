"""A line to a node's REST port, with TLS or without, through a proxy or not; and what it means when it breaks."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import grpc
import python_socks
from aiohttp import hdrs
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

from exporter.lnd import trouble
from exporter.lnd.client import LndError
from exporter.lnd.refusal import not_a_page, refused

CONNECT_S = 25.0
"""Seconds to reach lnd, TLS included: less than what the first word of lnd may take."""
LARGEST = 200 * 1024 * 1024
"""Bytes of an answer or of a message: what gRPC takes, too."""

# A line that is dead looks quiet. A probe after a minute without a word, then every 5 s; without an answer for 20 s
# the line is given up, as it is with gRPC's pings.
_KEEPALIVE = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPALIVE", 60),  # what macOS calls it
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", 80_000),  # ms, from the last word of the other side; it bounds what we send, too
)
_PROXY = (
    ProxyError,
    ProxyConnectionError,
    ProxyTimeoutError,
    python_socks.ProxyError,  # in a tunnel there is no aiohttp that makes its own of these
    python_socks.ProxyConnectionError,
    python_socks.ProxyTimeoutError,
    asyncio.IncompleteReadError,  # so it is told of one that hangs up amid its own words
)
_HUNG_UP = (errno.EPIPE, errno.ECONNRESET)
WEATHER = (aiohttp.ClientError, OSError, UnicodeError, *_PROXY)  # UnicodeError: a name that can't be one of a host
"""All that a line raises when the network, a proxy or lnd breaks it."""


class Line:
    """Connections to one node, dialled as they are needed."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, macaroon: str, proxy: str | None) -> None:
        """`url` has no slash at its end; `macaroon` is hex; `proxy` is asked to resolve names, too. Needs a loop."""
        self._url = url
        self._macaroon = macaroon
        limits: dict[str, Any] = {"limit": 0, "ssl": tls or True}
        connector = (
            ProxyConnector.from_url(proxy, rdns=True, **limits)
            if proxy
            # The resolver is the system's, also where aiodns is installed, which knows no mDNS and nothing of NSS.
            else aiohttp.TCPConnector(socket_factory=_socket, resolver=aiohttp.ThreadedResolver(), **limits)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},  # a proxy that packs a stream keeps its messages back
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),  # a quiet stream has not even headers
            trace_configs=[_tracing()],
            middlewares=(_here,),
        )

    async def close(self) -> None:
        """Let go of all connections; calls under way end."""
        await self._session.close()

    async def stream(self, path: str, *, macaroon: bool, sent: asyncio.Event) -> aiohttp.ClientResponse:
        """An endless answer, once its first words arrive; raises what is in `WEATHER`. `sent`: it is asked for."""
        return await self._session.get(
            self._url + path,
            headers=self._headers(macaroon=macaroon),
            allow_redirects=False,
            middlewares=(_once,),
            trace_request_ctx=sent,
        )

    @asynccontextmanager
    async def websocket(
        self, path: str, *, macaroon: bool, heartbeat_s: float, close_s: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket; raises what is in `WEATHER`.

        After `heartbeat_s` without a word it pings, and waits half as long for an answer; the farewell has `close_s`.
        """
        try:
            socket = await self._session.ws_connect(
                f"{self._url}{path}{'&' if '?' in path else '?'}method=GET",
                headers=self._headers(macaroon=macaroon),
                max_msg_size=LARGEST,
                heartbeat=heartbeat_s,
                timeout=aiohttp.ClientWSTimeout(ws_close=close_s),
            )
        except AssertionError:  # so aiohttp puts it where the line breaks at the very moment that it opens
            raise ConnectionResetError(errno.ECONNRESET, "broken as it opened") from None
        try:
            yield socket
        finally:
            await socket.close()

    async def ask(
        self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float | None, macaroon: bool = True
    ) -> bytes:
        """A single answer; raises `LndError`. Without `timeout_s` it is waited for as long as the connection lives."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.get(
                    self._url + path,
                    params=query,
                    headers=self._headers(macaroon=macaroon),
                    allow_redirects=False,  # the macaroon goes with it
                ) as answer,
            ):
                body = await whole(answer)
        except WEATHER as error:
            raise broken(error) from None
        if answer.status != HTTPStatus.OK:
            raise refused(answer.status, body, path)
        not_a_page(answer)
        return body

    async def ask_state(self, timeout_s: float) -> bytes:
        """Lnd's state, which needs no macaroon and is answered at once; raises `LndError`."""
        return await self.ask("/v1/state", timeout_s=timeout_s, macaroon=False)

    def _headers(self, *, macaroon: bool) -> dict[str, str]:
        return {"Grpc-Metadata-Macaroon": self._macaroon} if macaroon else {}


async def _here(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from opening a WebSocket elsewhere, where it is told to: the macaroon would go with it."""
    answer = await handler(request)
    if hdrs.UPGRADE in request.headers and answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
        answer.close()
        raise aiohttp.WSServerHandshakeError(answer.request_info, (), status=answer.status)
    return answer


class _Lost(aiohttp.ClientError):
    """What broke a stream is its cause."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from asking again on its own: a quiet stream that is opened anew behind one's back has a gap."""
    try:
        return await handler(request)
    except aiohttp.ClientError as error:
        raise _Lost from error


def _tracing() -> aiohttp.TraceConfig:
    """Tells when a request is on its way, which its answer doesn't."""

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        if isinstance(event := context.trace_request_ctx, asyncio.Event):
            event.set()

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(sent)
    return tracing


async def whole(answer: aiohttp.ClientResponse) -> bytes:
    """The body; raises `LndError` if it is too large."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise too_large()
    return bytes(body)


def too_large() -> LndError:
    """As gRPC says it."""
    return trouble.translate(grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {LARGEST} bytes")


def broken(error: Exception) -> LndError:
    """What an exception of `WEATHER` makes of a node."""
    if isinstance(error, _Lost):
        error = cast("aiohttp.ClientError", error.__cause__)
    if isinstance(error, TimeoutError) and not isinstance(error, (aiohttp.ClientError, *_PROXY)):
        return trouble.translate(grpc.StatusCode.DEADLINE_EXCEEDED, "")
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    words = str(cause) or type(cause).__name__
    if isinstance(error, _PROXY):
        words = f"the proxy: {words}"
    elif isinstance(cause, (socket.gaierror, UnicodeError)):
        words = unresolved(words)
    elif isinstance(error, aiohttp.ServerDisconnectedError) or getattr(cause, "errno", None) in _HUNG_UP:
        words = f"closed without an answer: {words}"
    return trouble.translate(grpc.StatusCode.UNAVAILABLE, words)


def unresolved(words: str) -> str:
    """Say for the table of troubles that a name has no address, whatever the C library says of it."""
    return f"no address: {words}"


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket that notices that its other side is gone."""
    made = socket.socket(*info[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
