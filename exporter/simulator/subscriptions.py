"""Subscriptions to payments, as in lnd's `routing.Subscriptions`: one queue per stream, without a bound, as in lnd."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import grpc

from exporter.simulator.database import Database
from exporter.simulator.record import Update


class RpcStatus(NamedTuple):
    """The status with which a call ends, as in gRPC: a code and a text. The default is OK."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    text: str = ""


class Subscriber:
    """One stream, and the queue of what is to be sent on it."""

    def __init__(self, *, no_inflight_updates: bool) -> None:
        self._no_inflight_updates = no_inflight_updates
        self._queue: deque[Update | RpcStatus] = deque()
        self._not_empty = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, item: Update | RpcStatus) -> None:
        """Queue an update or the end of the stream; with `no_inflight_updates` drop updates that aren't terminal."""
        if self._no_inflight_updates and isinstance(item, Update) and not item.ended:
            return
        self._queue.append(item)
        self._not_empty.set()
        self._empty.clear()

    async def get(self) -> Update | RpcStatus:
        """Return the next item, waiting for it. A call means that the item before has been sent."""
        while not self._queue:
            self._not_empty.clear()
            self._empty.set()
            await self._not_empty.wait()
        return self._queue.popleft()

    async def wait_until_drained(self) -> None:
        """Wait until everything has been sent."""
        await self._empty.wait()

    def close(self) -> None:
        """Drop the queue: the client has gone, so `get` won't be called again."""
        self._queue.clear()
        self._empty.set()


class Subscriptions:
    """All payment streams of one node: TrackPayments and TrackPaymentV2."""

    def __init__(self, database: Database) -> None:
        self._all: set[Subscriber] = set()  # of TrackPayments
        self._ready: set[Subscriber] = set()  # those of them whose snapshot has been queued
        self._by_hash: dict[str, set[Subscriber]] = {}
        self._changed = asyncio.Event()
        self._database = database
        database.watchers.append(self._publish)

    def _publish(self, update: Update) -> None:
        for subscriber in self._all:
            subscriber.put(update)
        for subscriber in self._by_hash.get(update.payment_hash, ()):
            subscriber.put(update)
            if update.ended:
                subscriber.put(RpcStatus())
        if update.ended:
            self._by_hash.pop(update.payment_hash, None)

    def subscribe(self, *, no_inflight_updates: bool) -> Subscriber:
        """Subscribe to all payments, from now on: a mutation before the snapshot is read is sent twice."""
        subscriber = Subscriber(no_inflight_updates=no_inflight_updates)
        self._all.add(subscriber)
        return subscriber

    def subscribe_payment(self, payment_hash: str, *, no_inflight_updates: bool) -> Subscriber | None:
        """Subscribe to one payment, from its present state to its first terminal update; None if it is unknown."""
        current = self._database.current(payment_hash)
        if current is None:
            return None
        subscriber = Subscriber(no_inflight_updates=no_inflight_updates)
        subscriber.put(current)
        if current.ended:
            subscriber.put(RpcStatus())
        else:
            self._by_hash.setdefault(payment_hash, set()).add(subscriber)
        return subscriber

    def ready(self, subscriber: Subscriber, snapshot: Iterable[Update]) -> None:
        """Queue the snapshot, which the scan for this subscriber has read."""
        for update in snapshot:
            subscriber.put(update)
        self._ready.add(subscriber)
        self._changed.set()

    def leave(self, subscriber: Subscriber) -> None:
        """Remove the subscriber of a client that has gone."""
        self._all.discard(subscriber)
        self._ready.discard(subscriber)
        for payment_hash in [key for key, some in self._by_hash.items() if subscriber in some]:
            self._by_hash[payment_hash].discard(subscriber)
        subscriber.close()
        self._changed.set()

    def end(self, end: RpcStatus) -> None:
        """End every stream, after what is queued on it."""
        for subscriber in self._all.union(*self._by_hash.values()):
            subscriber.put(end)

    async def wait_for_subscribers(self, number: int) -> None:
        """Wait until exactly `number` streams of TrackPayments are open, each with its snapshot queued or sent."""
        while len(self._ready) != number:
            self._changed.clear()
            await self._changed.wait()

    async def wait_until_drained(self) -> None:
        """Wait until everything has been sent on every stream of TrackPayments."""
        for subscriber in list(self._all):
            await subscriber.wait_until_drained()
