"""The simulator's clocks: the times in lnd's messages, and the waiting between two steps of a scenario."""

import asyncio
import time
from typing import Protocol

from exporter.payments.payment import NS_PER_S

_TICK_NS = 1000  # at least a microsecond between two times: the creation time is part of a run's identity


class Clock(Protocol):
    """The clock of a node."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970; each call returns a later time than the one before."""

    async def sleep(self, seconds: float) -> None:
        """Wait for seconds of this clock."""


class WallClock:
    """The true time, with shortened waits: with `speed` 10 a minute of a scenario takes 6 s, with infinity none."""

    def __init__(self, speed: float = 1.0) -> None:
        self.behind_s = 0.0
        """Seconds by which the clock is behind: set for a while to give a node a history."""
        self._speed = speed
        self._last_ns = 0

    def now_ns(self) -> int:
        """Return nanoseconds since 1970."""
        self._last_ns = max(time.time_ns() - round(self.behind_s * NS_PER_S), self._last_ns + _TICK_NS)
        return self._last_ns

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds / speed`."""
        await asyncio.sleep(seconds / self._speed)


class VirtualClock:
    """A virtual time that passes only in `sleep`, and there at once: the same script always gets the same times."""

    def __init__(self, start_ns: int = 1_780_000_000 * NS_PER_S) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return a time one microsecond after the last one."""
        self._now_ns += _TICK_NS
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        """Advance the time by `seconds`, and let the other tasks run once."""
        self._now_ns += round(seconds * NS_PER_S)
        await asyncio.sleep(0)
