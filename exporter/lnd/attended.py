"""Waits for what lnd may say at any time, and finds out meanwhile whether lnd is still there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from exporter.lnd import trouble
from exporter.lnd.client import LndError
from exporter.payments.labels import Interruption, NodeState

T = TypeVar("T")
Ask = Callable[[float], Awaitable[object]]
"""Asks lnd for a short answer, for so many seconds at most; raises `LndError`."""

PING_S = 60.0
"""Seconds of waiting after which lnd is asked whether it is still there, and again after each answer."""
PONG_S = 20.0
"""Seconds that lnd may take to answer."""


async def attended(awaited: Awaitable[T], ask: Ask) -> T:
    """Return what is awaited, however long it takes; raise `LndError` if lnd stops answering meanwhile.

    A connection whose other end is gone looks like a quiet one. HTTP/2 has pings for that, but lnd before 0.17 allows
    one in five minutes, and HTTP/1.1 has none: so lnd is asked something that needs no macaroon and costs nothing.
    """
    waiting = asyncio.ensure_future(awaited)
    try:
        while not (await asyncio.wait({waiting}, timeout=PING_S))[0]:
            asking = asyncio.ensure_future(_answers(ask))
            try:
                await asyncio.wait({waiting, asking}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    break
                asking.result()
            finally:
                await _end(asking)
        return waiting.result()
    finally:
        await _end(waiting)


async def _answers(ask: Ask) -> None:
    """Return if lnd answers, whatever it says: one that is too old for the question says so. Else raise `LndError`."""
    try:
        await ask(PONG_S)
    except LndError as lost:
        if lost.cause is Interruption.TIMEOUT:
            raise trouble.translate(grpc.StatusCode.UNAVAILABLE, "ping timeout") from None
        if lost.state is NodeState.UNREACHABLE:
            raise


async def _end(work: "asyncio.Future[T]") -> None:
    """Cancel it unless it is done; what it raised is nobody's business then."""
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
    if not work.cancelled():
        work.exception()
