"""The lnd methods that the simulator implements, under lnd's own method paths."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any, NoReturn, Protocol

import grpc

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.calls import Call, Question
from exporter.simulator.credentials import decode_hex, macaroon_error
from exporter.simulator.database import Database
from exporter.simulator.faults import Faults
from exporter.simulator.subscriptions import RpcStatus, Subscriber, Subscriptions


class CallContext(Protocol):
    """The caller's metadata and the way to refuse a call: gRPC's own context, or `RestContext` of the REST server."""

    def invocation_metadata(self) -> Any:
        """Return pairs of key and value, or None if there are none."""

    async def abort(self, code: grpc.StatusCode, details: str = "") -> NoReturn:
        """End the call with a status; always raises."""


class ServedNode(Protocol):
    """The state of a node that the methods read and change. `SimulatedNode` has it, and starts the servers."""

    state: pb.WalletState
    state_watchers: set[asyncio.Queue[pb.WalletState | RpcStatus]]
    """One queue for each stream of SubscribeState."""
    calls: Counter[Call]
    faults: Faults
    macaroons: dict[bytes, frozenset[str]]
    """Accepted macaroons with the method paths that each allows."""
    revoked: dict[bytes, int]
    """Formerly accepted macaroons with the ids of their root keys."""
    database: Database
    subscriptions: Subscriptions

    def info(self) -> pb.GetInfoResponse:
        """Return the answer to GetInfo."""

    def channels(self) -> pb.ListChannelsResponse:
        """Return the answer to ListChannels."""


METHOD_PATHS: dict[Call, str] = {
    Method.TRACK_PAYMENTS: "/routerrpc.Router/TrackPayments",
    Method.TRACK_PAYMENT: "/routerrpc.Router/TrackPaymentV2",
    Method.LIST_PAYMENTS: "/lnrpc.Lightning/ListPayments",
    Method.GET_INFO: "/lnrpc.Lightning/GetInfo",
    Method.LIST_CHANNELS: "/lnrpc.Lightning/ListChannels",
    Method.SUBSCRIBE_STATE: "/lnrpc.State/SubscribeState",
    **{question: question.value for question in Question},
}
SMALLEST_PERMISSIONS = frozenset(
    METHOD_PATHS[m] for m in (Method.TRACK_PAYMENTS, Method.TRACK_PAYMENT, Method.LIST_PAYMENTS, Method.GET_INFO)
)
"""Method paths of the smallest macaroon that the exporter can work with."""
ALL_PERMISSIONS = SMALLEST_PERMISSIONS | {METHOD_PATHS[Method.LIST_CHANNELS]}
"""The same and ListChannels, which the exporter needs for the peers' aliases only."""
READONLY_PERMISSIONS = ALL_PERMISSIONS | {METHOD_PATHS[question] for question in Question}
"""The same and what only `why` asks, as in lnd's `readonly.macaroon`."""

_REFUSAL = {
    # In these states only the state service answers. The texts are lnd's.
    pb.WAITING_TO_START: "waiting to start, RPC services not available",
    pb.NON_EXISTING: "wallet not created, create one to enable full RPC access",
    pb.LOCKED: "wallet locked, unlock it to enable full RPC access",
    pb.UNLOCKED: "the RPC server is in the process of starting up, but not yet ready to accept calls",
}
_HASH_BYTES = 32


class Service:
    """The methods of one node. Messages are bytes: an update is serialised once and sent to all subscribers."""

    def __init__(self, node: ServedNode) -> None:
        self._node = node

    def handlers(self) -> Iterable[grpc.GenericRpcHandler]:
        """Return the handlers for `Server.add_generic_rpc_handlers`."""
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

    # Access.

    async def authorize(self, method: Call, context: CallContext) -> None:
        """Abort the call if it is refused. As in lnd's interceptors the node's state comes first, then the macaroon."""
        node = self._node
        node.calls[method] += 1
        refusal = await node.faults.before_call(method)
        if refusal is not None:
            await _end(refusal, context)
        if method is Method.SUBSCRIBE_STATE:
            return
        if node.state in _REFUSAL:
            await _unknown(context, _REFUSAL[node.state])
        sent = [value for key, value in context.invocation_metadata() or () if key == "macaroon"]
        if len(sent) != 1:
            await _unknown(context, f"expected 1 macaroon, got {len(sent)}")
        try:
            binary = decode_hex(str(sent[0]))
        except ValueError as error:
            await _unknown(context, str(error))
        text = macaroon_error(binary, node.macaroons, node.revoked)
        if text is not None:
            await _unknown(context, text)
        if METHOD_PATHS[method] not in node.macaroons[binary]:
            await _unknown(context, "permission denied")

    # Payments.

    async def track_payments(self, data: bytes, context: CallContext) -> AsyncIterator[bytes]:
        """TrackPayments."""
        await self.authorize(Method.TRACK_PAYMENTS, context)
        request = pb.TrackPaymentsRequest.FromString(data)
        subscriptions, faults = self._node.subscriptions, self._node.faults
        subscriber = subscriptions.subscribe(no_inflight_updates=request.no_inflight_updates)
        try:
            await faults.scan(before=True)
            snapshot = self._node.database.snapshot()
            await faults.scan(before=False)
            subscriptions.ready(subscriber, snapshot)
            async for message in self._stream(Method.TRACK_PAYMENTS, subscriber, context):
                yield message
        finally:
            subscriptions.leave(subscriber)

    async def track_payment(self, data: bytes, context: CallContext) -> AsyncIterator[bytes]:
        """TrackPaymentV2."""
        await self.authorize(Method.TRACK_PAYMENT, context)
        request = pb.TrackPaymentRequest.FromString(data)
        if len(request.payment_hash) != _HASH_BYTES:
            await _unknown(context, f"invalid hash length of {len(request.payment_hash)}, want {_HASH_BYTES}")
        subscriptions = self._node.subscriptions
        payment_hash = request.payment_hash.hex()
        subscriber = subscriptions.subscribe_payment(payment_hash, no_inflight_updates=request.no_inflight_updates)
        if subscriber is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "payment isn't initiated")
        try:
            async for message in self._stream(Method.TRACK_PAYMENT, subscriber, context):
                yield message
        finally:
            subscriptions.leave(subscriber)

    async def _stream(self, method: Method, subscriber: Subscriber, context: CallContext) -> AsyncIterator[bytes]:
        """Yield what is queued for the subscriber, until its stream is ended or cut by a fault."""
        cut_after, cut = self._node.faults.next_cut(method)
        sent = 0
        while True:
            if sent >= cut_after:
                await _end(cut, context)
                return
            item = await subscriber.get()
            if isinstance(item, RpcStatus):
                await _end(item, context)
                return
            yield item.message
            sent += 1

    async def list_payments(self, data: bytes, context: CallContext) -> bytes:
        """ListPayments."""
        await self.authorize(Method.LIST_PAYMENTS, context)
        page = self._node.database.page(pb.ListPaymentsRequest.FromString(data))
        await self._node.faults.wait_for_list(len(pb.ListPaymentsResponse.FromString(page).payments))
        return page

    # The node.

    async def get_info(self, _data: bytes, context: CallContext) -> bytes:
        """GetInfo."""
        await self.authorize(Method.GET_INFO, context)
        return self._node.info().SerializeToString()

    async def list_channels(self, _data: bytes, context: CallContext) -> bytes:
        """ListChannels."""
        await self.authorize(Method.LIST_CHANNELS, context)
        return self._node.channels().SerializeToString()

    async def get_state(self, _data: bytes, context: CallContext) -> bytes:
        """GetState."""
        await self.authorize(Method.SUBSCRIBE_STATE, context)
        return pb.SubscribeStateResponse(state=self._node.state).SerializeToString()

    async def subscribe_state(self, _data: bytes, context: CallContext) -> AsyncIterator[bytes]:
        """SubscribeState."""
        await self.authorize(Method.SUBSCRIBE_STATE, context)
        queue: asyncio.Queue[pb.WalletState | RpcStatus] = asyncio.Queue()
        self._node.state_watchers.add(queue)
        try:
            yield pb.SubscribeStateResponse(state=self._node.state).SerializeToString()
            while True:
                state = await queue.get()
                if isinstance(state, RpcStatus):
                    await _end(state, context)
                    return
                yield pb.SubscribeStateResponse(state=state).SerializeToString()
        finally:
            self._node.state_watchers.discard(queue)


async def _end(end: RpcStatus, context: CallContext) -> None:
    """End the call: abort it unless the status is OK."""
    if end.code is not grpc.StatusCode.OK:
        await context.abort(end.code, end.text)


async def _unknown(context: CallContext, text: str) -> NoReturn:
    """Abort the call with UNKNOWN, the code of almost all refusals of lnd; only the text differs."""
    await context.abort(grpc.StatusCode.UNKNOWN, text)
    raise AssertionError
