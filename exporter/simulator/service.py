"""The calls of lnd that the simulator answers, under lnd's own method paths."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import grpc

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.credentials import objection, unhex
from exporter.simulator.tower import End, Subscriber

if TYPE_CHECKING:
    from exporter.simulator.server import SimulatedNode


class Context(Protocol):
    """What a call knows of its caller, and how it refuses: gRPC's own, or the gateway's."""

    def invocation_metadata(self) -> Any:
        """Pairs of key and value; None if there are none."""

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call: raises."""


PATHS = {
    Method.TRACK_PAYMENTS: "/routerrpc.Router/TrackPayments",
    Method.TRACK_PAYMENT: "/routerrpc.Router/TrackPaymentV2",
    Method.LIST_PAYMENTS: "/lnrpc.Lightning/ListPayments",
    Method.GET_INFO: "/lnrpc.Lightning/GetInfo",
    Method.LIST_CHANNELS: "/lnrpc.Lightning/ListChannels",
    Method.SUBSCRIBE_STATE: "/lnrpc.State/SubscribeState",
}
SMALLEST = frozenset(
    PATHS[m] for m in (Method.TRACK_PAYMENTS, Method.TRACK_PAYMENT, Method.LIST_PAYMENTS, Method.GET_INFO)
)
"""What the smallest macaroon that works allows."""
EVERYTHING = SMALLEST | {PATHS[Method.LIST_CHANNELS]}
"""With the peers' aliases, which are optional."""

_REFUSAL = {
    # Until lnd accepts calls, only the state service answers. The texts are lnd's.
    pb.WAITING_TO_START: "waiting to start, RPC services not available",
    pb.NON_EXISTING: "wallet not created, create one to enable full RPC access",
    pb.LOCKED: "wallet locked, unlock it to enable full RPC access",
    pb.UNLOCKED: "the RPC server is in the process of starting up, but not yet ready to accept calls",
}
_HASH_BYTES = 32


class Service:
    """All calls, for one node. Messages are bytes: what was serialised once is sent to everybody."""

    def __init__(self, node: "SimulatedNode") -> None:
        self._node = node

    def handlers(self) -> Iterable[grpc.GenericRpcHandler]:
        """For `Server.add_generic_rpc_handlers`."""
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        yield grpc.method_handlers_generic_handler(
            "routerrpc.Router",
            {"TrackPayments": stream(self.track_payments), "TrackPaymentV2": stream(self.track_payment)},
        )
        yield grpc.method_handlers_generic_handler(
            "lnrpc.Lightning",
            {
                "ListPayments": unary(self.list_payments),
                "GetInfo": unary(self.get_info),
                "ListChannels": unary(self.list_channels),
            },
        )
        yield grpc.method_handlers_generic_handler(
            "lnrpc.State",
            {"SubscribeState": stream(self.subscribe_state), "GetState": unary(self.get_state)},
        )

    # Who may call, and when.

    async def _admit(self, method: Method, context: Context) -> None:
        """As lnd's interceptors: first the state of the node, then the macaroon."""
        node = self._node
        node.calls[method] += 1
        refused = await node.faults.called(method)
        if refused is not None:
            await _end(refused, context)
        if method is Method.SUBSCRIBE_STATE:
            return
        if node.state in _REFUSAL:
            await _unknown(context, _REFUSAL[node.state])
        sent = [value for key, value in context.invocation_metadata() or () if key == "macaroon"]
        if len(sent) != 1:
            await _unknown(context, f"expected 1 macaroon, got {len(sent)}")
        try:
            binary = unhex(str(sent[0]))
        except ValueError as error:
            await _unknown(context, str(error))
        wrong = objection(binary, node.macaroons, node.revoked)
        if wrong is not None:
            await _unknown(context, wrong)
        if PATHS[method] not in node.macaroons[binary]:
            await _unknown(context, "permission denied")

    # Payments.

    async def track_payments(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """TrackPayments."""
        await self._admit(Method.TRACK_PAYMENTS, context)
        asked = pb.TrackPaymentsRequest.FromString(request)
        tower, faults = self._node.tower, self._node.faults
        subscriber = tower.subscribe(no_inflight_updates=asked.no_inflight_updates)
        try:
            await faults.scan(before=True)
            snapshot = self._node.database.snapshot()
            await faults.scan(before=False)
            tower.ready(subscriber, snapshot)
            async for message in self._stream(Method.TRACK_PAYMENTS, subscriber, context):
                yield message
        finally:
            tower.leave(subscriber)

    async def track_payment(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """TrackPaymentV2."""
        await self._admit(Method.TRACK_PAYMENT, context)
        asked = pb.TrackPaymentRequest.FromString(request)
        if len(asked.payment_hash) != _HASH_BYTES:
            await _unknown(context, f"invalid hash length of {len(asked.payment_hash)}, want {_HASH_BYTES}")
        tower = self._node.tower
        subscriber = tower.subscribe_payment(asked.payment_hash.hex(), no_inflight_updates=asked.no_inflight_updates)
        if subscriber is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "payment isn't initiated")
        try:
            async for message in self._stream(Method.TRACK_PAYMENT, subscriber, context):
                yield message
        finally:
            tower.leave(subscriber)

    async def _stream(self, method: Method, subscriber: Subscriber, context: Context) -> AsyncIterator[bytes]:
        """What is queued, until an end: of the subscription, or of a fault."""
        cut_after, cut = self._node.faults.cut_of(method)
        sent = 0
        while True:
            if sent >= cut_after:
                await _end(cut, context)
                return
            item = await subscriber.get()
            if isinstance(item, End):
                await _end(item, context)
                return
            yield item.message
            sent += 1

    async def list_payments(self, request: bytes, context: Context) -> bytes:
        """ListPayments."""
        await self._admit(Method.LIST_PAYMENTS, context)
        page = self._node.database.page(pb.ListPaymentsRequest.FromString(request))
        await self._node.faults.listed(len(pb.ListPaymentsResponse.FromString(page).payments))
        return page

    # The node.

    async def get_info(self, _request: bytes, context: Context) -> bytes:
        """GetInfo."""
        await self._admit(Method.GET_INFO, context)
        return self._node.info().SerializeToString()

    async def list_channels(self, _request: bytes, context: Context) -> bytes:
        """ListChannels."""
        await self._admit(Method.LIST_CHANNELS, context)
        return self._node.channels().SerializeToString()

    async def get_state(self, _request: bytes, context: Context) -> bytes:
        """GetState."""
        await self._admit(Method.SUBSCRIBE_STATE, context)
        return pb.SubscribeStateResponse(state=self._node.state).SerializeToString()

    async def subscribe_state(self, _request: bytes, context: Context) -> AsyncIterator[bytes]:
        """SubscribeState."""
        await self._admit(Method.SUBSCRIBE_STATE, context)
        news: asyncio.Queue[pb.WalletState | End] = asyncio.Queue()
        self._node.state_watchers.add(news)
        try:
            yield pb.SubscribeStateResponse(state=self._node.state).SerializeToString()
            while True:
                state = await news.get()
                if isinstance(state, End):
                    await _end(state, context)
                    return
                yield pb.SubscribeStateResponse(state=state).SerializeToString()
        finally:
            self._node.state_watchers.discard(news)


async def _end(end: End, context: Context) -> None:
    if end.code is not grpc.StatusCode.OK:
        await context.abort(end.code, end.text)


async def _unknown(context: Context, text: str) -> NoReturn:
    """Almost everything that lnd refuses is UNKNOWN with a text."""
    await context.abort(grpc.StatusCode.UNKNOWN, text)
    raise AssertionError
