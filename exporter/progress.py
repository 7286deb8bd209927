"""Progress of long catch-ups: a progress bar for each on a terminal, otherwise a log line from time to time."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

import structlog

from exporter.follow import Account
from exporter.payments.node import CatchUpProgress

CATCHING_UP = "catching up"
"""What takes long, unless somebody says otherwise."""
IDLE_S = 2.0
"""Between two looks whether a catch-up has begun, while there is none."""
REFRESH_S = 0.5
"""Time between two updates of the display."""
LONG_S = 2.0
"""Shorter catch-ups are not shown."""
LOG_INTERVAL_S = 5.0
"""Time between two log lines about the same node."""


class ProgressDisplay(Protocol):
    """A place where progress is shown."""

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Show the progress of all nodes whose catch-up takes long; called every `REFRESH_S`, or every `IDLE_S`."""


async def report_progress(accounts: Callable[[], Iterable[Account]], display: ProgressDisplay) -> None:
    """Show the progress of long catch-ups of the present `accounts` until cancelled, then clear the display."""
    time_s = asyncio.get_running_loop().time
    since_s: dict[str, float] = {}
    try:
        while True:
            catching_up = {account.name: account.status.reading for account in accounts()}
            since_s = {name: since_s.get(name, time_s()) for name, progress in catching_up.items() if progress}
            long = {name: p for name, p in catching_up.items() if p and time_s() - since_s[name] >= LONG_S}
            with suppress(OSError):  # the terminal was closed
                display.show(long)
            await asyncio.sleep(REFRESH_S if since_s else IDLE_S)
    finally:
        with suppress(OSError):
            display.show({})


def best_display(log_format: str) -> ProgressDisplay:
    """Return progress bars if stderr is a terminal and the log is not JSON, else log lines.

    `log_format` is the one of `log.configure`.
    """
    if log_format == "json" or not sys.stderr.isatty():
        return LogLines(time.monotonic)
    from exporter import bars  # noqa: PLC0415 - only a terminal needs rich, which takes 3 MB

    return bars.on_terminal(CATCHING_UP) or LogLines(time.monotonic)


def bars_or_nothing(doing: str) -> ProgressDisplay | None:
    """Return progress bars if stderr is a terminal that can draw them, else nothing: for commands without a log."""
    if not sys.stderr.isatty():
        return None
    from exporter import bars  # noqa: PLC0415 - only a terminal needs rich, which takes 3 MB

    return bars.on_terminal(doing)


class Patient:
    """A display that shows nothing of what takes less than `LONG_S`."""

    def __init__(self, display: ProgressDisplay, time_s: Callable[[], float]) -> None:
        """Show on `display` what takes longer; `time_s` is a monotonic clock."""
        self._display = display
        self._time_s = time_s
        self._since_s: dict[str, float] = {}

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Show the progress of each node that was shown first long enough ago."""
        now_s = self._time_s()
        self._since_s = {name: self._since_s.get(name, now_s) for name in nodes}
        self._display.show({name: each for name, each in nodes.items() if now_s - self._since_s[name] >= LONG_S})


class LogLines:
    """A display that writes a log line for each node every `LOG_INTERVAL_S`."""

    def __init__(self, time_s: Callable[[], float]) -> None:
        """Start without a line logged; `time_s` is a monotonic clock."""
        self._time_s = time_s
        self._logged_s: dict[str, float] = {}
        self._log = structlog.get_logger("exporter.follow")

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Log the progress of each node whose last line is old enough."""
        now_s = self._time_s()
        self._logged_s = {name: logged_s for name, logged_s in self._logged_s.items() if name in nodes}
        for name, progress in nodes.items():
            if now_s - self._logged_s.get(name, -LOG_INTERVAL_S) >= LOG_INTERVAL_S:
                self._logged_s[name] = now_s
                self._log.info(
                    CATCHING_UP,
                    node=name,
                    payments=progress.payments,
                    index=progress.at,
                    last_index=progress.last,
                )
