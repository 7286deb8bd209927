"""Waits for an answer or a message of lnd, and checks meanwhile that lnd is still there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

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


async def wait_while_alive(awaited: Awaitable[T], probe: Probe) -> T:
    """Return the result of `awaited`, however long it takes; raise `LndError` if lnd stops answering meanwhile.

    A dead connection looks like a quiet one. HTTP/2 has pings to tell them apart, but lnd before 0.17 allows only one
    in five minutes, and HTTP/1.1 has none. So the probe is a call that needs no macaroon and costs lnd nothing.
    """
    waiting = asyncio.ensure_future(awaited)
    try:
        while not (await asyncio.wait({waiting}, timeout=PING_S))[0]:
            probing = asyncio.ensure_future(_check(probe))
            try:
                await asyncio.wait({waiting, probing}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    break
                probing.result()
            finally:
                await _cancel(probing)
        return waiting.result()
    finally:
        await _cancel(waiting)


async def _check(probe: Probe) -> None:
    """Probe lnd. Any answer, even an error (an lnd without this call), means alive; otherwise raise `LndError`."""
    try:
        await probe(PONG_S)
    except LndError as error:
        if error.cause is Interruption.TIMEOUT:
            raise errors.from_status(grpc.StatusCode.UNAVAILABLE, "ping timeout") from None
        if error.state is NodeState.UNREACHABLE:
            raise


async def _cancel(future: "asyncio.Future[T]") -> None:
    """Cancel a future unless it is done, and wait for its end; an exception that it raised is dropped."""
    if not future.done():
        future.cancel()
        await asyncio.wait({future})
    if not future.cancelled():
        future.exception()
