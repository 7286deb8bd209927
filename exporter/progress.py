"""How far long catch-ups have come: a bar for each on a terminal, else a line in the log now and then."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from exporter.follow import Account
from exporter.payments.node import CatchUpProgress

PULSE_S = 0.5
LONG_S = 2.0
"""A catch-up that takes no longer isn't worth a word."""
LINE_S = 5.0
"""Between two lines about the same node."""


class Display(Protocol):
    """Where it is shown."""

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """All nodes that have been catching up for long, and how far they are; called from time to time."""


async def tell(accounts: Sequence[Account], display: Display) -> None:
    """Show it while it goes on, until cancelled."""
    time_s = asyncio.get_running_loop().time
    since_s: dict[str, float] = {}
    try:
        while True:
            await asyncio.sleep(PULSE_S)
            reading = {account.name: account.status.reading for account in accounts}
            since_s = {name: since_s.get(name, time_s()) for name, far in reading.items() if far is not None}
            long = {name: far for name, far in reading.items() if far and time_s() - since_s[name] >= LONG_S}
            with suppress(OSError):  # the terminal has gone: nobody looks on
                display.show(long)
    finally:
        with suppress(OSError):
            display.show({})


def best_display(log_format: str) -> Display:
    """Bars where a person looks on and nobody wants JSON, else lines; `log_format` as in `log.configure`."""
    console = Console(stderr=True)
    watched = log_format != "json" and sys.stderr.isatty() and not console.is_dumb_terminal
    return Bars(console) if watched else Lines(time.monotonic)


class Lines:
    """A line in the log every `LINE_S`, for each node."""

    def __init__(self, time_s: Callable[[], float]) -> None:
        """Nothing said yet; `time_s` is a monotonic clock."""
        self._time_s = time_s
        self._said_s: dict[str, float] = {}
        self._log = structlog.get_logger("exporter.follow")

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Say it, if it is time."""
        now_s = self._time_s()
        self._said_s = {name: said_s for name, said_s in self._said_s.items() if name in nodes}
        for name, far in nodes.items():
            if now_s - self._said_s.get(name, -LINE_S) >= LINE_S:
                self._said_s[name] = now_s
                self._log.info("catching up", node=name, payments=far.payments, index=far.at, last_index=far.last)


class Bars:
    """A bar for each node, below the lines of the log; they go when the catch-up is over."""

    def __init__(self, console: Console) -> None:
        """Nothing shown yet."""
        self._console = console
        self._progress: Progress | None = None
        self._bars: dict[str, TaskID] = {}

    def show(self, nodes: dict[str, CatchUpProgress]) -> None:
        """Draw them."""
        if self._progress is None:
            if not nodes:
                return
            self._progress = self._begin()
        for name in self._bars.keys() - nodes.keys():
            self._progress.remove_task(self._bars.pop(name))
        for name, far in nodes.items():
            if name not in self._bars:
                self._bars[name] = self._progress.add_task(name, total=None, payments=0)
            bar, whole = self._bars[name], max(far.last, far.at) - far.first
            self._progress.update(bar, total=whole, completed=far.at - far.first, payments=far.payments)
        self._progress.refresh()
        if not nodes:
            self._progress.stop()
            self._progress = None

    def _begin(self) -> Progress:
        """While there are bars sys.stderr is rich's, which puts what is written to it above them."""
        progress = Progress(
            TextColumn("{task.description}: catching up", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[payments]:,} payments,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self._console,
            transient=True,
            auto_refresh=False,
        )
        progress.start()
        return progress
