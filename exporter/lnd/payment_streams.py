"""The part of a client that both transports share: payments from the streams `TrackPayments` and `TrackPaymentV2`."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from exporter.lnd import decode, details, errors
from exporter.lnd.client import ANSWER_S, LndError, PaymentNotFound
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.rpc import track_pb2
from exporter.payments.detail import PaymentDetail
from exporter.payments.payment import Payment

M = TypeVar("M", bound=Message)

RawMessage = Any
"""A message as the transport received it: bytes over gRPC, a parsed JSON value over REST."""


class PaymentStreams(ABC):
    """Base of a client (`client.DetailedClient`); a subclass opens the streams and parses their messages."""

    def __init__(self) -> None:
        """Start without the node's key; the user of the client sets `own_key` (`client.Client`)."""
        self.own_key = ""

    @abstractmethod
    def _track_payment(self, payment_hash: str, *, inflight: bool = True) -> AsyncGenerator[RawMessage, None]:
        """Yield the messages of `TrackPaymentV2`; raises `LndError`, `PaymentNotFound` for an unknown payment."""

    @abstractmethod
    def _track_payments(self, *, final_only: bool) -> AsyncGenerator[RawMessage, None]:
        """Yield the messages of `TrackPayments`; raises `LndError`."""

    @abstractmethod
    def _parse(self, kind: type[M], raw: RawMessage) -> M:
        """Parse a message; raises `LndError` if `raw` isn't a message of this kind."""

    async def payment(self, payment_hash: str) -> Payment | None:
        """Return the first message of `TrackPaymentV2`: the current state, also of a payment that ended long ago."""
        try:
            async with asyncio.timeout(ANSWER_S), aclosing(self._track_payment(payment_hash)) as messages:
                async for raw in messages:
                    return decode.payment(self._parse(rpc.Payment, raw), self.own_key)
        except PaymentNotFound:
            return None
        except TimeoutError:
            raise errors.from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "TrackPaymentV2") from None
        raise errors.stream_ended("TrackPaymentV2")

    async def track(self, payment_hash: str) -> AsyncGenerator[Payment, None]:
        """`TrackPaymentV2`, up to the terminal update; after it a WebSocket breaks instead of ending."""
        async with aclosing(self._track_payment(payment_hash)) as messages:
            async for raw in messages:
                payment = self._snapshot(raw)
                yield payment
                if payment.status.ended:
                    return

    async def details(
        self, payment_hash: str, *, inflight: bool, secrets: bool, request: bool = False
    ) -> AsyncGenerator[PaymentDetail, None]:
        """`TrackPaymentV2` with routes, up to the terminal update; raises `PaymentNotFound` for an unknown payment."""
        async with aclosing(self._track_payment(payment_hash, inflight=inflight)) as messages:
            async for raw in messages:
                payment = decode.payment(self._parse(rpc.Payment, raw), "")
                yield details.to_detail(payment, self._parse(track_pb2.Payment, raw), secrets=secrets, request=request)
                if payment.status.ended:
                    return
        raise errors.stream_ended("TrackPaymentV2")

    async def updates(self, *, final_only: bool = False) -> AsyncGenerator[Payment, None]:
        """`TrackPayments`. On a quiet node nothing arrives at all, not even headers."""
        async with aclosing(self._track_payments(final_only=final_only)) as messages:
            async for raw in messages:
                yield self._snapshot(raw)
        raise errors.stream_ended("TrackPayments")

    def _snapshot(self, raw: RawMessage) -> Payment:
        """Decode an update; one that can't be parsed becomes a malformed snapshot, so that it is counted as such."""
        try:
            message = self._parse(rpc.Payment, raw)
        except LndError:
            message = rpc.Payment()
        return decode.payment(message, self.own_key)
