"""An independent check that every payment that ended in lnd's database has been counted.

It trusts neither floor nor cursor: it walks through lnd's payments page by page, from the newest down to the beginning
of counting or to those of thirty days ago, again and again, and looks each of them up in the list of runs that were
counted. It also checks that the payments that are in flight here are in flight in lnd.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from exporter.follow.calls import Calls
from exporter.follow.intervals import Intervals
from exporter.lnd.client import PaymentsPage
from exporter.payments.horizon import audited_from_us, newest_credible_us
from exporter.payments.labels import Source
from exporter.payments.payment import NS_PER_US, Payment, Run

BATCH = 100
"""Payments checked in one step."""
HURRY = 50
"""The next step comes early after this many new payments: then the walk is twice as fast as payments come."""
HURRY_S = 1.0
"""The least time between two steps, seconds."""
RETRY_S = 10.0
"""Seconds until the next step if the list could not be read."""
GRACE_US = 600_000_000
"""Runs created in the last ten minutes, or in the ten minutes before the newest run, may not have been recorded yet."""

CountedLookup = Callable[[Sequence[Run]], Awaitable[set[Run] | None]]
"""Returns which of some runs are on the list of those that were counted; None if it can't be read now."""


class Audit:
    """Compares one node's database with what was counted of it, and counts what was missed."""

    def __init__(self, calls: Calls, counted: CountedLookup, intervals: Intervals) -> None:
        """Start at the newest payment; `counted` looks runs up in the list."""
        self._calls = calls
        self._account = calls.account
        self._counted = counted
        self._intervals = intervals
        self._log = structlog.get_logger("exporter.follow").bind(node=calls.account.name)
        self._before = 0  # the next step checks payments below this index; 0: from the newest
        self._found = 0  # payments missed, in this round
        self._found_last_round = calls.account.status.unaccounted or 0  # by an earlier follower of the node
        self._unreadable = False  # the list could not be read the last time

    async def run(self) -> None:
        """Check the newest payments at once, since something may just have gone wrong, then walk for ever.

        Raises `LndError`.
        """
        await self._step(0)
        while True:
            await self._wait()
            self._before = await self._step(self._before)
            if not self._before:
                self._found_last_round, self._found = self._found, 0

    async def _wait(self) -> None:
        """Wait until the next step is due."""
        hurry_at = self._account.started + HURRY
        rest_s = min(RETRY_S, self._intervals.audit_s) if self._unreadable else self._intervals.audit_s
        least_s = min(HURRY_S, rest_s)
        await asyncio.sleep(least_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest_s - least_s):
                await self._account.started_until(hurry_at)

    async def _step(self, before: int) -> int:
        """Check `BATCH` payments below an index, 0 for the newest; return where to continue, 0 at the end."""
        left = BATCH
        while left > 0:
            page = await self._calls.list_payments(after=before, newest_first=True, limit=left)
            checked, before = before, await self._check_page(page, before)
            left -= len(page.payments)
            if page.is_last or before in (0, checked):
                break
        return before

    async def _check_page(self, page: PaymentsPage, before: int) -> int:
        """Check a page of payments below `before`, and count those that were missed.

        Returns the index below which the next page is: 0 if there is none, `before` if the list can't be read.
        """
        missed = await self._missed(page.payments)
        self._unreadable = missed is None
        if missed is None:
            return before
        if missed:
            self._account.release()  # notes that this process runs: the holds that begin here aren't extended below
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
        self._account.set_status(unaccounted=max(self._found, self._found_last_round))
        tracker, now_ns = self._account.tracker, self._account.now().wall_ns
        began_us = max(tracker.history.newest_us, audited_from_us(now_ns, tracker.finished.newest_us))
        if not any(payment.run.created_us > began_us for payment in page.payments):
            return 0
        return page.payments[0].payment_index

    def _overlooked(self, payment: Payment, until_us: int) -> bool:
        """Return True if an open run ended before `until_us` though a stream that shows it hasn't reported the end."""
        run = self._account.tracker.open[payment.run]
        latest_us = (payment.latest_ns or payment.created_ns) // NS_PER_US
        return run.terminal is None and latest_us < until_us and self._account.tracker.is_on_stream(run)

    async def _missed(self, payments: Sequence[Payment]) -> list[Payment] | None:
        """Return the payments that ended and were not counted; None if the list can't be read."""
        tracker = self._account.tracker
        history_us = tracker.history.newest_us
        until_us = newest_credible_us(self._account.now().wall_ns, tracker.finished.newest_us) - GRACE_US
        ended = {
            payment.run: payment
            for payment in payments
            if payment.status.ended and not payment.malformed and history_us < payment.run.created_us < until_us
        }
        known = self._account.known_runs(ended)  # before the list is read: a run that ends now is on it a moment later
        counted = await self._counted([run for run in ended if run not in known])
        if counted is None:
            return None
        known |= counted | self._account.known_runs(ended)
        known -= {run for run in ended.keys() & tracker.open.keys() if self._overlooked(ended[run], until_us)}
        return [payment for run, payment in ended.items() if run not in known]
