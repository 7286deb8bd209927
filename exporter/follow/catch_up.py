"""Finding what happened while nobody listened: where history ends, what the indexes mean, what began or ended."""

import structlog

from exporter.follow.questions import Questions
from exporter.payments.event import CaughtUp
from exporter.payments.labels import Lost, Mode, Source
from exporter.payments.node import Reading


class CatchUp:
    """Reads lnd's payments of one node. An index is only a way to read quickly, checked before it is trusted."""

    def __init__(self, questions: Questions) -> None:
        """Nothing is known yet."""
        self._questions = questions
        self._account = questions.account
        self._tracker = questions.account.tracker
        self._memory = questions.account.tracker.memory
        self._log = structlog.get_logger("exporter.follow").bind(node=questions.account.name)

    async def begin(self) -> None:
        """Learn where history ends: counting starts now, what is over by now is not read."""
        page = await self._questions.list(newest_first=True)
        whole = len(page.payments) < self._questions.page
        floor = 0 if whole else page.payments[0].payment_index - 1
        self._account.apply(self._tracker.begin(page.payments, floor, self._account.now()))
        self._log.info("counting begins", history_ends=page.last_index, in_flight=len(self._tracker.open))

    async def indexes_hold(self) -> bool:
        """True if lnd still shows a run that is known where it was; False also where none is known."""
        if self._memory.by_time:
            return False
        page = await self._questions.list(after=self._memory.floor_index)
        where = {run.run: run.payment_index for run in self._tracker.open.values()}
        return self._memory.vouches(page.payments) or any(where.get(p.run) == p.payment_index for p in page.payments)

    async def learn_indexes(self) -> None:
        """Read back from the newest payment until known ones show where the floor is in a new numbering."""
        self._memory.distrust_indexes()
        self._log.warning("lnd numbers its payments anew: reading back to known ones")
        floor, before, known, unread = 0, 0, 0, True
        not_shown = set(self._memory.indexes)
        while unread:
            page = await self._questions.list(after=before, newest_first=True)
            if not before:
                self._account.new_numbering(page.last_index)
            fresh = {p.run for p in page.payments if p.run.created_us > self._memory.floor_us}
            here = {p.run for p in page.payments if self._memory.is_over(p) or p.run in self._tracker.open}
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

    async def read(self, *, shown: bool = True) -> None:
        """Record what lnd lists above the floor and isn't known to be over; then ask for what is still unseen."""
        memory = self._memory
        memory.reading = first = memory.floor_index
        read = 0
        try:
            while True:
                asked = self._account.now()
                page = await self._questions.list(after=memory.reading)
                if not page.payments:
                    break
                self._account.apply([CaughtUp(len(page.payments))])
                for payment in page.payments:
                    if not memory.is_over(payment):
                        self._account.record(payment, Source.LIST, asked)
                memory.reading = page.payments[-1].payment_index
                if not read and len(page.payments) >= self._questions.page:
                    await self._questions.list(newest_first=True, limit=1)  # how far it is to the end
                read += len(page.payments)
                if shown:
                    self._account.set_status(reading=Reading(first, memory.reading, self._account.table, read))
        finally:
            self._account.set_status(reading=None)
        if self._account.status.mode is not Mode.FINAL:  # else nobody tells what begins above
            memory.reading = None  # not before: what a catch-up that failed has not read is still to be read
        await self._questions.ask_for(self._tracker.unseen())
        self._questions.missing_because = Lost.DELETED  # what vanishes from here on
