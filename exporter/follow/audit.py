"""An independent look whether every payment that ended in lnd's database is among those that were counted.

It trusts neither floor nor cursor: it walks through lnd's payments page by page, from the newest to the beginning of
counting and then again, and looks each of them up in the list of what was counted. Of those that are in flight here it
sees that lnd says so, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from exporter.follow.pace import Pace
from exporter.follow.questions import Questions
from exporter.lnd.client import Page
from exporter.payments.labels import Source
from exporter.payments.payment import US_PER_NS, Payment, Run
from exporter.payments.totals import Counter

PAGE = 100
"""Payments looked at in one go."""
HURRY = 50
"""After so many new payments the next look comes at once: the walk is twice as fast as payments come."""
PULSE_S = 1.0
"""But not more often than this."""
AGAIN_S = 10.0
"""After so long the list is read again, if it could not be read."""
GRACE_US = 600_000_000
"""What began less than ten minutes ago, or less before the newest payment of all, may still be on its way to us."""

Counted = Callable[[Sequence[Run]], Awaitable[set[Run] | None]]
"""Which of some runs are on the list of those that were counted; None if it can't be read now."""


class Audit:
    """Compares one node's database with what was counted of it, and counts what was missed."""

    def __init__(self, questions: Questions, counted: Counted, pace: Pace) -> None:
        """Nothing looked at yet."""
        self._questions = questions
        self._account = questions.account
        self._counted = counted
        self._pace = pace
        self._log = structlog.get_logger("exporter.follow").bind(node=questions.account.name)
        self._before = 0  # where the walk is: the next page ends below this index; 0 is the newest
        self._found = 0  # in this round
        self._last_round = 0
        self._unread = False  # the list could not be read the last time

    async def walk(self) -> None:
        """Look at the newest at once, for something may have gone wrong before; then from time to time, for ever."""
        await self._look(0)
        while True:
            await self._rest()
            self._before = await self._look(self._before)
            if not self._before:
                self._last_round, self._found = self._found, 0

    async def _rest(self) -> None:
        """Wait for the time of the next look."""
        started = self._started()
        pulse_s, waited_s = min(PULSE_S, self._pace.audit_s), 0.0
        rest_s = min(AGAIN_S, self._pace.audit_s) if self._unread else self._pace.audit_s
        while waited_s < rest_s and self._started() - started < HURRY:
            await asyncio.sleep(pulse_s)
            waited_s += pulse_s

    def _started(self) -> int:
        return self._account.ledger.counters[Counter.STARTED][()]

    async def _look(self, before: int) -> int:
        """Check `PAGE` payments below an index, 0 for the newest; where to go on, 0 if there is nothing more."""
        left = PAGE
        while left > 0:
            page = await self._questions.list(after=before, newest_first=True, limit=left)
            checked, before = before, await self._check(page, before)
            left -= len(page.payments)
            if page.is_last or before in (0, checked):
                break
        return before

    async def _check(self, page: Page, before: int) -> int:
        """Check a page; below which index the next one is, 0 if there is none, `before` if nothing could be checked."""
        missed = await self._missed(page.payments)
        self._unread = missed is None
        if missed is None:
            return before
        if missed:
            self._found += len(missed)
            self._log.error(
                "payments that ended were in no counter: they are now; please report this bug",
                payments=len(missed),
                indexes=[payment.payment_index for payment in missed],
            )
            for payment in missed:
                if payment.run in self._account.tracker.open:
                    self._account.record(payment, Source.LIST)
                else:
                    self._account.apply(self._account.tracker.repair(payment, self._account.now()))
            self._account.release()
        self._account.set_status(unaccounted=max(self._found, self._last_round))
        began_us = self._account.tracker.history_us
        if not any(payment.run.created_us > began_us for payment in page.payments):
            return 0
        return page.payments[0].payment_index

    def _overlooked(self, payment: Payment, until_us: int) -> bool:
        """True if an open run ended long ago, and the stream that had shown it didn't tell us."""
        run = self._account.tracker.open[payment.run]
        latest_us = (payment.latest_ns or payment.created_ns) // US_PER_NS
        return run.terminal is None and latest_us < until_us and self._account.tracker.is_shown(run)

    async def _missed(self, payments: Sequence[Payment]) -> list[Payment] | None:
        tracker = self._account.tracker
        now_us = min(self._account.now().wall_ns // US_PER_NS, tracker.memory.newest_us)  # our clock may be ahead
        until_us = now_us - GRACE_US
        ended = {
            payment.run: payment
            for payment in payments
            if payment.status.ended and not payment.malformed and tracker.history_us < payment.run.created_us < until_us
        }
        known = self._account.known()  # before the list is read: what ends now is on it a moment later
        counted = await self._counted([run for run in ended if run not in known])
        if counted is None:
            return None
        known |= counted | self._account.known()
        known -= {run for run in ended.keys() & tracker.open.keys() if self._overlooked(ended[run], until_us)}
        return [payment for run, payment in ended.items() if run not in known]
