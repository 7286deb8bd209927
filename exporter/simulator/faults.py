"""The switchboard of faults: what goes wrong at which call, now or at the nth message, once or until healed."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from exporter.payments.labels import Method
from exporter.simulator.tower import End

BROKEN = End(grpc.StatusCode.UNAVAILABLE, "Socket closed")


@dataclass
class _Trouble:
    """An end that some calls come to."""

    end: End
    after: int
    """So many calls (`refuse`) or messages of a stream (`cut`) go well first."""
    times: float
    """So many calls suffer, then all is well."""


class Scan:
    """A scan of the payments table that a new subscription waits for, held where a test wants it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        """The subscriber is registered (`before`), or the snapshot is read but not yet queued (not `before`)."""
        self.go_on = asyncio.Event()


class Faults:
    """Nothing goes wrong until it is asked for."""

    def __init__(self) -> None:
        self.heal()

    def heal(self) -> None:
        """All is well again. Calls that already hang go on hanging."""
        self._refusals: dict[Method, _Trouble] = {}
        self._cuts: dict[Method, _Trouble] = {}
        self._delays: dict[Method, float] = {}
        self._listing_s = 0.0
        self._before_scan: Scan | float = 0.0
        self._after_scan: Scan | float = 0.0

    # What a test asks for.

    def refuse(
        self, method: Method, code: grpc.StatusCode, text: str = "", *, after: int = 0, times: float = math.inf
    ) -> None:
        """Refuse a call; with `after` so many calls go well first: pages of a list that fail half-way."""
        self._refusals[method] = _Trouble(End(code, text), after, times)

    def delay(self, method: Method, seconds: float = math.inf) -> None:
        """Answer late; by default never."""
        self._delays[method] = seconds

    def slow_list(self, each_s: float) -> None:
        """Take so long for each payment of a list: an old lnd on a slow disk."""
        self._listing_s = each_s

    def silence(self) -> None:
        """Accept every call and never answer."""
        for method in Method:
            self.delay(method)

    def cut(self, method: Method, *, after: int, end: End = BROKEN, times: float = 1) -> None:
        """End a stream after so many messages. `End()` is status OK, which loses the stream as well."""
        self._cuts[method] = _Trouble(end, after, times)

    def slow_scan(self, *, before_s: float = 0.0, after_s: float = 0.0) -> None:
        """Take time to read the table when a stream is opened.

        What is mutated in the time before the snapshot is read comes twice; what is mutated after comes before it,
        so that the snapshot is stale.
        """
        self._before_scan, self._after_scan = before_s, after_s

    @asynccontextmanager
    async def scan_held(self, *, before: bool = False) -> AsyncIterator[Scan]:
        """Hold the scan of the next subscriptions, before or after the snapshot is read, until the block is left."""
        scan = Scan()
        if before:
            self._before_scan = scan
        else:
            self._after_scan = scan
        try:
            yield scan
        finally:
            scan.go_on.set()
            self.slow_scan()

    # What the server asks.

    async def called(self, method: Method) -> End | None:
        """Take the time that the call takes today; then how it is refused, or None."""
        delay = self._delays.get(method, 0.0)
        if delay:
            await (asyncio.Event().wait() if delay == math.inf else asyncio.sleep(delay))
        return _due(self._refusals.get(method))

    async def listed(self, payments: int) -> None:
        """Take the time that it takes to list so many payments."""
        if self._listing_s:
            await asyncio.sleep(payments * self._listing_s)

    def cut_of(self, method: Method) -> tuple[float, End]:
        """After how many messages a new stream ends, and how."""
        cut = self._cuts.get(method)
        if cut is None or cut.times <= 0:
            return math.inf, End()
        cut.times -= 1
        return cut.after, cut.end

    async def scan(self, *, before: bool) -> None:
        """Wait as long as the scan takes, before or after the snapshot is read."""
        hold = self._before_scan if before else self._after_scan
        if isinstance(hold, Scan):
            hold.reached.set()
            await hold.go_on.wait()
        elif hold:
            await asyncio.sleep(hold)


def _due(trouble: _Trouble | None) -> End | None:
    if trouble is None or trouble.times <= 0:
        return None
    if trouble.after > 0:
        trouble.after -= 1
        return None
    trouble.times -= 1
    return trouble.end
