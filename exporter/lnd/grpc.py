"""A client over gRPC: each session has a new channel and reads certificate and macaroon again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from exporter.lnd import decode, errors, files, findings, resolver
from exporter.lnd.client import ANSWER_S, DECODE_BATCH, LndError, PaymentsPage, RouteNotFound, page_timeout_s
from exporter.lnd.liveness import Watch, wait_while_alive
from exporter.lnd.network_errors import CONNECT_S
from exporter.lnd.payment_streams import PaymentStreams, RawMessage
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.rpc import why_pb2
from exporter.lnd.server_name import choose_server_name
from exporter.payments.findings import Invoice, NoRoute, OwnChannel, Route, RouteQuery
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import Channels, Info

if TYPE_CHECKING:
    from exporter.lnd.tunnel import Tunnel

M = TypeVar("M", bound=Message)

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", 200 * 1024 * 1024),  # as in lnd's own clients; gRPC's default is 4 MiB
    ("grpc.enable_http_proxy", 0),  # else variables such as https_proxy apply, even to localhost
    ("grpc.enable_retries", 0),  # when to try again is decided and counted by the caller
    ("grpc.use_local_subchannel_pool", 1),  # else a new channel may reuse an old connection, or another node's
)
_TUNNEL_CONNECT_MS = int(CONNECT_S * 1000) + 3_000
"""How long gRPC waits for a connection through a tunnel (its default is 20 s): longer than the tunnel itself does.

The tunnel knows why a connection failed, so it must be the first to give up.
"""
_TUNNEL_OPTIONS = (("grpc.min_reconnect_backoff_ms", _TUNNEL_CONNECT_MS),)


class GrpcClient(PaymentStreams):
    """A node's gRPC API (`client.ExaminedClient`)."""

    def __init__(
        self,
        address: str,
        tls_cert: Path | None,
        macaroon: Path,
        *,
        proxy: str | None = None,
        server_name: str | None = None,
    ) -> None:
        """`address` is `HOST:PORT`; without a certificate file the system's certificates are trusted.

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
        certified = server_name or self._host
        self._authority = f"[{certified}]:{port}" if ":" in certified else f"{certified}:{port}"
        self._tunnel: Tunnel | None = None
        self._channel: grpc.aio.Channel | None = None
        self._metadata: tuple[tuple[str, str], ...] = ()

    async def connect(self) -> int | None:
        """Look up the host and create a channel; gRPC opens the connection with the first call."""
        await self.close()
        self._metadata = (("macaroon", await files.read_macaroon(self._macaroon)),)
        pem, expiry_s = await files.read_trusted(self._tls_cert)
        options: tuple[tuple[str, int | str], ...] = (
            *_OPTIONS,
            ("grpc.default_authority", self._authority),  # gRPC refuses one that the certificate doesn't name
            ("grpc.ssl_target_name_override", self._server_name or choose_server_name(pem, self._host)),
        )
        if self._proxy is None:
            target = await resolver.resolve(self._host, self._port)
        else:
            from exporter.lnd.tunnel import Tunnel  # noqa: PLC0415 - most nodes are reached without a proxy

            self._tunnel = Tunnel(self._proxy, self._host, self._port)
            target, options = await self._tunnel.open(), (*options, *_TUNNEL_OPTIONS)
        self._channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(pem), options=options)
        return expiry_s

    async def close(self) -> None:
        """Close the channel; pending calls end."""
        channel, self._channel = self._channel, None
        tunnel, self._tunnel = self._tunnel, None
        if channel is not None:
            await channel.close()
        if tunnel is not None:
            await tunnel.close()

    async def states(self) -> AsyncGenerator[NodeState, None]:
        """`SubscribeState`, without macaroon."""
        stream = self._stream("/lnrpc.State/SubscribeState", rpc.SubscribeStateRequest(), ())
        try:
            async with aclosing(stream) as messages:
                async for data in messages:
                    yield decode.state(self._parse(rpc.SubscribeStateResponse, data).state)
        except LndError as error:
            if error.cause is not Interruption.UNIMPLEMENTED:
                raise
            yield NodeState.READY  # lnd before 0.13: if it isn't ready, the calls that follow fail with the reason

    async def info(self, timeout_s: float) -> Info:
        """`GetInfo`."""
        answer = await self._call("/lnrpc.Lightning/GetInfo", rpc.GetInfoRequest(), rpc.GetInfoResponse, timeout_s)
        return decode.info(answer)

    async def channels(self) -> Channels:
        """`ListChannels`, all channels, with the peers' aliases."""
        request = rpc.ListChannelsRequest(peer_alias_lookup=True)
        return decode.channels(
            await self._call("/lnrpc.Lightning/ListChannels", request, rpc.ListChannelsResponse, ANSWER_S)
        )

    async def own_channels(self) -> tuple[OwnChannel, ...]:
        """`ListChannels`, each channel by itself."""
        request = rpc.ListChannelsRequest(peer_alias_lookup=True)
        return findings.own_channels(
            await self._call("/lnrpc.Lightning/ListChannels", request, rpc.ListChannelsResponse, ANSWER_S)
        )

    async def invoice(self, payment_request: str) -> Invoice:
        """`DecodePayReq`."""
        request = why_pb2.PayReqString(pay_req=payment_request)
        return findings.invoice(await self._call("/lnrpc.Lightning/DecodePayReq", request, why_pb2.PayReq, ANSWER_S))

    async def find_route(self, query: RouteQuery) -> Route | NoRoute:
        """`QueryRoutes`."""
        request = findings.routes_request(query)
        try:
            answer = await self._call("/lnrpc.Lightning/QueryRoutes", request, why_pb2.QueryRoutesResponse, ANSWER_S)
        except RouteNotFound as error:
            return error.why
        return findings.route(answer) or NoRoute.NO_PATH

    async def alias(self, pubkey: str) -> str:
        """`GetNodeInfo`."""
        request = why_pb2.NodeInfoRequest(pub_key=pubkey)
        answer = await self._call("/lnrpc.Lightning/GetNodeInfo", request, why_pb2.NodeInfo, ANSWER_S)
        return answer.node.alias

    async def clock(self) -> None:
        """Nothing in an answer over gRPC tells the time."""

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> PaymentsPage:
        """`ListPayments`, one page."""
        request = rpc.ListPaymentsRequest(
            include_incomplete=True, index_offset=after, max_payments=limit, reversed=newest_first
        )
        timeout_s = page_timeout_s(limit)
        answer = await self._call("/lnrpc.Lightning/ListPayments", request, rpc.ListPaymentsResponse, timeout_s)
        payments = []
        for number, message in enumerate(answer.payments):
            if number % DECODE_BATCH == 0:
                await asyncio.sleep(0)
            payments.append(decode.payment(message, self.own_key))
        return PaymentsPage(tuple(payments), answer.last_index_offset, limit)

    def _track_payment(self, payment_hash: str, *, inflight: bool = True) -> AsyncGenerator[RawMessage, None]:
        request = rpc.TrackPaymentRequest(payment_hash=bytes.fromhex(payment_hash), no_inflight_updates=not inflight)
        return self._stream("/routerrpc.Router/TrackPaymentV2", request, self._metadata)

    def _track_payments(self, *, final_only: bool) -> AsyncGenerator[RawMessage, None]:
        request = rpc.TrackPaymentsRequest(no_inflight_updates=final_only)
        return self._stream("/routerrpc.Router/TrackPayments", request, self._metadata)

    def _parse(self, kind: type[M], raw: RawMessage) -> M:
        """Parse bytes; raises `LndError`, also for None, the result of a call that ended with OK and no message."""
        try:
            if raw is not None:
                return kind.FromString(raw)
        except DecodeError:
            pass
        raise errors.not_lnd()

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float | None) -> M:
        unary: Any = self._open_channel().unary_unary(method, request_serializer=type(request).SerializeToString)
        call = unary(request, metadata=self._metadata, timeout=timeout_s)
        try:
            return self._parse(answer, await wait_while_alive(call, self._get_state))
        except grpc.aio.AioRpcError as error:
            raise self._lnd_error(error) from None

    async def _stream(
        self, method: str, request: Message, metadata: tuple[tuple[str, str], ...]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the messages of a stream as bytes: gRPC's own parsing would drop those that are malformed."""
        unary_stream: Any = self._open_channel().unary_stream(
            method, request_serializer=type(request).SerializeToString
        )
        call = unary_stream(request, metadata=metadata)
        try:
            async with Watch(self._get_state) as watch:
                while (data := await watch.wait(call.read())) is not grpc.aio.EOF:
                    yield data
        except grpc.aio.AioRpcError as error:
            raise self._lnd_error(error) from None
        finally:
            call.cancel()

    async def _get_state(self, timeout_s: float) -> None:
        """`GetState`, without macaroon, on the connection of all calls; the answer is ignored."""
        unary: Any = self._open_channel().unary_unary("/lnrpc.State/GetState")
        try:
            await unary(b"", timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise self._lnd_error(error) from None

    def _lnd_error(self, error: grpc.aio.AioRpcError) -> LndError:
        """Return the `LndError` for a gRPC error: the tunnel's if lnd wasn't reached, for it knows the reason."""
        if error.code() is grpc.StatusCode.UNAVAILABLE and self._tunnel and self._tunnel.error:
            return self._tunnel.error
        return errors.from_status(error.code(), error.details() or "")

    def _open_channel(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise RuntimeError("connect first")
        return self._channel
