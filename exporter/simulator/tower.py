"""Who listens to payments: lnd's control tower, with queues that have no bound, as lnd's have none."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import grpc

from exporter.simulator.database import Database
from exporter.simulator.record import Update


class End(NamedTuple):
    """The last thing that a stream says; OK is an end too."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    text: str = ""


class Subscriber:
    """One stream and what waits to be sent on it."""

    def __init__(self, *, no_inflight_updates: bool) -> None:
        self._quiet = no_inflight_updates
        self._queue: deque[Update | End] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, item: Update | End) -> None:
        """Queue it, unless the subscriber did not ask for it."""
        if self._quiet and isinstance(item, Update) and not item.ended:
            return
        self._queue.append(item)
        self._news.set()
        self._empty.clear()

    async def get(self) -> Update | End:
        """The next one. Asking for it says that the one before has been sent."""
        while not self._queue:
            self._news.clear()
            self._empty.set()
            await self._news.wait()
        return self._queue.popleft()

    async def drained(self) -> None:
        """Wait until everything was sent."""
        await self._empty.wait()

    def gone(self) -> None:
        """Nobody will ask any more."""
        self._queue.clear()
        self._empty.set()


class ControlTower:
    """All streams of one node."""

    def __init__(self, database: Database) -> None:
        self._all: set[Subscriber] = set()
        self._ready: set[Subscriber] = set()  # those of them whose snapshot is queued
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
                subscriber.put(End())
        if update.ended:
            self._by_hash.pop(update.payment_hash, None)

    def subscribe(self, *, no_inflight_updates: bool) -> Subscriber:
        """Listen to all payments. It begins now: what is mutated before the snapshot is read comes twice."""
        subscriber = Subscriber(no_inflight_updates=no_inflight_updates)
        self._all.add(subscriber)
        return subscriber

    def subscribe_payment(self, payment_hash: str, *, no_inflight_updates: bool) -> Subscriber | None:
        """Listen to one payment, from its present state to its first terminal update; None if it isn't known."""
        current = self._database.current(payment_hash)
        if current is None:
            return None
        subscriber = Subscriber(no_inflight_updates=no_inflight_updates)
        subscriber.put(current)
        if current.ended:
            subscriber.put(End())
        else:
            self._by_hash.setdefault(payment_hash, set()).add(subscriber)
        return subscriber

    def ready(self, subscriber: Subscriber, snapshot: Iterable[Update]) -> None:
        """Its scan is over: queue the snapshot."""
        for update in snapshot:
            subscriber.put(update)
        self._ready.add(subscriber)
        self._changed.set()

    def leave(self, subscriber: Subscriber) -> None:
        """The client is gone."""
        self._all.discard(subscriber)
        self._ready.discard(subscriber)
        for payment_hash in [key for key, some in self._by_hash.items() if subscriber in some]:
            self._by_hash[payment_hash].discard(subscriber)
        subscriber.gone()
        self._changed.set()

    def end(self, end: End) -> None:
        """End every stream, after what is queued."""
        for subscriber in self._all.union(*self._by_hash.values()):
            subscriber.put(end)

    async def subscribers(self, number: int) -> None:
        """Wait until so many listen to all payments, each with its snapshot queued or sent."""
        while len(self._ready) != number:
            self._changed.clear()
            await self._changed.wait()

    async def drained(self) -> None:
        """Wait until everything was sent to everybody."""
        for subscriber in list(self._all):
            await subscriber.drained()
