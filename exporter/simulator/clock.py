"""The simulator's time: what lnd writes into its messages, and how long it waits between two steps of a life."""

import asyncio
import time
from typing import Protocol

NS = 1_000_000_000  # nanoseconds in a second
_TICK_NS = 1000  # no two moments of lnd share a microsecond: the creation time is part of a run's identity


class Clock(Protocol):
    """The node's clock."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, later than every moment before."""

    async def sleep(self, seconds: float) -> None:
        """Wait, in the node's time."""


class WallClock:
    """The true time. Waiting may be shortened: with `speed` 10 a minute of a life takes 6 s, with infinity none."""

    def __init__(self, speed: float = 1.0) -> None:
        self.behind_s = 0.0
        """How far back in the past the node is: to give it a history before its present begins."""
        self._speed = speed
        self._last_ns = 0

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        self._last_ns = max(time.time_ns() - round(self.behind_s * NS), self._last_ns + _TICK_NS)
        return self._last_ns

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds / speed`."""
        await asyncio.sleep(seconds / self._speed)


class ScriptClock:
    """A time that only passes when somebody waits, and then at once: every run of a script gives the same moments."""

    def __init__(self, start_ns: int = 1_780_000_000 * NS) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """One microsecond later than when last asked."""
        self._now_ns += _TICK_NS
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        """Let everybody else run once, and it is `seconds` later."""
        self._now_ns += round(seconds * NS)
        await asyncio.sleep(0)
