"""What is made of lnd's streams of payments: the same, in whatever way they come."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from exporter.lnd import decode, trouble
from exporter.lnd import details as detailed
from exporter.lnd.client import ANSWER_S, LndError, PaymentNotFound
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.rpc import track_pb2
from exporter.payments.detail import Detail
from exporter.payments.payment import Payment

M = TypeVar("M", bound=Message)

Said = Any
"""A message as it came: bytes, or what stands in JSON."""


class Tracked(ABC):
    """The part of a client (`client.DetailedClient`) that asks for streams of payments."""

    def __init__(self) -> None:
        """Nothing is known of the node; `own_key` is set by whoever uses the client (`client.Client`)."""
        self.own_key = ""

    @abstractmethod
    def _one(self, payment_hash: str, *, inflight: bool = True) -> AsyncGenerator[Said, None]:
        """Yield the messages of `TrackPaymentV2`; raises `LndError`, `PaymentNotFound` for an unknown payment."""

    @abstractmethod
    def _all(self, *, final_only: bool) -> AsyncGenerator[Said, None]:
        """The messages of `TrackPayments`; raises `LndError`."""

    @abstractmethod
    def _parsed(self, kind: type[M], said: Said) -> M:
        """The message that this is; `LndError` if it is none."""

    async def payment(self, payment_hash: str) -> Payment | None:
        """The first message of `TrackPaymentV2`: the present state, also of a payment that ended long ago."""
        try:
            async with asyncio.timeout(ANSWER_S), aclosing(self._one(payment_hash)) as messages:
                async for said in messages:
                    return decode.payment(self._parsed(rpc.Payment, said), self.own_key)
        except PaymentNotFound:
            return None
        except TimeoutError:
            raise trouble.translate(grpc.StatusCode.DEADLINE_EXCEEDED, "TrackPaymentV2") from None
        raise trouble.ended("TrackPaymentV2")

    async def track(self, payment_hash: str) -> AsyncGenerator[Payment, None]:
        """`TrackPaymentV2`, to the terminal update: there a WebSocket breaks off."""
        async with aclosing(self._one(payment_hash)) as messages:
            async for said in messages:
                payment = self._update(said)
                yield payment
                if payment.status.ended:
                    return

    async def details(self, payment_hash: str, *, inflight: bool, secrets: bool) -> AsyncGenerator[Detail, None]:
        """`TrackPaymentV2`, to the terminal update; raises `PaymentNotFound` for a payment that lnd doesn't know."""
        async with aclosing(self._one(payment_hash, inflight=inflight)) as messages:
            async for said in messages:
                detail = detailed.detail(self._parsed(track_pb2.Payment, said), secrets=secrets)
                yield detail
                if detail.payment.status.ended:
                    return
        raise trouble.ended("TrackPaymentV2")

    async def updates(self, *, final_only: bool = False) -> AsyncIterator[Payment]:
        """`TrackPayments`. Nothing at all arrives on a quiet node, not even headers."""
        async with aclosing(self._all(final_only=final_only)) as messages:
            async for said in messages:
                yield self._update(said)
        raise trouble.ended("TrackPayments")

    def _update(self, said: Said) -> Payment:
        """A snapshot; a malformed one if this is no message, so that it is counted as such."""
        try:
            message = self._parsed(rpc.Payment, said)
        except LndError:
            message = rpc.Payment()
        return decode.payment(message, self.own_key)
