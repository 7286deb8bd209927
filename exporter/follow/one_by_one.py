"""For a node without a stream of all payments: looks for new ones, and follows each by a stream of its own."""

import asyncio

import structlog

from exporter.follow.pace import Pace
from exporter.follow.questions import Questions, of_one_payment
from exporter.lnd.client import LndError, Page
from exporter.payments.labels import CallOutcome, Method, Source
from exporter.payments.run import OpenRun

STREAMS = 100
"""Payments followed at once; the others in flight, those that were quiet the longest, are asked for once a beat."""
QUIET_NS = 60_000_000_000
"""A payment must have been quiet for so long before its stream is given to another."""
OVERLAP = 20
"""The last indexes are read again each time: lnd on SQL gives the index of an erased payment to the next one."""
SLOWER = 1.5
"""By this factor the time between two looks grows while nothing is found."""


class OneByOne:
    """Takes the place of `TrackPayments`. A payment that begins and ends between two looks is learnt by its end."""

    def __init__(self, questions: Questions, pace: Pace) -> None:
        """Nothing is followed yet."""
        self._questions = questions
        self._account = questions.account
        self._tracker = questions.account.tracker
        self._pace = pace
        self._streams: dict[str, asyncio.Task[None]] = {}  # by payment hash, at most STREAMS
        self._end = 0  # the index up to which was looked; others may have seen higher ones of what they don't record
        self._log = structlog.get_logger("exporter.follow").bind(node=questions.account.name)

    async def run(self) -> None:
        """Look and follow until cancelled; raises `LndError` when lnd is lost."""
        self._streams.clear()
        self._end = self._account.payment_count  # the catch-up reads what is below
        async with asyncio.TaskGroup() as group:
            wait_s = self._pace.look_s
            while True:
                found = await self._look()
                self._follow(group)
                wait_s = self._pace.look_s if found else min(wait_s * SLOWER, self._pace.look_longest_s)
                await asyncio.sleep(wait_s)

    async def _look(self) -> bool:
        """Record what lnd lists at the end of its table and nobody follows; True if there was anything new."""
        known, after = self._end, max(0, self._end - OVERLAP)
        while True:
            asked = self._account.now()
            page = await self._questions.list(after=after)
            last = page.payments[-1].payment_index if page.payments else after
            if last < known and page.is_last:
                page = await self._after_deletion()
                known = self._end
            for payment in page.payments:
                run = self._tracker.open.get(payment.run)
                if not self._tracker.memory.recognise(payment) and (run is None or not self._tracker.is_shown(run)):
                    self._account.record(payment, Source.LIST, asked)
            if page.payments:
                after = self._end = page.payments[-1].payment_index
            if page.is_last:
                return self._end > known

    async def _after_deletion(self) -> Page:
        """What was last is gone: the newest of what is left, and of what lnd on SQL has numbered anew since."""
        page = await self._questions.newest()
        self._end = page.last_index
        self._account.new_numbering(page.last_index)
        return page

    def _follow(self, group: asyncio.TaskGroup) -> None:
        """Give a stream to each payment in flight that has none, the newest news first."""
        waiting = [run for run in self._tracker.open.values() if not run.terminal and not self._tracker.is_shown(run)]
        for run in sorted(waiting, key=_news, reverse=True):
            payment_hash = run.run.payment_hash
            if payment_hash in self._streams:
                continue
            if len(self._streams) >= STREAMS and not self._make_room(run):
                return
            self._streams[payment_hash] = group.create_task(self._track(payment_hash))

    def _make_room(self, run: OpenRun) -> bool:
        """Take the stream of the payment that has been quiet the longest, if it was for long, and longer than this."""
        followed = [other for other in self._tracker.open.values() if other.run.payment_hash in self._streams]
        quiet = min(followed, key=_news, default=run)
        if run.news_mono_ns - quiet.news_mono_ns < QUIET_NS:
            return False
        self._streams.pop(quiet.run.payment_hash).cancel()
        return True

    async def _track(self, payment_hash: str) -> None:
        """Take updates of one payment until it has ended. What has ended already was not heard live."""
        outcome, source = CallOutcome.ERROR, Source.TRACK
        updates = self._questions.client.track(payment_hash)
        try:
            async for payment in updates:
                self._account.record(payment, source if payment.status.ended else Source.STREAM)
                source = Source.STREAM
            outcome = CallOutcome.OK
        except LndError as trouble:
            if not of_one_payment(trouble):
                raise
            self._log.debug("lnd doesn't tell about a payment", advice=trouble.advice)
        finally:
            self._questions.called(Method.TRACK_PAYMENT, outcome)
            self._tracker.stream_ended(payment_hash)
            if self._streams.get(payment_hash) is asyncio.current_task():
                del self._streams[payment_hash]
            await updates.aclose()


def _news(run: OpenRun) -> int:
    return run.news_mono_ns
