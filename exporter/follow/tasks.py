"""Helpers for asyncio tasks."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from exporter.lnd.client import LndError


async def run_alone(session: Coroutine[Any, Any, None]) -> None:
    """Run a session in its own task: before Python 3.13 a task group forgets a cancel that coincides with a failure."""
    task = asyncio.create_task(session)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            with suppress(LndError):  # the session was lost at the same moment; a bug is not swallowed
                task.result()
        raise
    task.result()


def first_error(group: BaseExceptionGroup[LndError]) -> LndError:
    """Return the first error of a group, however deeply nested."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, LndError):
        raise TypeError(f"not an LndError: {error!r}")
    return error
