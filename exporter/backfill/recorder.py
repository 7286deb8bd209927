"""Counts the past payment by payment, and has the samples of each step written."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from exporter.backfill.sink import Sink
from exporter.backfill.table import SeriesTable
from exporter.backfill.timeline import Timeline
from exporter.payments.destinations import Recipients
from exporter.payments.past import replay
from exporter.payments.payment import NS_PER_MS, Payment

LET_RUN = 50
"""After so many steps other tasks run, and signals are heard: that takes as long as to count some steps."""


class Span(NamedTuple):
    """The times of which samples are written, nanoseconds since 1970, both included."""

    since_ns: int
    until_ns: int


class Recorder:
    """Takes the ended payments of the past in the order of their indexes."""

    def __init__(
        self,
        timeline: Timeline,
        table: SeriesTable,
        sink: Sink,
        *,
        span: Span,
        save: Callable[[], None],
        recipients: Recipients,
    ) -> None:
        """Write the samples of `span` to `sink`; `save` is called when reading may continue at the present step."""
        self.timeline = timeline
        self.recorded = 0
        """Number of payments taken."""
        self.first_ms = 0
        """The first time that was written, milliseconds since 1970; 0 before."""
        self.last_ms = 0
        """The last time that was written, milliseconds since 1970; 0 before."""
        self._table = table
        self._sink = sink
        self._span = span
        self._save = save
        self._recipients = recipients
        self._begun_before = False  # whether there were steps that aren't written
        self._times = 0  # written or not

    def take(self, payment: Payment, latest_ns: int, *, again: bool) -> None:
        """Take an ended payment that isn't malformed; `latest_ns` and `again` are those of `Timeline.add`."""
        facts = replay(payment, self._recipients)
        self.timeline.add(payment.payment_index, payment.created_ns, facts, latest_ns, again=again)
        self.recorded += 1

    async def continue_(self) -> None:
        """Write the step again that was counted when reading was broken off. Raises `SinkError`."""
        self._begun_before = True
        await self._write(self.timeline.counted * self.timeline.step_ns)  # what was saved is still right

    async def write_closed(self) -> None:
        """Count and write the steps that are closed. Raises `SinkError`."""
        for at_ns in self.timeline.count_closed():
            if await self._write(at_ns):
                self._save()

    async def finish(self, ends_ns: int, *, reset: bool) -> None:
        """Count and write all that is left, as of `ends_ns` at the latest; with `reset` all series end with a zero.

        Raises `SinkError`.
        """
        for at_ns in self.timeline.finish(ends_ns):
            await self._write(at_ns)
        await self._sink.end(self.last_ms + 1 if reset and self.last_ms else None)

    async def _write(self, at_ns: int) -> bool:
        """Write a time; return True if reading may continue with it. Raises `SinkError`."""
        self._times += 1
        if self._times % LET_RUN == 0:  # there are many steps in years without payments
            await asyncio.sleep(0)
        if not self._span.since_ns <= at_ns <= self._span.until_ns:
            self._begun_before = True
            return False
        changes = self._table.everything() if self._begun_before else self._table.update()
        self._begun_before = False
        self.last_ms = at_ns // NS_PER_MS
        self.first_ms = self.first_ms or self.last_ms
        return await self._sink.write(self.last_ms, self._table, changes)
