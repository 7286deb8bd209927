"""Requests for the same page that come together share one rendering."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Makes results, each for all who asked for it before it was begun.

    Who asks while a result is being made waits for the next one, which is as of an instant after the question. So a
    thousand requests at once cost two renderings, and a request takes at most twice the time of one alone.
    """

    def __init__(self) -> None:
        """Start without any result."""
        self._next: dict[Hashable, asyncio.Task[T]] = {}  # not yet begun: later requests share it
        self._locks: dict[Hashable, asyncio.Lock] = {}  # held while a result of this key is made
        self._tasks: set[asyncio.Task[T]] = set()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make` returns, if it begins after this call; it may be the `make` of another call with this key.

        One that is cancelled (its client is gone) doesn't cancel it for the others.
        """
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(self._make(key, make), name="render")
            self._tasks.add(task)
            task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel what is being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                del self._next[key]  # a request from here on must see what happens from here on
                return await make()
        finally:
            if self._next.get(key) is asyncio.current_task():  # cancelled before it began
                del self._next[key]
            if key not in self._next and not lock.locked():
                self._locks.pop(key, None)

    def _done(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # those who wait for it raise it; without any of them asyncio would log it
