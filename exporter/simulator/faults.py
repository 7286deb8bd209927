"""Faults on demand, by method: calls that are refused, delayed or never answered, streams that are cut, slow scans."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from exporter.payments.labels import Method
from exporter.simulator.calls import Call, Question
from exporter.simulator.subscriptions import RpcStatus

BROKEN = RpcStatus(grpc.StatusCode.UNAVAILABLE, "Socket closed")
"""The status that a gRPC client sees when the connection breaks; over REST the server breaks it."""


@dataclass
class _Fault:
    """A status with which calls of a method end."""

    end: RpcStatus
    after: int
    """Number of calls (`refuse`) or messages of a stream (`cut`) that go well first."""
    times: float
    """Number of calls that still fail; then the fault is over."""


class Scan:
    """The scan of the payments table for a new subscription, stopped until a test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        """Set when the subscriber is registered (`before`), or the snapshot is read but not queued (not `before`)."""
        self.go_on = asyncio.Event()
        """Set by the test."""


class Faults:
    """The faults of one node. Without any call to the methods below nothing fails."""

    def __init__(self) -> None:
        self.heal()

    def heal(self) -> None:
        """Remove all faults. Calls that already hang go on hanging."""
        self.ghosts: set[str] = set()
        """Hashes of payments whose HTLCs in flight aren't on the channels over which they were sent."""
        self._refusals: dict[Call, _Fault] = {}
        self._cuts: dict[Call, _Fault] = {}
        self._delays: dict[Call, float] = {}
        self._listing_s = 0.0
        self._before_scan: Scan | float = 0.0
        self._after_scan: Scan | float = 0.0

    # For tests.

    def refuse(
        self, method: Call, code: grpc.StatusCode, text: str = "", *, after: int = 0, times: float = math.inf
    ) -> None:
        """Refuse the next `times` calls, after `after` calls that go well: a list fails at its third page with 2."""
        self._refusals[method] = _Fault(RpcStatus(code, text), after, times)

    def delay(self, method: Call, seconds: float = math.inf) -> None:
        """Delay the answers of a method; by default never answer."""
        self._delays[method] = seconds

    def slow_list(self, each_s: float) -> None:
        """Delay ListPayments by `each_s` seconds for each listed payment, as an old lnd on a slow disk."""
        self._listing_s = each_s

    def silence(self) -> None:
        """Accept calls of every method and never answer."""
        for method in (*Method, *Question):
            self.delay(method)

    def cut(self, method: Method, *, after: int, end: RpcStatus = BROKEN, times: float = 1) -> None:
        """End the next `times` streams, each after `after` messages. The default status breaks the connection.

        `RpcStatus()`, status OK, ends the stream as well.
        """
        self._cuts[method] = _Fault(end, after, times)

    def slow_scan(self, *, before_s: float = 0.0, after_s: float = 0.0) -> None:
        """Delay the scan of the payments table for new subscriptions, before and after the snapshot is read.

        A mutation before the snapshot is read is sent twice: as an update and in the snapshot. A mutation after it is
        sent first, so the snapshot that follows is stale.
        """
        self._before_scan, self._after_scan = before_s, after_s

    @asynccontextmanager
    async def scan_held(self, *, before: bool = False) -> AsyncIterator[Scan]:
        """Stop the scan of new subscriptions, before or after the snapshot is read, until the block is left."""
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

    # For the service.

    async def before_call(self, method: Call) -> RpcStatus | None:
        """Wait for the delay of a method, then return the status with which the call is refused, or None."""
        delay = self._delays.get(method, 0.0)
        if delay:
            await (asyncio.Event().wait() if delay == math.inf else asyncio.sleep(delay))
        return _next_refusal(self._refusals.get(method))

    async def wait_for_list(self, payments: int) -> None:
        """Wait for the delay of a list of `payments` payments."""
        if self._listing_s:
            await asyncio.sleep(payments * self._listing_s)

    def next_cut(self, method: Method) -> tuple[float, RpcStatus]:
        """Return after how many messages a new stream is cut (infinity: never), and its status then."""
        cut = self._cuts.get(method)
        if cut is None or cut.times <= 0:
            return math.inf, RpcStatus()
        cut.times -= 1
        return cut.after, cut.end

    async def scan(self, *, before: bool) -> None:
        """Wait for the delay of a scan, before or after the snapshot is read."""
        delay = self._before_scan if before else self._after_scan
        if isinstance(delay, Scan):
            delay.reached.set()
            await delay.go_on.wait()
        elif delay:
            await asyncio.sleep(delay)


def _next_refusal(fault: _Fault | None) -> RpcStatus | None:
    """Count a call, and return the status with which it is refused, or None."""
    if fault is None or fault.times <= 0:
        return None
    if fault.after > 0:
        fault.after -= 1
        return None
    fault.times -= 1
    return fault.end
