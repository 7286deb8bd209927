"""A line to a node's REST port, with TLS or without, through a proxy or not; and what it means when it breaks."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import grpc
import python_socks
from aiohttp import hdrs
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

from exporter.lnd import gateway, trouble
from exporter.lnd.client import Trouble

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

_UNAVAILABLE = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_QUOTED = 100  # bytes of a page that may say what is wrong


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
            else aiohttp.TCPConnector(socket_factory=_socket, **limits)
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
        """A single answer; raises `Trouble`. Without `timeout_s` it is waited for as long as the connection lives."""
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
        return body

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


def context(pem: bytes | None) -> ssl.SSLContext:
    """Trust this certificate, or without one what the system trusts; raises ValueError for what is no certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.set_alpn_protocols(["http/1.1"])  # so that a port that speaks gRPC only says so
    if pem is None:
        made.load_default_certs()
    else:
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the very certificate is trusted, whoever signed it
        try:
            made.load_verify_locations(cadata=pem.decode("ascii"))
        except ssl.SSLError as error:
            raise ValueError from error
    return made


async def whole(answer: aiohttp.ClientResponse) -> bytes:
    """The body; raises `Trouble` if it is too large."""
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise too_large()
    return bytes(body)


def too_large() -> Trouble:
    """As gRPC says it."""
    return trouble.translate(grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {LARGEST} bytes")


def broken(error: Exception) -> Trouble:
    """What an exception of `WEATHER` makes of a node."""
    if isinstance(error, _Lost):
        error = cast("aiohttp.ClientError", error.__cause__)
    if isinstance(error, TimeoutError) and not isinstance(error, (aiohttp.ClientError, *_PROXY)):
        return trouble.translate(grpc.StatusCode.DEADLINE_EXCEEDED, "")
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", error)
    words = str(cause) or type(cause).__name__
    if isinstance(error, _PROXY):
        words = f"the proxy: {words}"
    elif isinstance(error, aiohttp.ServerDisconnectedError) or getattr(cause, "errno", None) in _HUNG_UP:
        words = f"closed without an answer: {words}"
    return trouble.translate(grpc.StatusCode.UNAVAILABLE, words)


def refused(status: int, body: bytes, path: str) -> Trouble:
    """What an answer that is none makes of a node: lnd says so in JSON, proxies and others in other words."""
    with suppress(gateway.Malformed):
        if said := error_in(gateway.parse(body)):
            return said
    if status == HTTPStatus.NOT_FOUND and is_nowhere(body):
        return nowhere()
    words = body[:_QUOTED].decode(errors="replace") if status == HTTPStatus.BAD_REQUEST else ""
    if status in _UNAVAILABLE or words:
        return trouble.translate(grpc.StatusCode.UNAVAILABLE, f"HTTP {status} {words}".strip())
    called = "/".join(path.partition("?")[0].split("/")[:4])  # without the hash of a payment
    return trouble.foreign(f"HTTP {status} at {called}")


def error_in(said: Any) -> Trouble | None:
    """What an error of lnd's in JSON makes of a node; None if this is no error.

    Before lnd 0.14 the text stands under `error`, too, and the code of a stream is `grpc_code`.
    """
    error = said.get("error", said) if isinstance(said, dict) else None
    if isinstance(error, str):
        error = said
    if not isinstance(error, dict) or not isinstance(number := error.get("code", error.get("grpc_code")), int):
        return None
    code, text = _CODES.get(number, grpc.StatusCode.UNKNOWN), str(error.get("message", ""))
    if code is grpc.StatusCode.NOT_FOUND and error is said:  # lnd's calls put it under `error`: it has no such path
        return nowhere()
    return trouble.translate(code, text)


def is_nowhere(text: bytes | str) -> bool:
    """True if this is what lnd before 0.14 says of a path that it doesn't have: no JSON."""
    return text.strip() in (b"Not Found", "Not Found")


def nowhere() -> Trouble:
    """A path that lnd doesn't have."""
    return trouble.translate(grpc.StatusCode.UNIMPLEMENTED, "no such path")


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket that notices that its other side is gone."""
    made = socket.socket(*info[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
