"""Reads all payments of a node, from the first to the newest, at a pace that lnd hardly notices."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import TypeVar

from exporter.follow import Account
from exporter.follow.backoff import Backoff
from exporter.follow.calls import Calls
from exporter.follow.catch_up import IndexedRun
from exporter.lnd.client import Client, LndError, PaymentsPage
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.node import CatchUpProgress, Info
from exporter.payments.payment import NS_PER_S, Moment, Payment
from exporter.progress import ProgressDisplay
from exporter.text import format_duration

T = TypeVar("T")

INFO_S = 150.0
"""Seconds to wait for `GetInfo`, which takes two minutes on some nodes."""
GIVE_UP_S = 300.0
"""Seconds for which lnd is asked again for the same page before reading is given up."""
LONGEST_DELAY_S = 10.0
"""The longest delay before the connection is opened again, seconds."""
REMEMBERED = 1500
"""Number of payments read last that are remembered: three times as many as counting begins with."""
CHECKED = 20
"""Of so many of them one must still have its index, or lnd has numbered its payments anew."""
_INDEX = attrgetter("payment_index")


class Renumbered(LndError):
    """lnd numbers its payments anew: what was read and what comes now don't fit together."""

    def __init__(self) -> None:
        """Take nothing: the reason is always the same."""
        advice = "lnd has numbered its payments anew meanwhile, or deleted some"
        super().__init__(Interruption.OTHER, NodeState.READY, advice)


class HistoryReader:
    """Reads the pages of one node. Between two pages lnd rests as long as the last one took it, or longer."""

    def __init__(
        self,
        name: str,
        client: Client,
        now: Callable[[], Moment],
        display: ProgressDisplay | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        """Read by `client`, which isn't connected yet.

        `now` reads both clocks, `display` shows the progress, `note` tells a person why nothing goes on for a while.
        """
        self.name = name
        self.client = client
        self.calls = Calls(client, Account(name, now, 0))
        self.lnd_s = 0.0
        """Seconds spent waiting for pages."""
        self.payments = 0
        """Payments read."""
        self.last_read = deque[IndexedRun](maxlen=REMEMBERED)
        """The payments that were read last, in the order of reading."""
        self._now = now
        self._display = display
        self._note = note

    async def connect(self) -> Info:
        """Connect, and return what lnd says of itself; its key tells which payments are rebalances.

        Raises `LndError`.
        """
        await self.client.connect()
        info = await self.client.info(INFO_S)
        self.client.own_key = info.pubkey
        return info

    async def pages(self, after: int = 0) -> AsyncGenerator[PaymentsPage, None]:
        """Yield the pages of all payments above an index, ascending, none of them empty; the connection must be open.

        Should pages overlap, which those of no lnd do, each payment comes once.
        A lost connection is opened again for up to `GIVE_UP_S`, then `LndError` is raised.
        """
        first, last = after, (await self._page(newest_first=True, limit=1)).last_index
        while True:
            page, rest_until_s = await self._timed_page(after=after)
            is_last = page.is_last
            page = page._replace(payments=tuple(each for each in page.payments if each.payment_index > after))
            if page.payments:
                after = page.payments[-1].payment_index
                self.last_read.extend(IndexedRun(each.run, each.payment_index) for each in page.payments)
                self.payments += len(page.payments)
                if self._display is not None:
                    self._display.show({self.name: CatchUpProgress(first, after, max(after, last), self.payments)})
                yield page
            if is_last:
                return
            await asyncio.sleep(max(0.0, rest_until_s - self._now_s()))

    async def oldest(self, from_ns: int, to_ns: int) -> Payment | None:
        """Return the first payment that was created between two times, lnd's clock, nanoseconds since 1970.

        None if there is none among the first, of which one page is read. Raises `LndError`.
        """
        page = await self._page()
        return next((each for each in page.payments if from_ns <= each.created_ns <= to_ns), None)

    async def newest(self) -> PaymentsPage:
        """Return the newest payments, as many as counting begins with. Raises `LndError`."""
        return await self._retry(self.calls.newest_payments)

    async def payment(self, payment_hash: str) -> Payment | None:
        """Return the present state of a payment; None if lnd doesn't know it. Raises `LndError`."""
        return await self._retry(partial(self.client.payment, payment_hash))

    async def pages_back(self, oldest_ns: int) -> AsyncGenerator[PaymentsPage, None]:
        """Yield pages, the newest payments first, until all of a page were created before `oldest_ns`.

        That is in nanoseconds since 1970, lnd's clock. Pages are as those of `pages`, each ascending. The progress is
        in seconds of lnd's past.
        """
        before, began_ns = 0, self._now().wall_ns
        while True:
            page, rest_until_s = await self._timed_page(after=before, newest_first=True)
            is_last = page.is_last
            if before:
                page = page._replace(payments=tuple(each for each in page.payments if each.payment_index < before))
            if not page.payments:
                return
            self.last_read.extend(IndexedRun(each.run, each.payment_index) for each in reversed(page.payments))
            before = page.payments[0].payment_index
            self.payments += len(page.payments)
            if self._display is not None:
                back_s = max(0, began_ns - page.payments[0].created_ns) // NS_PER_S
                progress = CatchUpProgress(0, back_s, max(0, began_ns - oldest_ns) // NS_PER_S, self.payments)
                self._display.show({self.name: progress})
            yield page
            if is_last or max(payment.created_ns for payment in page.payments) < oldest_ns:
                return
            await asyncio.sleep(max(0.0, rest_until_s - self._now_s()))

    async def _timed_page(self, *, after: int, newest_first: bool = False) -> tuple[PaymentsPage, float]:
        """Return a page, and until when lnd rests: as long as the page has taken, by the clock of `_now_s`."""
        asked_s = self._now_s()
        page = await self._page(after=after, newest_first=newest_first)
        took_s = self._now_s() - asked_s
        self.lnd_s += took_s
        return page, asked_s + 2 * took_s

    async def _page(self, *, after: int = 0, newest_first: bool = False, limit: int | None = None) -> PaymentsPage:
        list_payments = self.calls.list_payments
        return await self._retry(partial(list_payments, after=after, newest_first=newest_first, limit=limit))

    async def _retry(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what a call returns; open the connection again if it is lost. Raises `LndError`."""
        backoff, since_s = Backoff(max_s=LONGEST_DELAY_S), self._now_s()
        connected = True
        while True:
            try:
                if not connected:
                    await self.client.connect()
                    connected = True
                    await self._check_numbering()
                return await call()
            except Renumbered:
                raise
            except LndError as error:
                if error.state is NodeState.DENIED or self._now_s() - since_s > GIVE_UP_S:
                    raise
                if self._note is not None and backoff.failures == 0:
                    limit = format_duration(round(GIVE_UP_S))
                    self._note(f"{error.advice.removesuffix('.')}; trying again for up to {limit}")
                connected = False
            await asyncio.sleep(backoff.delay_s(0, 0))

    async def lists(self, read: Sequence[IndexedRun]) -> bool:
        """Return True if lnd still lists one of some payments, ascending, under its index: it hasn't numbered anew.

        One may be gone by itself, for lnd erases a failed payment when its hash is paid again. Raises `LndError`.
        """
        return await self._retry(partial(self._lists, read))

    async def _lists(self, read: Sequence[IndexedRun]) -> bool:
        page = await self.calls.list_payments(after=read[0].payment_index - 1, limit=len(read))
        return not {*read}.isdisjoint(IndexedRun(each.run, each.payment_index) for each in page.payments)

    async def _check_numbering(self) -> None:
        """Raise `Renumbered` if what was read and what comes now don't fit together."""
        read = sorted([*self.last_read][-CHECKED:], key=_INDEX)
        if read and not await self._lists(read):
            raise Renumbered

    def _now_s(self) -> float:
        return self._now().mono_ns / NS_PER_S
