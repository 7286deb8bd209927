"""Asking a node over gRPC: one fresh channel for each session, files read again every time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from exporter.lnd import decode, files, resolver, trouble
from exporter.lnd.attended import attended
from exporter.lnd.client import ANSWER_S, BREATH, LndError, Page, page_timeout_s
from exporter.lnd.line import CONNECT_S
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.server_name import asked_name
from exporter.lnd.tracked import Said, Tracked
from exporter.lnd.tunnel import Tunnel
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info

M = TypeVar("M", bound=Message)

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", 200 * 1024 * 1024),  # what lnd's own clients allow; gRPC's default is 4 MiB
    ("grpc.enable_http_proxy", 0),  # else variables such as https_proxy decide, even for localhost
    ("grpc.enable_retries", 0),  # when to try again is decided and counted in one place, not here
    ("grpc.use_local_subchannel_pool", 1),  # else a new channel may be given an old connection, or another node's
)
_TUNNEL_MS = int(CONNECT_S * 1000) + 3_000
"""So long gRPC waits for a connection through a tunnel, by itself 20 s: longer than the tunnel, which knows why."""
_THROUGH_TUNNEL = (("grpc.min_reconnect_backoff_ms", _TUNNEL_MS),)


class GrpcClient(Tracked):
    """A node's gRPC API (`client.DetailedClient`)."""

    def __init__(
        self,
        address: str,
        tls_cert: Path | None,
        macaroon: Path,
        *,
        proxy: str | None = None,
        server_name: str | None = None,
    ) -> None:
        """Name the node by `HOST:PORT`; without a certificate file the system's roots are trusted.

        `proxy` is `socks5://[USER:PASSWORD@]HOST:PORT`. The certificate must be made for `server_name`, a name or an IP
        address; without one for the host.
        """
        super().__init__()
        self.address = address
        self._tls_cert = tls_cert
        self._macaroon = macaroon
        self._proxy = proxy
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._server_name = server_name
        named = server_name or self._host
        self._authority = f"[{named}]:{port}" if ":" in named else f"{named}:{port}"
        self._tunnel: Tunnel | None = None
        self._channel: grpc.aio.Channel | None = None
        self._metadata: tuple[tuple[str, str], ...] = ()

    async def connect(self) -> int | None:
        """Look up the host and open a fresh channel; gRPC dials with the first call."""
        await self.close()
        self._metadata = (("macaroon", await files.macaroon(self._macaroon)),)
        pem, expiry_s = await files.trusted(self._tls_cert)
        options: tuple[tuple[str, int | str], ...] = (
            *_OPTIONS,
            ("grpc.default_authority", self._authority),  # gRPC refuses one that the certificate doesn't name
            ("grpc.ssl_target_name_override", self._server_name or asked_name(pem, self._host)),
        )
        if self._proxy is None:
            target = await resolver.target(self._host, self._port)
        else:
            self._tunnel = Tunnel(self._proxy, self._host, self._port)
            target, options = await self._tunnel.open(), (*options, *_THROUGH_TUNNEL)
        self._channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(pem), options=options)
        return expiry_s

    async def close(self) -> None:
        """Cut the channel; calls under way end."""
        channel, self._channel = self._channel, None
        tunnel, self._tunnel = self._tunnel, None
        if channel is not None:
            await channel.close()
        if tunnel is not None:
            await tunnel.close()

    async def states(self) -> AsyncIterator[NodeState]:
        """`SubscribeState`, without macaroon."""
        stream = self._messages("/lnrpc.State/SubscribeState", rpc.SubscribeStateRequest(), ())
        try:
            async with aclosing(stream) as messages:
                async for data in messages:
                    yield decode.state(self._parsed(rpc.SubscribeStateResponse, data).state)
        except LndError as refused:
            if refused.cause is not Interruption.UNIMPLEMENTED:
                raise
            yield NodeState.READY  # lnd before 0.13: whether it is, the calls that follow will say

    async def info(self, timeout_s: float) -> Info:
        """`GetInfo`."""
        answer = await self._call("/lnrpc.Lightning/GetInfo", rpc.GetInfoRequest(), rpc.GetInfoResponse, timeout_s)
        return decode.info(answer)

    async def channels(self) -> Channels:
        """`ListChannels`, all of them, with the peers' aliases."""
        request = rpc.ListChannelsRequest(peer_alias_lookup=True)
        return decode.channels(
            await self._call("/lnrpc.Lightning/ListChannels", request, rpc.ListChannelsResponse, ANSWER_S)
        )

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> Page:
        """`ListPayments`, one page."""
        request = rpc.ListPaymentsRequest(
            include_incomplete=True, index_offset=after, max_payments=limit, reversed=newest_first
        )
        timeout_s = page_timeout_s(limit)
        answer = await self._call("/lnrpc.Lightning/ListPayments", request, rpc.ListPaymentsResponse, timeout_s)
        payments = []
        for number, message in enumerate(answer.payments):
            if number % BREATH == 0:
                await asyncio.sleep(0)
            payments.append(decode.payment(message, self.own_key))
        return Page(tuple(payments), answer.last_index_offset, limit)

    def _one(self, payment_hash: str, *, inflight: bool = True) -> AsyncGenerator[Said, None]:
        request = rpc.TrackPaymentRequest(payment_hash=bytes.fromhex(payment_hash), no_inflight_updates=not inflight)
        return self._messages("/routerrpc.Router/TrackPaymentV2", request, self._metadata)

    def _all(self, *, final_only: bool) -> AsyncGenerator[Said, None]:
        request = rpc.TrackPaymentsRequest(no_inflight_updates=final_only)
        return self._messages("/routerrpc.Router/TrackPayments", request, self._metadata)

    def _parsed(self, kind: type[M], said: Said) -> M:
        """Also `LndError` if there are no bytes: a call that ended with OK."""
        try:
            if said is not None:
                return kind.FromString(said)
        except DecodeError:
            pass
        raise trouble.foreign()

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float | None) -> M:
        call: Any = self._open_channel().unary_unary(method, request_serializer=type(request).SerializeToString)
        asked = call(request, metadata=self._metadata, timeout=timeout_s)
        try:
            return self._parsed(answer, await attended(asked, self._ask_state))
        except grpc.aio.AioRpcError as error:
            raise self._trouble(error) from None

    async def _messages(
        self, method: str, request: Message, metadata: tuple[tuple[str, str], ...]
    ) -> AsyncGenerator[bytes, None]:
        """The messages of a stream, as bytes: gRPC would make nothing at all of those that it can't parse."""
        call: Any = self._open_channel().unary_stream(method, request_serializer=type(request).SerializeToString)
        stream = call(request, metadata=metadata)
        try:
            while (data := await attended(stream.read(), self._ask_state)) is not grpc.aio.EOF:
                yield data
        except grpc.aio.AioRpcError as error:
            raise self._trouble(error) from None
        finally:
            stream.cancel()

    async def _ask_state(self, timeout_s: float) -> None:
        """`GetState`, without macaroon, on the connection of all calls; its answer is not looked at."""
        call: Any = self._open_channel().unary_unary("/lnrpc.State/GetState")
        try:
            await call(b"", timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise self._trouble(error) from None

    def _trouble(self, error: grpc.aio.AioRpcError) -> LndError:
        """What an error makes of the node; of one that was never reached the proxy tells more."""
        if error.code() is grpc.StatusCode.UNAVAILABLE and self._tunnel and self._tunnel.trouble:
            return self._tunnel.trouble
        return trouble.translate(error.code(), error.details() or "")

    def _open_channel(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise RuntimeError("connect first")
        return self._channel
