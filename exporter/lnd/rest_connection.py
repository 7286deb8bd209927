"""HTTP connections to lnd's REST port, with TLS or without, directly or through a proxy."""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
import grpc
from aiohttp import hdrs
from aiohttp_socks import ProxyConnector

from exporter.lnd import errors, http_errors, proxy_errors
from exporter.lnd.client import LndError
from exporter.lnd.network_errors import CONNECT_S, StreamBroken
from exporter.lnd.proxy_errors import CONNECTION_ERRORS

LARGEST = 200 * 1024 * 1024
"""Bytes of an answer or message that are accepted at most, as over gRPC."""

# A dead connection looks like a quiet one. The kernel probes it after a quiet minute, then every 5 s, and gives it up
# after 20 s without an answer, the times of `liveness`.
_KEEPALIVE = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPALIVE", 60),  # macOS's name for it
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 4),
    ("TCP_USER_TIMEOUT", 80_000),  # ms since the peer last sent something; it limits unacknowledged sending, too
)


class RestConnection:
    """The HTTP connections to one node; each is opened when it is needed."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, macaroon: str, proxy: str | None) -> None:
        """`url` has no slash at its end; `macaroon` is hex; `proxy` also resolves names. Needs a running event loop."""
        self._url = url
        self._macaroon = macaroon
        options: dict[str, Any] = {"limit": 0, "ssl": tls or True}
        connector = (
            ProxyConnector.from_url(proxy, rdns=True, **options)
            if proxy
            # The system's resolver, even if aiodns is installed, which supports neither mDNS nor NSS.
            else aiohttp.TCPConnector(socket_factory=_socket, resolver=aiohttp.ThreadedResolver(), **options)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},  # a proxy that compresses a stream would hold messages back
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),  # a quiet stream sends no headers
            trace_configs=[_tracing()],
            middlewares=(_refuse_websocket_redirect,),
        )

    async def close(self) -> None:
        """Close all connections; pending calls end."""
        await self._session.close()

    async def stream(self, path: str, *, macaroon: bool, sent: asyncio.Event) -> aiohttp.ClientResponse:
        """Request an endless answer and return it once its headers arrive; raises one of `CONNECTION_ERRORS`.

        `sent` is set when the request is on its way.
        """
        return await self._session.get(
            self._url + path,
            headers=self._headers(macaroon=macaroon),
            allow_redirects=False,
            middlewares=(_never_retry,),
            trace_request_ctx=sent,
        )

    @asynccontextmanager
    async def websocket(
        self, path: str, *, macaroon: bool, heartbeat_s: float, close_s: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket; raises one of `CONNECTION_ERRORS`.

        It sends a ping after `heartbeat_s` without a message and waits half as long for the answer; at the end it waits
        `close_s` for the other side to close.
        """
        try:
            socket = await self._session.ws_connect(
                f"{self._url}{path}{'&' if '?' in path else '?'}method=GET",
                headers=self._headers(macaroon=macaroon),
                max_msg_size=LARGEST,
                heartbeat=heartbeat_s,
                timeout=aiohttp.ClientWSTimeout(ws_close=close_s),
            )
        except AssertionError:  # aiohttp raises it if the connection breaks just as the WebSocket opens
            raise ConnectionResetError(errno.ECONNRESET, "broken as it opened") from None
        try:
            yield socket
        finally:
            await socket.close()

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float | None, macaroon: bool = True
    ) -> bytes:
        """Return the body of an answer, however long it takes if `timeout_s` is None; raises `LndError`."""
        return (await self._get(path, query, timeout_s=timeout_s, macaroon=macaroon))[1]

    async def clock(self, timeout_s: float) -> tuple[float, float] | None:
        """Return by how many seconds the server's clock is ahead, at least and at most; None if it doesn't say.

        Raises `LndError`.
        """
        asked_s = time.time()
        date, _ = await self._get("/v1/state", None, timeout_s=timeout_s, macaroon=False)
        answered_s = time.time()
        try:
            whole_s = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):  # the latter if one of its numbers has 20 digits
            return None
        return whole_s - answered_s, whole_s + 1 - asked_s

    async def _get(
        self, path: str, query: Mapping[str, str] | None, *, timeout_s: float | None, macaroon: bool
    ) -> tuple[str, bytes]:
        """Return the header `Date` of an answer and its body."""
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.get(
                    self._url + path,
                    params=query,
                    headers=self._headers(macaroon=macaroon),
                    allow_redirects=False,  # the macaroon would be sent there
                ) as response,
            ):
                body = await read_body(response)
        except CONNECTION_ERRORS as error:
            raise proxy_errors.from_exception(error) from None
        if response.status != HTTPStatus.OK:
            raise http_errors.from_response(response.status, body, path)
        http_errors.reject_web_page(response)
        return response.headers.get(hdrs.DATE, ""), body

    async def get_state(self, timeout_s: float) -> bytes:
        """Request lnd's state, which needs no macaroon and is answered at once; raises `LndError`."""
        return await self.get("/v1/state", timeout_s=timeout_s, macaroon=False)

    def _headers(self, *, macaroon: bool) -> dict[str, str]:
        return {"Grpc-Metadata-Macaroon": self._macaroon} if macaroon else {}


async def _refuse_websocket_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from following a redirect of a WebSocket: it would send the macaroon there."""
    response = await handler(request)
    if hdrs.UPGRADE in request.headers and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        response.close()
        raise aiohttp.WSServerHandshakeError(response.request_info, (), status=response.status)
    return response


async def _never_retry(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request by itself: a quiet stream that is silently opened again has a gap."""
    try:
        return await handler(request)
    except aiohttp.ClientError as error:
        raise StreamBroken from error


def _tracing() -> aiohttp.TraceConfig:
    """Return a configuration that sets the event given as `trace_request_ctx` once the request is sent."""

    async def sent(_session: object, context: SimpleNamespace, _params: object) -> None:
        if isinstance(event := context.trace_request_ctx, asyncio.Event):
            event.set()

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(sent)
    return tracing


async def read_body(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole body; raises `LndError` if it is larger than `LARGEST`."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            raise too_large()
    return bytes(body)


def too_large() -> LndError:
    """Return the error that gRPC gives for a message that is too large."""
    return errors.from_status(grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {LARGEST} bytes")


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """Return a socket that notices when its peer is gone."""
    made = socket.socket(*info[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
