"""Find out what happened while no stream was up: where history ends, what the indexes mean, what began or ended."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from exporter.follow.calls import Calls, in_steps
from exporter.follow.per_payment import OVERLAP
from exporter.payments.event import CatchUpPageRead
from exporter.payments.labels import Lost, Mode, Source
from exporter.payments.node import CatchUpProgress
from exporter.payments.payment import Payment, Run


class IndexedRun(NamedTuple):
    """A run and the index under which lnd has listed it."""

    run: Run
    payment_index: int


class CatchUp:
    """Reads the payments of one node. An index only makes reading quick; it is checked before it is trusted."""

    def __init__(self, calls: Calls) -> None:
        """Start without anything read."""
        self._calls = calls
        self._account = calls.account
        self._tracker = calls.account.tracker
        self._finished = calls.account.tracker.finished
        self._log = structlog.get_logger("exporter.follow").bind(node=calls.account.name)
        self._newest: dict[Run, Payment] = {}  # read by a session that was lost before counting began
        self._last_read: list[IndexedRun] = []  # the last runs read upwards, at most `OVERLAP` + 1, ascending

    async def begin(self) -> None:
        """Begin counting: learn which payments are in flight, and where the history below them ends."""
        page = await self._calls.newest_payments(self._newest)
        self._newest.clear()
        floor = 0 if page.is_last else page.payments[0].payment_index - 1
        self._account.apply(self._tracker.begin(page.payments, floor, self._account.now()))
        self._log.info("counting begins", history_ends=page.last_index, in_flight=len(self._tracker.open))

    async def indexes_hold(self) -> bool:
        """Return True if lnd lists a known run under its known index; False also if no run is known."""
        if self._finished.by_time or not (len(self._finished) or self._tracker.open):
            return False
        indexes = {run.run: run.payment_index for run in self._tracker.open.values()}
        after, checked = await self._start_index(), 0
        if after > self._finished.floor_index:
            return True
        while checked < self._calls.page_size.most:
            page = await self._calls.list_payments(after=after)
            if self._finished.confirms_numbering(page.payments) or any(
                indexes.get(p.run) == p.payment_index for p in page.payments
            ):
                return True
            if page.is_last:
                break
            after, checked = page.payments[-1].payment_index, checked + len(page.payments)
        return False

    async def learn_indexes(self) -> None:
        """Read back from the newest payment until known runs show where the floor is in a new numbering."""
        self._finished.go_by_time()
        self._last_read.clear()
        self._log.warning("lnd numbers its payments anew: reading back to known ones")
        floor, before, known_count, unread = 0, 0, 0, True
        not_listed = set(self._finished.indexes)
        while unread:
            page = await self._calls.list_payments(after=before, newest_first=True)
            if not before:
                self._account.reset_numbering(page.last_index)
            fresh = {p.run for p in page.payments if p.run.created_us > self._finished.floor_us}
            known = {p.run for p in page.payments if self._finished.recognise(p) or p.run in self._tracker.open}
            not_listed -= known
            history = [p.payment_index for p in page.payments if p.run not in fresh and p.run not in known]
            floor = max([floor, *history])
            known_count += len(known)
            before = page.payments[0].payment_index if page.payments else 0
            unread = (bool(fresh) or not history) and before > 1
        self._finished.drop_indexes(not_listed)
        self._finished.go_by_index(floor)
        self._calls.not_found_cause = Lost.DELETED if known_count else Lost.DATABASE_RENEWED
        self._log.warning("numbering learnt", history_ends=floor, known=known_count)

    async def read(self, *, show_progress: bool = True) -> None:
        """Record the payments above the floor that are not known to be over, then request those still unseen by hash.

        Reading ends just beyond the payment that is the newest after the first page. Later ones are left to the stream:
        pages that chase live payments would show their ends, without failed attempts, before the stream does.
        """
        finished = self._finished
        finished.read_up_to = finished.floor_index
        finished.read_up_to = first = await self._start_index()
        read, end = 0, None
        try:
            while (
                end is None or finished.read_up_to <= end or finished.by_time
            ):  # after renumbering `end` is not a bound
                asked = self._account.now()
                page = await self._calls.list_payments(after=finished.read_up_to)
                if not page.payments:
                    break
                self._account.apply([CatchUpPageRead(len(page.payments))])
                async for payments in in_steps(page):
                    for payment in payments:
                        if not finished.recognise(payment):
                            self._account.record(payment, Source.LIST, asked)
                self._note_read(finished.read_up_to, page.payments)
                finished.read_up_to = page.payments[-1].payment_index
                if end is None:
                    newest = page if page.is_last else await self._calls.list_payments(newest_first=True, limit=1)
                    end = newest.last_index
                read += len(page.payments)
                if show_progress:
                    self._account.set_status(
                        reading=CatchUpProgress(first, finished.read_up_to, self._account.payment_count, read)
                    )
        finally:
            self._account.set_status(reading=None)
        if self._account.status.mode is not Mode.FINAL:  # with final updates only, new runs are seen only in lists
            finished.read_up_to = None  # only now: after a failed catch-up the rest is still to be read
        await self._calls.fetch_unseen()
        self._calls.not_found_cause = Lost.DELETED  # for payments that vanish from here on

    async def refresh(self) -> None:
        """Request what the stream has not shown since the catch-up."""
        if self._finished.by_time:
            await self.learn_indexes()
            await self.read()
        elif self._finished.read_up_to is not None:
            await self._read_new()  # no stream shows new runs, or none has so far
        else:
            # The stream has shown all others: these wait for a second answer, or for the end of lnd's scan.
            await self._calls.fetch_unseen()

    async def _read_new(self) -> None:
        """List again where no stream shows new runs. If lnd on SQL has no payments left, it numbers from 1 again."""
        before = self._finished.read_up_to
        await self.read(show_progress=False)
        if before and self._finished.read_up_to == self._finished.floor_index < before:
            await self.learn_indexes()
            await self.read()

    async def _start_index(self) -> int:
        """Return the index up to which nothing need be read: the floor, or higher if this process has read above it.

        The last `OVERLAP` payments are read again, and all of them if the one below has another index now: lnd on SQL
        gives the index of an erased payment to the next one, and may show a payment later than one with a higher index.
        """
        floor = self._finished.floor_index
        if len(self._last_read) <= OVERLAP or self._last_read[0].payment_index <= floor or self._finished.by_time:
            return floor
        lowest = self._last_read[0]
        page = await self._calls.list_payments(after=lowest.payment_index - 1, limit=1)
        unmoved = page.payments and (page.payments[0].run, page.payments[0].payment_index) == lowest
        return lowest.payment_index if unmoved else floor

    def _note_read(self, after: int, payments: Sequence[Payment]) -> None:
        """Remember the indexes of payments listed above `after`, in place of those that were read there before."""
        last = payments[-1].payment_index
        others = [indexed for indexed in self._last_read if not after < indexed.payment_index <= last]
        listed = [IndexedRun(payment.run, payment.payment_index) for payment in payments[-OVERLAP - 1 :]]
        self._last_read = sorted([*others, *listed], key=lambda indexed: indexed.payment_index)[-OVERLAP - 1 :]
