"""A client over REST: the messages of gRPC as JSON, streams as chunked answers or as WebSockets."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from google.protobuf.message import Message

from exporter.lnd import decode, errors, files, findings, http_errors, json_messages, rest_streams
from exporter.lnd.client import ANSWER_S, DECODE_BATCH, LndError, NotOverRest, PaymentsPage, page_timeout_s
from exporter.lnd.liveness import wait_while_alive
from exporter.lnd.payment_streams import PaymentStreams, RawMessage
from exporter.lnd.rest_connection import RestConnection
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.server_name import choose_server_name
from exporter.lnd.tls import client_context
from exporter.payments.findings import Invoice, NoRoute, OwnChannel, Route, RouteQuery
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info

M = TypeVar("M", bound=Message)


class RestClient(PaymentStreams):
    """A node's REST API (`client.ExaminedClient`)."""

    def __init__(
        self,
        url: str,
        tls_cert: Path | None,
        macaroon: Path,
        *,
        websocket: bool = False,
        proxy: str | None = None,
        server_name: str | None = None,
    ) -> None:
        """`url` is `https://HOST:PORT`, or `http://` without TLS, followed by a path if a reverse proxy needs one.

        Without a certificate file the system's certificates are trusted. `proxy` is
        `socks5://[USER:PASSWORD@]HOST:PORT`. The certificate must be made for `server_name`, a name or an IP address;
        without one for the host.
        """
        super().__init__()
        self.address = f"{url} ({'websocket' if websocket else 'rest'})"
        self._url = url
        self._tls_cert = tls_cert
        self._macaroon = macaroon
        self._open_stream = rest_streams.websocket if websocket else rest_streams.chunked
        self._proxy = proxy
        self._server_name = server_name
        self._connection: RestConnection | None = None
        self._subscription_sent = asyncio.Event()
        self._subscription_sent.set()

    async def connect(self) -> int | None:
        """Create a new connection; it is opened with the first call."""
        await self.close()
        macaroon = await files.read_macaroon(self._macaroon)
        tls, expiry_s = None, None
        if self._url.startswith("https://"):
            pem, expiry_s = await files.read_trusted(self._tls_cert)
            server_name = self._server_name or choose_server_name(pem, urlsplit(self._url).hostname or "")
            try:
                tls = await asyncio.to_thread(client_context, pem, server_name)
            except ValueError:
                assert self._tls_cert is not None  # damaged ones among the system's certificates were left out
                raise files.not_a_certificate(self._tls_cert) from None
        self._connection = RestConnection(self._url, tls, macaroon, self._proxy)
        return expiry_s

    async def close(self) -> None:
        """Close all connections; pending calls end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def states(self) -> AsyncGenerator[NodeState, None]:
        """`SubscribeState`, without macaroon."""
        try:
            async with aclosing(self._stream("/v1/state/subscribe", macaroon=False)) as messages:
                async for value in messages:
                    yield decode.state(self._parse(rpc.SubscribeStateResponse, value).state)
        except LndError as error:
            if error.cause is not Interruption.UNIMPLEMENTED:
                raise
            yield NodeState.READY  # lnd before 0.13: if it isn't ready, the calls that follow fail with the reason

    async def info(self, timeout_s: float) -> Info:
        """`GetInfo`."""
        return decode.info(await self._call("/v1/getinfo", {}, rpc.GetInfoResponse, timeout_s))

    async def channels(self) -> Channels:
        """`ListChannels`, all channels, with the peers' aliases."""
        query = {"peer_alias_lookup": "true"}
        return decode.channels(await self._call("/v1/channels", query, rpc.ListChannelsResponse, ANSWER_S))

    async def own_channels(self) -> tuple[OwnChannel, ...]:
        """`ListChannels`, each channel by itself."""
        query = {"peer_alias_lookup": "true"}
        return findings.own_channels(await self._call("/v1/channels", query, rpc.ListChannelsResponse, ANSWER_S))

    # lnd has these only with the invoice or the key in the path: `DecodePayReq` and `GetNodeInfo` as a GET, and even
    # the POST of `QueryRoutes` has key and amount there.

    async def invoice(self, payment_request: str) -> Invoice:  # noqa: ARG002 - the same method as over gRPC
        """`DecodePayReq`, which isn't called."""
        raise NotOverRest

    async def find_route(self, query: RouteQuery) -> Route | NoRoute:  # noqa: ARG002
        """`QueryRoutes`, which isn't called."""
        raise NotOverRest

    async def alias(self, pubkey: str) -> str:  # noqa: ARG002
        """`GetNodeInfo`, which isn't called."""
        raise NotOverRest

    async def clock(self) -> tuple[float, float] | None:
        """By the header `Date` of an answer."""
        return await self._open_connection().clock(ANSWER_S)

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> PaymentsPage:
        """`ListPayments`, one page. Wait until a subscription that is being opened is sent.

        The two use different connections, so the list could overtake the subscription, and what ends between them would
        be missed.
        """
        await self._subscription_sent.wait()
        query = {"include_incomplete": "true", "index_offset": str(after), "max_payments": str(limit)}
        query["reversed"] = "true" if newest_first else "false"
        body = await self._get("/v1/payments", query, page_timeout_s(limit))
        payments = []
        try:
            page = json_messages.parse(body, json_messages.RawPaymentsPage)
            for number, text in enumerate(page.payments):
                if number % DECODE_BATCH == 0:
                    await asyncio.sleep(0)
                message = json_messages.message(rpc.Payment, json_messages.parse(text))
                payments.append(decode.payment(message, self.own_key))
            return PaymentsPage(tuple(payments), int(page.last_index_offset), limit)
        except (json_messages.Malformed, ValueError):
            raise errors.not_lnd() from None

    def _track_payment(self, payment_hash: str, *, inflight: bool = True) -> AsyncGenerator[RawMessage, None]:
        """Lnd wants the hash in URL-safe base64 with padding."""
        name = base64.urlsafe_b64encode(bytes.fromhex(payment_hash)).decode()
        return self._stream(f"/v2/router/track/{name}{'' if inflight else '?no_inflight_updates=true'}")

    async def _track_payments(self, *, final_only: bool) -> AsyncGenerator[RawMessage, None]:
        self._subscription_sent = sent = asyncio.Event()
        path = f"/v2/router/payments{'?no_inflight_updates=true' if final_only else ''}"
        try:
            async with aclosing(self._stream(path, sent=sent)) as messages:
                async for value in messages:
                    yield value
        finally:
            sent.set()

    def _parse(self, kind: type[M], raw: RawMessage) -> M:
        try:
            return json_messages.message(kind, raw)
        except json_messages.Malformed:
            raise errors.not_lnd() from None

    async def _call(self, path: str, query: dict[str, str], answer: type[M], timeout_s: float) -> M:
        body = await self._get(path, query, timeout_s)
        try:
            return self._parse(answer, json_messages.parse(body))
        except json_messages.Malformed:
            raise errors.not_lnd() from None

    async def _get(self, path: str, query: dict[str, str], timeout_s: float | None) -> bytes:
        """Return the body of an answer; it may take minutes, as long as lnd answers probes."""
        connection = self._open_connection()
        return await wait_while_alive(connection.get(path, query, timeout_s=timeout_s), connection.get_state)

    async def _stream(
        self, path: str, *, macaroon: bool = True, sent: asyncio.Event | None = None
    ) -> AsyncGenerator[RawMessage, None]:
        """Yield the value of `result` in each message, None if it has none; `sent` is set when the request is sent."""
        stream = self._open_stream(self._open_connection(), path, macaroon=macaroon, sent=sent or asyncio.Event())
        async with aclosing(stream) as texts:
            async for text in texts:
                try:
                    value = json_messages.parse(text)
                except json_messages.Malformed:
                    if http_errors.is_unknown_path(text):
                        raise http_errors.unknown_path() from None
                    yield None
                    continue
                if error := http_errors.from_json(value):
                    raise error
                yield value.get("result") if isinstance(value, dict) else None

    def _open_connection(self) -> RestConnection:
        if self._connection is None:
            raise RuntimeError("connect first")
        return self._connection
