"""Asking lnd, and counting what was asked: single answers, pages, payments by hash."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

import structlog

from exporter.follow.account import Account
from exporter.follow.page_size import PageSize
from exporter.lnd.client import Client, LndError, Page
from exporter.payments.event import LndCalled
from exporter.payments.labels import CallOutcome, Interruption, Lost, Method, NodeState, Source
from exporter.payments.payment import Payment, Run

T = TypeVar("T")

PAGE = 500
"""Payments asked for at once, at most; and so many of the newest are looked at when counting begins."""
_SMALLER = (Interruption.TOO_LARGE, Interruption.TIMEOUT)
"""What happens to a page that is too large."""
ASKING = 8
"""Questions about single payments under way at once, and as many may remain without an answer."""


class Questions:
    """What is asked of one node."""

    def __init__(self, client: Client, account: Account) -> None:
        """Answers about payments go into `account`."""
        self.client = client
        self.account = account
        self.page_size = PageSize(PAGE)
        self.missing_because = Lost.DELETED
        """Why a payment that lnd doesn't know is missing."""
        self._log = structlog.get_logger("exporter.follow").bind(node=account.name)

    def called(self, method: Method, outcome: CallOutcome = CallOutcome.OK) -> None:
        """Count a call that ended."""
        self.account.apply([LndCalled(method, outcome)])

    async def ask(self, method: Method, call: Awaitable[T]) -> T:
        """Wait for an answer."""
        try:
            answer = await call
        except LndError:
            self.called(method, CallOutcome.ERROR)
            raise
        self.called(method)
        return answer

    async def list(self, *, after: int = 0, newest_first: bool = False, limit: int | None = None) -> Page:
        """One page of at most `limit` payments: as many as lnd lists in a few seconds and as fit into a message."""
        while True:
            asked = self.page_size.of(limit or PAGE)
            started_ns = self.account.now().mono_ns
            call = self.client.payments(after=after, limit=asked, newest_first=newest_first)
            try:
                page = await self.ask(Method.LIST_PAYMENTS, call)
            except LndError as trouble:
                if asked == 1 or trouble.cause not in _SMALLER:
                    raise
                if trouble.cause is Interruption.TIMEOUT:
                    self.page_size.timed_out(asked)
                else:
                    self.page_size.too_large(asked)
                self._log.info("ListPayments is asked for less at once", cause=trouble.cause.value, payments=asked)
            else:
                self.page_size.took(len(page.payments), (self.account.now().mono_ns - started_ns) / 1e9)
                self.account.saw_index(page.last_index)
                return _asked_for(page, after, newest_first=newest_first)

    async def newest(self, kept: dict[Run, Payment] | None = None) -> Page:
        """The `PAGE` newest payments, ascending, in as many pages as that takes.

        If it breaks off, what has been read is in `kept`: the next call with it reads the newest, and then goes on
        below `kept`, if one of those still stands where it was.
        """
        kept = {} if kept is None else kept
        read: dict[Run, Payment] = {}
        known, before, last_index = dict(kept), 0, 0
        while True:
            page = await self.list(after=before, newest_first=True, limit=PAGE - len(read))
            last_index = last_index or page.last_index
            goes_on = any(p.run in known and known[p.run].payment_index == p.payment_index for p in page.payments)
            read = {payment.run: payment for payment in page.payments} | read
            if goes_on:
                read, known = known | read, {}
            if page.is_last or len(read) >= PAGE:
                payments = sorted(read.values(), key=lambda payment: payment.payment_index)
                return Page(tuple(payments), last_index, PAGE)
            before = min(payment.payment_index for payment in read.values())
            if not known:
                kept.clear()
                kept.update(read)

    async def ask_for(self, hashes: Iterable[str]) -> None:
        """Ask for payments by hash, a few at a time, and record what lnd says of them.

        Some that lnd can't tell about don't keep it from telling about the others: they are asked for again later.
        """
        slots = asyncio.Semaphore(ASKING)
        untold: list[LndError] = []

        async def ask(payment_hash: str) -> None:
            try:
                async with slots:
                    asked = self.account.now()
                    payment = await self.ask(Method.TRACK_PAYMENT, self.client.payment(payment_hash))
            except LndError as trouble:
                untold.append(trouble)
                if not of_one_payment(trouble) or len(untold) > ASKING:
                    raise
                return
            if payment is not None:
                self.account.record(payment, Source.TRACK, asked)
            else:
                events = self.account.tracker.not_found(payment_hash, self.account.now(), self.missing_because)
                self.account.apply(events)

        async with asyncio.TaskGroup() as group:
            for payment_hash in hashes:
                group.create_task(ask(payment_hash))
        if untold:
            self._log.warning("lnd doesn't tell about some payments", payments=len(untold), advice=untold[0].advice)


def of_one_payment(trouble: LndError) -> bool:
    """True if it may concern just the payment that was asked for: of others lnd may well tell."""
    return trouble.cause in (Interruption.TIMEOUT, Interruption.OTHER)


def _asked_for(page: Page, after: int, *, newest_first: bool) -> Page:
    """The page, if it gets on: pages that don't would be read for ever. Raises `LndError` otherwise."""
    indexes = [payment.payment_index for payment in page.payments]
    if indexes and (0 < after <= indexes[0] if newest_first else indexes[-1] <= after):
        raise LndError(
            Interruption.OTHER,
            NodeState.READY,
            f"ListPayments answers index_offset {after} with payments {indexes[0]} to {indexes[-1]}, "
            "which no lnd does: is there a proxy in between?",
        )
    return page
