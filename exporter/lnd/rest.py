"""Asking a node over REST: the same messages as over gRPC, in JSON; streams as chunked answers or as WebSockets."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from google.protobuf.message import Message

from exporter.lnd import decode, files, gateway, streams, trouble
from exporter.lnd.attended import attended
from exporter.lnd.client import ANSWER_S, BREATH, LndError, Page, page_timeout_s
from exporter.lnd.line import Line
from exporter.lnd.refusal import error_in, is_nowhere, nowhere
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.server_name import asked_name
from exporter.lnd.tls import context
from exporter.lnd.tracked import Said, Tracked
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info

M = TypeVar("M", bound=Message)


class RestClient(Tracked):
    """A node's REST API (`client.DetailedClient`)."""

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
        """Name the node by `https://HOST:PORT`, or `http://` for no TLS, and a path where a proxy wants one.

        Without a certificate file the system's roots are trusted. `proxy` is `socks5://[USER:PASSWORD@]HOST:PORT`. The
        certificate must be made for `server_name`, a name or an IP address; without one for the host.
        """
        super().__init__()
        self.address = f"{url} ({'websocket' if websocket else 'rest'})"
        self._url = url
        self._tls_cert = tls_cert
        self._macaroon = macaroon
        self._stream = streams.websocket if websocket else streams.chunked
        self._proxy = proxy
        self._server_name = server_name
        self._line: Line | None = None
        self._subscribed = asyncio.Event()
        self._subscribed.set()

    async def connect(self) -> int | None:
        """Make a fresh line; it is dialled with the first call."""
        await self.close()
        macaroon = await files.macaroon(self._macaroon)
        tls, expiry_s = None, None
        if self._url.startswith("https://"):
            pem, expiry_s = await files.trusted(self._tls_cert)
            server_name = self._server_name or asked_name(pem, urlsplit(self._url).hostname or "")
            try:
                tls = await asyncio.to_thread(context, pem, server_name)
            except ValueError:
                assert self._tls_cert is not None  # of the system's, none is damaged
                raise files.no_certificate(self._tls_cert) from None
        self._line = Line(self._url, tls, macaroon, self._proxy)
        return expiry_s

    async def close(self) -> None:
        """Cut all connections; calls under way end."""
        line, self._line = self._line, None
        if line is not None:
            await line.close()

    async def states(self) -> AsyncIterator[NodeState]:
        """`SubscribeState`, without macaroon."""
        try:
            async with aclosing(self._messages("/v1/state/subscribe", macaroon=False)) as messages:
                async for said in messages:
                    yield decode.state(self._parsed(rpc.SubscribeStateResponse, said).state)
        except LndError as refused:
            if refused.cause is not Interruption.UNIMPLEMENTED:
                raise
            yield NodeState.READY  # lnd before 0.13: whether it is, the calls that follow will say

    async def info(self, timeout_s: float) -> Info:
        """`GetInfo`."""
        return decode.info(await self._call("/v1/getinfo", {}, rpc.GetInfoResponse, timeout_s))

    async def channels(self) -> Channels:
        """`ListChannels`, all of them, with the peers' aliases."""
        query = {"peer_alias_lookup": "true"}
        return decode.channels(await self._call("/v1/channels", query, rpc.ListChannelsResponse, ANSWER_S))

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> Page:
        """`ListPayments`, one page; not before a subscription that is being opened, on another connection, is sent."""
        await self._subscribed.wait()
        query = {"include_incomplete": "true", "index_offset": str(after), "max_payments": str(limit)}
        query["reversed"] = "true" if newest_first else "false"
        body = await self._ask("/v1/payments", query, page_timeout_s(limit))
        payments = []
        try:
            listed = gateway.parse(body, gateway.Listed)
            for number, text in enumerate(listed.payments):
                if number % BREATH == 0:
                    await asyncio.sleep(0)
                message = gateway.message(rpc.Payment, gateway.parse(text))
                payments.append(decode.payment(message, self.own_key))
            return Page(tuple(payments), int(listed.last_index_offset), limit)
        except (gateway.Malformed, ValueError):
            raise trouble.foreign() from None

    def _one(self, payment_hash: str, *, inflight: bool = True) -> AsyncGenerator[Said, None]:
        """Lnd wants the hash in URL-safe base64 with padding."""
        name = base64.urlsafe_b64encode(bytes.fromhex(payment_hash)).decode()
        return self._messages(f"/v2/router/track/{name}{'' if inflight else '?no_inflight_updates=true'}")

    async def _all(self, *, final_only: bool) -> AsyncGenerator[Said, None]:
        self._subscribed = subscribed = asyncio.Event()
        path = f"/v2/router/payments{'?no_inflight_updates=true' if final_only else ''}"
        try:
            async with aclosing(self._messages(path, sent=subscribed)) as messages:
                async for said in messages:
                    yield said
        finally:
            subscribed.set()

    def _parsed(self, kind: type[M], said: Said) -> M:
        try:
            return gateway.message(kind, said)
        except gateway.Malformed:
            raise trouble.foreign() from None

    async def _call(self, path: str, query: dict[str, str], answer: type[M], timeout_s: float) -> M:
        body = await self._ask(path, query, timeout_s)
        try:
            return self._parsed(answer, gateway.parse(body))
        except gateway.Malformed:
            raise trouble.foreign() from None

    async def _ask(self, path: str, query: dict[str, str], timeout_s: float | None) -> bytes:
        """A single answer; lnd may take minutes for it, but must be there."""
        line = self._open_line()
        return await attended(line.ask(path, query, timeout_s=timeout_s), line.ask_state)

    async def _messages(
        self, path: str, *, macaroon: bool = True, sent: asyncio.Event | None = None
    ) -> AsyncGenerator[Said, None]:
        """What stands under `result`, None if there is none; `sent` is set when the stream is asked for."""
        stream = self._stream(self._open_line(), path, macaroon=macaroon, sent=sent or asyncio.Event())
        async with aclosing(stream) as texts:
            async for text in texts:
                try:
                    said = gateway.parse(text)
                except gateway.Malformed:
                    if is_nowhere(text):
                        raise nowhere() from None
                    yield None
                    continue
                if error := error_in(said):
                    raise error
                yield said.get("result") if isinstance(said, dict) else None

    def _open_line(self) -> Line:
        if self._line is None:
            raise RuntimeError("connect first")
        return self._line
