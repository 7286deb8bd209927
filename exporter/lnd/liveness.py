"""Waits for answers and messages of lnd, and checks meanwhile that lnd is still there."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from exporter.lnd import errors
from exporter.lnd.client import LndError
from exporter.payments.labels import Interruption, NodeState

T = TypeVar("T")
Probe = Callable[[float], Awaitable[object]]
"""Calls lnd for a short answer; takes a timeout in seconds; raises `LndError`."""

PING_S = 60.0
"""Seconds to wait before lnd is probed, and again after each answer to a probe."""
PONG_S = 20.0
"""Seconds that lnd has to answer a probe."""


class Watch:
    """Probes lnd while a stream is quiet. A message costs nothing but a note of the time.

    A dead connection looks like a quiet one. HTTP/2 has pings to tell them apart, but lnd before 0.17 allows only one
    in five minutes, and HTTP/1.1 has none. So the probe is a call that needs no macaroon and costs lnd nothing.
    """

    def __init__(self, probe: Probe) -> None:
        """Watch nothing yet; `wait` may be called within `async with`, again and again."""
        self._probe = probe
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.Task[Any] | None = None  # the task that waits for the next message, if any
        self._since_s = 0.0  # when it began to wait, or lnd last answered a probe since; the event loop's time
        self._cancelling = 0  # how often others had cancelled it by then
        self._dead: Exception | None = None  # why the reader was interrupted
        self._probing: asyncio.Task[None] | None = None  # only while the reader waits

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        self._timer = self._loop.call_later(PING_S, self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._timer.cancel()

    async def wait(self, awaited: Awaitable[T]) -> T:
        """Return the result of `awaited`, however long it takes; raise `LndError` if lnd stops answering meanwhile."""
        reader = asyncio.current_task()
        assert reader is not None, "a coroutine runs in a task"
        self._reader = reader
        self._since_s, self._cancelling = self._loop.time(), reader.cancelling()
        try:
            result = await awaited
        except BaseException as error:
            left = reader.uncancel() if self._dead is not None else None  # also if `awaited` made another error of it
            if isinstance(error, asyncio.CancelledError) and left is not None and left <= self._cancelling:
                raise self._dead from None  # type: ignore[misc]
            raise
        else:
            if self._dead is not None:
                reader.uncancel()
            return result
        finally:
            self._reader = None
            if self._probing is not None:
                await self._end_probe(self._probing)

    def _look(self) -> None:
        """Probe lnd if the reader has waited for `PING_S`, else look again when it will have."""
        waited_s = self._loop.time() - self._since_s if self._reader is not None else 0.0
        if waited_s < PING_S:
            self._timer = self._loop.call_later(PING_S - waited_s, self._look)
        else:
            self._probing = self._loop.create_task(self._check(self._reader))

    async def _check(self, reader: asyncio.Task[Any] | None) -> None:
        """Probe lnd while the reader waits; if lnd is dead, interrupt the reader."""
        try:
            await self._probe(PONG_S)
        except LndError as error:
            self._dead = _why_dead(error)
        except Exception as bug:  # noqa: BLE001 - the reader raises it
            self._dead = bug
        if self._dead is not None and reader is not None:
            reader.cancel()
            return
        self._probing, self._since_s = None, self._loop.time()
        self._look()

    async def _end_probe(self, probing: asyncio.Task[None]) -> None:
        """End a probe that is under way when the reader stops waiting: a message is a sign of life, too."""
        self._probing = None
        probing.cancel()
        try:
            await asyncio.wait({probing})
        finally:
            self._timer = self._loop.call_later(PING_S, self._look)


async def wait_while_alive(awaited: Awaitable[T], probe: Probe) -> T:
    """Return the result of `awaited`, however long it takes; raise `LndError` if lnd stops answering meanwhile."""
    async with Watch(probe) as watch:
        return await watch.wait(awaited)


def _why_dead(error: LndError) -> LndError | None:
    """Return the `LndError` for a failed probe; None if lnd has answered, be it with an error as without this call."""
    if error.cause is Interruption.TIMEOUT:
        return errors.from_status(grpc.StatusCode.UNAVAILABLE, "ping timeout")
    return error if error.state is NodeState.UNREACHABLE else None
