"""A bare gRPC client, and the short notation in which the tests compare what lnd sends."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import METHOD_PATHS
from exporter.simulator.subscriptions import RpcStatus

_STATUS = {1: "IN_FLIGHT", 2: "SUCCEEDED", 3: "FAILED", 4: "INITIATED"}
_HTLC = {0: "in flight", 1: "settled", 2: "failed"}


StreamCall = grpc.aio.UnaryStreamMultiCallable[bytes, bytes]
UnaryCall = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


def shape(payment: pb.Payment) -> str:
    """Return status, failure reason if any, and the status of each attempt."""
    reason = pb.PaymentFailureReason.Name(payment.failure_reason).removeprefix("FAILURE_REASON_")
    status = " ".join([_STATUS[payment.status], *([reason] if reason != "NONE" else [])])
    return f"{status} [{', '.join(_HTLC[htlc.status] for htlc in payment.htlcs)}]"


def shapes(payments: Sequence[pb.Payment]) -> list[str]:
    """Return the shape of each message."""
    return [shape(payment) for payment in payments]


class Stream:
    """An open stream of payments."""

    def __init__(self, call: grpc.aio.UnaryStreamCall[bytes, bytes]) -> None:
        self.call = call
        self._messages = aiter(call)

    async def take(self, number: int) -> list[pb.Payment]:
        """Return the next `number` messages, waiting for them."""
        return [pb.Payment.FromString(await anext(self._messages)) for _ in range(number)]

    async def rest(self) -> tuple[list[pb.Payment], RpcStatus]:
        """Return all further messages and the status with which the stream ends."""
        payments = []
        try:
            async for message in self._messages:
                payments.append(pb.Payment.FromString(message))  # noqa: PERF401 - those before an error count too
        except grpc.aio.AioRpcError as error:
            return payments, RpcStatus(error.code(), error.details() or "")
        return payments, RpcStatus(await self.call.code())


class Raw:
    """A gRPC client without any logic; each call sends the given macaroon (hex), or none."""

    def __init__(self, channel: grpc.aio.Channel, macaroon: str | None) -> None:
        self.channel = channel
        self.metadata = () if macaroon is None else (("macaroon", macaroon),)

    def track_all(self, *, no_inflight_updates: bool = False) -> Stream:
        """Call TrackPayments."""
        request = pb.TrackPaymentsRequest(no_inflight_updates=no_inflight_updates)
        return self._stream(Method.TRACK_PAYMENTS, request.SerializeToString())

    def track(self, payment_hash: str) -> Stream:
        """Call TrackPaymentV2."""
        request = pb.TrackPaymentRequest(payment_hash=bytes.fromhex(payment_hash))
        return self._stream(Method.TRACK_PAYMENT, request.SerializeToString())

    async def list_payments(
        self, *, after: int = 0, limit: int = 0, reverse: bool = False, incomplete: bool = True
    ) -> pb.ListPaymentsResponse:
        """Call ListPayments."""
        request = pb.ListPaymentsRequest(
            index_offset=after, max_payments=limit, reversed=reverse, include_incomplete=incomplete
        )
        return pb.ListPaymentsResponse.FromString(await self.unary(Method.LIST_PAYMENTS, request.SerializeToString()))

    async def info(self) -> pb.GetInfoResponse:
        """Call GetInfo."""
        return pb.GetInfoResponse.FromString(await self.unary(Method.GET_INFO))

    async def states(self) -> AsyncIterator[str]:
        """Call SubscribeState, and yield the names of the states."""
        call: StreamCall = self.channel.unary_stream(METHOD_PATHS[Method.SUBSCRIBE_STATE])
        async for message in call(b""):
            yield pb.WalletState.Name(pb.SubscribeStateResponse.FromString(message).state)

    async def unary(self, method: Method, request: bytes = b"") -> bytes:
        """Call a method with one answer."""
        call: UnaryCall = self.channel.unary_unary(METHOD_PATHS[method])
        return await call(request, metadata=self.metadata)

    async def refusal(self, method: Method, request: bytes = b"") -> RpcStatus | None:
        """Call a method, and return the status with which it is refused; None if it isn't."""
        try:
            if method in (Method.TRACK_PAYMENT, Method.TRACK_PAYMENTS):
                async for _ in self._stream(method, request).call:
                    return None
            else:
                await self.unary(method, request)
        except grpc.aio.AioRpcError as error:
            return RpcStatus(error.code(), error.details() or "")
        return None

    def _stream(self, method: Method, request: bytes) -> Stream:
        call: StreamCall = self.channel.unary_stream(METHOD_PATHS[method])
        return Stream(call(request, metadata=self.metadata))


@asynccontextmanager
async def connected(node: SimulatedNode, macaroon: str | None = "from the file") -> AsyncIterator[Raw]:
    """Connect to a node with the certificate that it wrote, and its macaroon or another one (hex; None: without)."""
    tls = grpc.ssl_channel_credentials(node.tls_cert.read_bytes())
    sent_macaroon = node.macaroon.read_bytes().hex() if macaroon == "from the file" else macaroon
    # Tests restart nodes: a new connection must not inherit the reconnect backoff of an old one to the same address.
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(node.address, tls, options=options) as channel:
        yield Raw(channel, sent_macaroon)
