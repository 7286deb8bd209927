"""For a node without a stream of all payments: list new payments, and follow each by a stream of its own."""

import asyncio

import structlog

from exporter.follow.calls import Calls, concerns_one_payment
from exporter.follow.intervals import Intervals
from exporter.lnd.client import LndError, PaymentsPage
from exporter.payments.labels import CallOutcome, Method, Source
from exporter.payments.run import OpenRun

MAX_STREAMS = 100
"""Payments followed at the same time; if more are in flight, the quietest are requested once per `Intervals.poll_s`."""
QUIET_NS = 60_000_000_000
"""A payment whose last news is this much older than another's may lose its stream to it."""
OVERLAP = 20
"""How many of the last indexes each list repeats: lnd on SQL gives the index of an erased payment to the next one."""
SLOWDOWN = 1.5
"""Factor by which the time between two lists grows while there are no new payments."""


class PerPaymentStreams:
    """Replaces `TrackPayments`. Of a payment that begins and ends between two lists only the end is seen."""

    def __init__(self, calls: Calls, intervals: Intervals) -> None:
        """Start without any stream."""
        self._calls = calls
        self._account = calls.account
        self._tracker = calls.account.tracker
        self._intervals = intervals
        self._streams: dict[str, asyncio.Task[None]] = {}  # by payment hash, at most `MAX_STREAMS`
        # The highest index listed here; the audit may raise `Account.payment_count` further, without recording.
        self._listed_index = 0
        self._log = structlog.get_logger("exporter.follow").bind(node=calls.account.name)

    async def run(self) -> None:
        """List and follow payments until cancelled. Raises `LndError`, alone or in a group, when lnd is lost."""
        self._streams.clear()
        self._listed_index = self._account.payment_count  # the catch-up reads what is below
        async with asyncio.TaskGroup() as group:
            wait_s = self._intervals.list_s
            while True:
                found = await self._list_new()
                self._open_streams(group)
                wait_s = self._intervals.list_s if found else min(wait_s * SLOWDOWN, self._intervals.list_longest_s)
                await asyncio.sleep(wait_s)

    async def _list_new(self) -> bool:
        """Record the payments at the end of lnd's table that no stream shows; return True if any is new."""
        known, after = self._listed_index, max(0, self._listed_index - OVERLAP)
        while True:
            asked = self._account.now()
            page = await self._calls.list_payments(after=after)
            last = page.payments[-1].payment_index if page.payments else after
            if last < known and page.is_last:
                page = await self._list_after_deletion()
                known = self._listed_index
            for payment in page.payments:
                run = self._tracker.open.get(payment.run)
                if not self._tracker.finished.recognise(payment) and (
                    run is None or not self._tracker.is_on_stream(run)
                ):
                    self._account.record(payment, Source.LIST, asked)
            if page.payments:
                after = self._listed_index = page.payments[-1].payment_index
            if page.is_last:
                return self._listed_index > known

    async def _list_after_deletion(self) -> PaymentsPage:
        """Return the newest payments after the last one was deleted; lnd on SQL may have reused indexes since."""
        page = await self._calls.newest_payments()
        self._listed_index = page.last_index
        self._account.reset_numbering(page.last_index)
        return page

    def _open_streams(self, group: asyncio.TaskGroup) -> None:
        """Open a stream for each payment in flight that has none, those with the latest news first."""
        waiting = [
            run for run in self._tracker.open.values() if not run.terminal and not self._tracker.is_on_stream(run)
        ]
        for run in sorted(waiting, key=_last_news, reverse=True):
            payment_hash = run.run.payment_hash
            if payment_hash in self._streams:
                continue
            if len(self._streams) >= MAX_STREAMS and not self._make_room(run):
                return
            self._streams[payment_hash] = group.create_task(self._track(payment_hash))

    def _make_room(self, run: OpenRun) -> bool:
        """Close the stream of the longest quiet payment, if it is `QUIET_NS` behind `run`; return whether it was."""
        followed = [other for other in self._tracker.open.values() if other.run.payment_hash in self._streams]
        quiet = min(followed, key=_last_news, default=run)
        if run.news_mono_ns - quiet.news_mono_ns < QUIET_NS:
            return False
        self._streams.pop(quiet.run.payment_hash).cancel()
        return True

    async def _track(self, payment_hash: str) -> None:
        """Record the updates of one payment until it ends. An end in the first update is recovered, not live."""
        outcome, source = CallOutcome.ERROR, Source.TRACK
        asked = self._account.now()  # the stream ends with the first terminal update: a later answer knows more
        updates = self._calls.client.track(payment_hash)
        try:
            async for payment in updates:
                self._account.record(payment, source if payment.status.ended else Source.STREAM, asked)
                source = Source.STREAM
            outcome = CallOutcome.OK
        except LndError as error:
            if not concerns_one_payment(error):
                raise
            self._log.debug("the stream of a payment failed", advice=error.advice)
        finally:
            self._calls.count(Method.TRACK_PAYMENT, outcome)
            self._tracker.stream_ended(payment_hash)
            if self._streams.get(payment_hash) is asyncio.current_task():
                del self._streams[payment_hash]
            await updates.aclose()


def _last_news(run: OpenRun) -> int:
    return run.news_mono_ns
