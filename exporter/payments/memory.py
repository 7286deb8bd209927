"""What is remembered of runs that are over, so that late news of them is recognised and what is new is known to be.

Of the runs above the floor every one is either open or remembered here, so one that is neither is new. Of the runs
below it nothing is known but that they are history or have been counted.
"""

from collections import deque
from collections.abc import Iterable

from exporter.payments.payment import Payment, Run

REMEMBERED = 1000
"""Finished runs remembered for each node, about 300 kB: two pages of ListPayments."""
_FORGOTTEN_AT_ONCE = 100  # so that the oldest need not be looked for every time


class Memory:
    """The last finished runs, each with the index under which lnd last showed it, and the floor below them.

    An index of 0 is none: lnd shows the run no more.

    At most `REMEMBERED` + 100, and while a catch-up reads, or until the next look, also those that finish meanwhile.
    """

    def __init__(self) -> None:
        """Begin knowing nothing: everything is new."""
        self.indexes: dict[Run, int] = {}
        """The runs remembered, each with the index under which lnd last showed it."""
        self._full = REMEMBERED + _FORGOTTEN_AT_ONCE
        self.newest_us = 0
        """Creation of the newest run of all that have been seen, microseconds since 1970."""
        self.forgotten_us: deque[int] = deque(maxlen=_FORGOTTEN_AT_ONCE)
        """Creation of the runs forgotten last, microseconds since 1970: what is above the floor is younger."""
        self.floor_index = 0
        """`payment_index` above which all runs are known."""
        self.floor_us = 0
        """Creation time above which all runs are known, microseconds since 1970; used instead while `by_time`."""
        self.by_time = False
        """lnd's indexes no longer mean what they meant: only times tell what is new."""
        self.reading: int | None = None
        """How far lnd's payments have been read, None if nothing is left to read: nothing above is forgotten.

        Otherwise the floor would rise above what is unread.
        """

    def __len__(self) -> int:
        """Runs remembered."""
        return len(self.indexes)

    def add(self, run: Run, payment_index: int) -> None:
        """Remember a run that is over; when there are too many, the lowest go and the floor rises above them."""
        self.indexes[run] = payment_index
        self.saw(run)
        if len(self.indexes) >= self._full:
            self._forget()
            self._full = max(REMEMBERED, len(self.indexes)) + _FORGOTTEN_AT_ONCE

    def saw(self, run: Run) -> None:
        """Note that a run exists: one created after all others is surely new."""
        self.newest_us = max(self.newest_us, run.created_us)

    def is_new(self, payment: Payment) -> bool:
        """Return True if a run that is neither open nor remembered can only be a new one."""
        created_us = payment.run.created_us
        if created_us > self.newest_us:
            return True
        return created_us > self.floor_us if self.by_time else payment.payment_index > self.floor_index

    def check_numbering(self, payment: Payment) -> None:
        """Go by time if the newest run of all has an old index: lnd has begun to number anew."""
        if payment.run.created_us > self.newest_us and payment.payment_index <= self.floor_index:
            self.distrust_indexes()

    def recognise(self, payment: Payment) -> bool:
        """Return True if this very run is remembered, and note under which index lnd shows it now."""
        run = payment.run
        if run not in self.indexes or payment.malformed:
            return False
        self.indexes[run] = payment.payment_index
        return True

    def vouches(self, payments: Iterable[Payment]) -> bool:
        """True if one of the payments stands where it is remembered: lnd's indexes mean what they meant."""
        return any(self.indexes.get(p.run) == p.payment_index for p in payments)

    def distrust_indexes(self) -> None:
        """Go by time: the database was migrated, emptied or restored, and all indexes may have moved."""
        if not self.by_time:
            self.by_time = True
            if self.reading is not None:
                self.reading = 0  # in the new numbering nothing has been read
            # A run that lies below the floor may be old: of what was created after it most is history. So it is with
            # one that was created out of order, or with a clock that was behind.
            above = (run.created_us for run, index in self.indexes.items() if index > self.floor_index or not index)
            self.floor_us = max(min(above, default=self.newest_us), max(self.forgotten_us, default=0))

    def not_shown(self, runs: Iterable[Run]) -> None:
        """Lnd shows these no more: they have no index from now on, and are forgotten first."""
        self.indexes.update((run, 0) for run in runs if run in self.indexes)

    def trust_indexes(self, floor_index: int) -> None:
        """Go by index: every run above `floor_index` that exists by now is open, remembered or about to be read."""
        self.by_time = False
        self.floor_index = floor_index

    def _forget(self) -> None:
        """Drop the lowest and raise the floor above them."""
        lowest = sorted(self.indexes, key=lambda run: run.created_us if self.by_time else self.indexes[run])
        if self.reading is not None:  # of those that were read as many are kept: they vouch for the floor afterwards
            lowest = [run for run in lowest if self.indexes[run] <= self.reading]
        for run in lowest[: max(0, len(lowest) - REMEMBERED)]:
            payment_index = self.indexes[run]
            del self.indexes[run]
            self.forgotten_us.append(run.created_us)
            if self.by_time:
                self.floor_us = max(self.floor_us, run.created_us)
            else:
                self.floor_index = max(self.floor_index, payment_index)
