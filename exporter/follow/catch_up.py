"""Finding what happened while nobody listened: where history ends, what the indexes mean, what began or ended."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from exporter.follow.one_by_one import OVERLAP
from exporter.follow.questions import Questions
from exporter.payments.event import CaughtUp
from exporter.payments.labels import Lost, Mode, Source
from exporter.payments.node import CatchUpProgress
from exporter.payments.payment import Payment, Run


class Place(NamedTuple):
    """Where a run stood in lnd's table."""

    run: Run
    payment_index: int


class CatchUp:
    """Reads lnd's payments of one node. An index is only a way to read quickly, checked before it is trusted."""

    def __init__(self, questions: Questions) -> None:
        """Nothing is known yet."""
        self._questions = questions
        self._account = questions.account
        self._tracker = questions.account.tracker
        self._memory = questions.account.tracker.memory
        self._log = structlog.get_logger("exporter.follow").bind(node=questions.account.name)
        self._newest: dict[Run, Payment] = {}  # read before counting began, by a session that was lost meanwhile
        self._read: list[Place] = []  # the last that were read upwards, `OVERLAP` + 1 at most, ascending

    async def begin(self) -> None:
        """Learn where history ends: counting starts now, what is over by now is not read."""
        page = await self._questions.newest(self._newest)
        self._newest.clear()
        floor = 0 if page.is_last else page.payments[0].payment_index - 1
        self._account.apply(self._tracker.begin(page.payments, floor, self._account.now()))
        self._log.info("counting begins", history_ends=page.last_index, in_flight=len(self._tracker.open))

    async def indexes_hold(self) -> bool:
        """True if lnd still shows a run that is known where it was; False also where none is known."""
        if self._memory.by_time or not (len(self._memory) or self._tracker.open):
            return False
        where = {run.run: run.payment_index for run in self._tracker.open.values()}
        after, looked_at = await self._unread_index(), 0
        if after > self._memory.floor_index:
            return True
        while looked_at < self._questions.page_size.most:
            page = await self._questions.list(after=after)
            if self._memory.vouches(page.payments) or any(where.get(p.run) == p.payment_index for p in page.payments):
                return True
            if page.is_last:
                break
            after, looked_at = page.payments[-1].payment_index, looked_at + len(page.payments)
        return False

    async def learn_indexes(self) -> None:
        """Read back from the newest payment until known ones show where the floor is in a new numbering."""
        self._memory.distrust_indexes()
        self._read.clear()
        self._log.warning("lnd numbers its payments anew: reading back to known ones")
        floor, before, known, unread = 0, 0, 0, True
        not_shown = set(self._memory.indexes)
        while unread:
            page = await self._questions.list(after=before, newest_first=True)
            if not before:
                self._account.new_numbering(page.last_index)
            fresh = {p.run for p in page.payments if p.run.created_us > self._memory.floor_us}
            here = {p.run for p in page.payments if self._memory.recognise(p) or p.run in self._tracker.open}
            not_shown -= here
            history = [p.payment_index for p in page.payments if p.run not in fresh and p.run not in here]
            floor = max([floor, *history])
            known += len(here)
            before = page.payments[0].payment_index if page.payments else 0
            unread = (bool(fresh) or not history) and before > 1
        self._memory.not_shown(not_shown)
        self._memory.trust_indexes(floor)
        self._questions.missing_because = Lost.DELETED if known else Lost.DATABASE_RENEWED
        self._log.warning("numbering learnt", history_ends=floor, known=known)

    async def look(self) -> None:
        """Read once more, where nobody tells what begins. Nothing left: lnd on SQL numbers from 1 then."""
        seen = self._memory.reading
        await self.read(shown=False)
        if seen and self._memory.reading == self._memory.floor_index < seen:
            await self.learn_indexes()
            await self.read()

    async def _unread_index(self) -> int:
        """Up to where nothing need be read: the floor, or higher where this process has read on before.

        The last `OVERLAP` payments are read again, and all if the one below them doesn't stand where it was: lnd on SQL
        gives the index of an erased payment to the next one, and may show a payment later than one with a higher index.
        """
        floor = self._memory.floor_index
        if len(self._read) <= OVERLAP or self._read[0].payment_index <= floor or self._memory.by_time:
            return floor
        place = self._read[0]
        page = await self._questions.list(after=place.payment_index - 1, limit=1)
        stands = page.payments and (page.payments[0].run, page.payments[0].payment_index) == place
        return place.payment_index if stands else floor

    def _note_places(self, after: int, payments: Sequence[Payment]) -> None:
        """Remember where the payments stand that were listed above `after`, instead of what was read there before."""
        last = payments[-1].payment_index
        others = [place for place in self._read if not after < place.payment_index <= last]
        places = [Place(payment.run, payment.payment_index) for payment in payments]
        self._read = sorted([*others, *places], key=lambda place: place.payment_index)[-OVERLAP - 1 :]

    async def read(self, *, shown: bool = True) -> None:
        """Record what lnd lists above the floor and isn't known to be over; then ask for what is still unseen.

        It ends just beyond the payment that is the newest after the first page. What begins later is told by others:
        pages that chase live payments show ends, without failed attempts, before the stream does.
        """
        memory = self._memory
        memory.reading = memory.floor_index
        memory.reading = first = await self._unread_index()
        read, end = 0, None
        try:
            while end is None or memory.reading <= end or memory.by_time:  # `end` is an index, too
                asked = self._account.now()
                page = await self._questions.list(after=memory.reading)
                if not page.payments:
                    break
                self._account.apply([CaughtUp(len(page.payments))])
                for payment in page.payments:
                    if not memory.recognise(payment):
                        self._account.record(payment, Source.LIST, asked)
                self._note_places(memory.reading, page.payments)
                memory.reading = page.payments[-1].payment_index
                if end is None:
                    newest = page if page.is_last else await self._questions.list(newest_first=True, limit=1)
                    end = newest.last_index
                read += len(page.payments)
                if shown:
                    self._account.set_status(
                        reading=CatchUpProgress(first, memory.reading, self._account.payment_count, read)
                    )
        finally:
            self._account.set_status(reading=None)
        if self._account.status.mode is not Mode.FINAL:  # else nobody tells what begins above
            memory.reading = None  # not before: what a catch-up that failed has not read is still to be read
        await self._questions.ask_for(self._tracker.unseen())
        self._questions.missing_because = Lost.DELETED  # what vanishes from here on
