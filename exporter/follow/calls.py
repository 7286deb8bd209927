"""Calls to lnd that are counted: single answers, pages of payments, payments by hash."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from typing import TypeVar

import structlog

from exporter.follow.account import Account
from exporter.follow.page_size import PageSize
from exporter.lnd.client import Client, LndError, PaymentsPage
from exporter.payments.event import LndCalled
from exporter.payments.labels import CallOutcome, Interruption, Lost, Method, NodeState, Source
from exporter.payments.payment import Payment, Run

T = TypeVar("T")

PAGE_LIMIT = 500
"""Payments requested per page, at most; also how many of the newest are read when counting begins."""
_PAGE_TOO_LARGE = (Interruption.TOO_LARGE, Interruption.TIMEOUT)
"""Causes that a smaller page avoids."""
MANY = 20
"""So many payments, at least, are requested by one page of the list instead of one by one."""
RECORD_BATCH = 50
"""Payments of a page that are recorded at a time, in some 5 ms: streams and scrapes run in between."""
CONCURRENT = 8
"""Requests for single payments under way at once; as many may fail before the connection is given up."""


class Calls:
    """The counted calls to one node."""

    def __init__(self, client: Client, account: Account) -> None:
        """Count the calls, and record the payments requested by hash, in `account`."""
        self.client = client
        self.account = account
        self.page_size = PageSize(PAGE_LIMIT)
        self.not_found_cause = Lost.DELETED
        """The cause that is counted if lnd doesn't know an open payment."""
        self._log = structlog.get_logger("exporter.follow").bind(node=account.name)

    def count(self, method: Method, outcome: CallOutcome = CallOutcome.OK) -> None:
        """Count a call that ended."""
        self.account.apply([LndCalled(method, outcome)])

    async def run(self, method: Method, call: Awaitable[T]) -> T:
        """Wait for the answer to a call and count it. Raises `LndError`."""
        try:
            answer = await call
        except LndError:
            self.count(method, CallOutcome.ERROR)
            raise
        self.count(method)
        return answer

    async def list_payments(
        self, *, after: int = 0, newest_first: bool = False, limit: int | None = None
    ) -> PaymentsPage:
        """Return a page of at most `limit` payments: as many as lnd lists in a few seconds and fit into a message.

        `after` and `newest_first` are those of `Client.payments`. Raises `LndError`.
        """
        while True:
            requested = self.page_size.of(limit or PAGE_LIMIT)
            started_ns = self.account.now().mono_ns
            call = self.client.payments(after=after, limit=requested, newest_first=newest_first)
            try:
                page = await self.run(Method.LIST_PAYMENTS, call)
            except LndError as error:
                if requested == 1 or error.cause not in _PAGE_TOO_LARGE:
                    raise
                if error.cause is Interruption.TIMEOUT:
                    self.page_size.timed_out(requested)
                else:
                    self.page_size.too_large(requested)
                self._log.info(
                    "a page of ListPayments failed: requesting a smaller one",
                    cause=error.cause.value,
                    payments=requested,
                )
            else:
                self.page_size.took(len(page.payments), (self.account.now().mono_ns - started_ns) / 1e9)
                self.account.note_index(page.last_index)
                _check_progress(page, after, newest_first=newest_first)
                return page

    async def newest_payments(self, kept: dict[Run, Payment] | None = None) -> PaymentsPage:
        """Return the `PAGE_LIMIT` newest payments, ascending, read in as many pages as that takes.

        `kept` receives what has been read, for the case that a page fails: the next call with the same `kept` reads the
        newest payments and then continues below `kept`, provided that one of those still has the same index.
        """
        kept = {} if kept is None else kept
        read: dict[Run, Payment] = {}
        known, before, last_index = dict(kept), 0, 0
        while True:
            page = await self.list_payments(after=before, newest_first=True, limit=PAGE_LIMIT - len(read))
            last_index = last_index or page.last_index
            overlaps = any(p.run in known and known[p.run].payment_index == p.payment_index for p in page.payments)
            read = {payment.run: payment for payment in page.payments} | read
            if overlaps:
                read, known = known | read, {}
            if page.is_last or len(read) >= PAGE_LIMIT:
                payments = sorted(read.values(), key=lambda payment: payment.payment_index)
                return PaymentsPage(tuple(payments), last_index, PAGE_LIMIT)
            before = min(payment.payment_index for payment in read.values())
            if not known:
                kept.clear()
                kept.update(read)

    async def fetch_unseen(self) -> None:
        """Request all payments that lnd must be asked for at present; see `fetch`."""
        await self.fetch(self.account.tracker.hashes_to_ask_for(self.account.now()))

    async def fetch(self, hashes: Collection[str]) -> None:
        """Request payments by hash, `CONCURRENT` at a time, and record the answers; not those that a stream has shown.

        Many whose end is unconfirmed are requested by pages of the list. A few requests may fail without stopping the
        others: these payments are requested again later. Raises an exception group of `LndError` if the connection is
        lost, or if more than `CONCURRENT` requests fail; `LndError` if it is lost while a page is read.
        """
        await self._list_unconfirmed(hashes)
        left = iter(hashes)
        failed: list[LndError] = []

        async def fetch_some() -> None:
            for payment_hash in left:
                if self.account.tracker.must_ask(payment_hash, self.account.now()):
                    try:
                        await self._fetch_one(payment_hash)
                    except LndError as error:
                        failed.append(error)
                        if not concerns_one_payment(error) or len(failed) > CONCURRENT:
                            raise

        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(fetch_some())
        if failed:
            self._log.warning(
                "requests for some payments failed: they are repeated later",
                payments=len(failed),
                advice=failed[0].advice,
            )

    async def _list_unconfirmed(self, hashes: Collection[str]) -> None:
        """Request payments whose end is unconfirmed in pages, as long as a page shows many of them.

        After a pause in a storm there are thousands, one after the other in lnd's list. If a page fails though lnd
        answers, they are left to single requests: other payments may be why. Raises `LndError` if the connection is
        lost.
        """
        tracker = self.account.tracker
        indexes = tracker.unconfirmed_indexes(hashes)
        while len(indexes) >= MANY:
            asked = self.account.now()
            try:
                page = await self.list_payments(after=max(0, indexes[0] - 1))
            except LndError as error:
                if not concerns_one_payment(error):
                    raise
                self._log.warning("a page of payments failed: each is requested by itself", advice=error.advice)
                break
            async for payments in in_steps(page):
                for payment in payments:
                    if tracker.must_ask(payment.payment_hash, self.account.now()):
                        self.account.record(payment, Source.LIST, asked)
            left = indexes[bisect_right(indexes, page.payments[-1].payment_index) :] if page.payments else []
            if len(indexes) - len(left) < MANY:
                break  # they are far apart, or the page is a small one
            indexes = left

    async def _fetch_one(self, payment_hash: str) -> None:
        """Request a payment and record the answer. Raises `LndError`."""
        asked = self.account.now()
        payment = await self.run(Method.TRACK_PAYMENT, self.client.payment(payment_hash))
        if payment is not None:
            self.account.record(payment, Source.TRACK, asked)
        else:
            events = self.account.tracker.not_found(payment_hash, self.account.now(), self.not_found_cause)
            self.account.apply(events)


async def in_steps(page: PaymentsPage) -> AsyncIterator[Sequence[Payment]]:
    """Yield the payments of a page, `RECORD_BATCH` at a time, and let other tasks run before each step."""
    for start in range(0, len(page.payments), RECORD_BATCH):
        await asyncio.sleep(0)
        yield page.payments[start : start + RECORD_BATCH]


def concerns_one_payment(error: LndError) -> bool:
    """Return True if only the requested payment may be affected: lnd may well answer about others."""
    return error.cause in (Interruption.TIMEOUT, Interruption.OTHER)


def _check_progress(page: PaymentsPage, after: int, *, newest_first: bool) -> None:
    """Raise `LndError` if a page doesn't lie beyond `after`: reading on from it would never end."""
    indexes = [payment.payment_index for payment in page.payments]
    if indexes and (0 < after <= indexes[0] if newest_first else indexes[-1] <= after):
        raise LndError(
            Interruption.OTHER,
            NodeState.READY,
            f"ListPayments answers index_offset {after} with payments {indexes[0]} to {indexes[-1]}, "
            "which no lnd does: is there a proxy in between?",
        )
