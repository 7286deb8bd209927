"""The finished runs that are remembered, and the floor: so that late updates are recognised, and new runs known as new.

Every run above the floor is open or remembered here, so one that is neither is new. Of the runs below the floor nothing
is known, except that they are history or have been counted.
"""

from collections import deque
from collections.abc import Iterable
from operator import attrgetter

from exporter.payments.noted import NotedDict
from exporter.payments.payment import Payment, Run

REMEMBERED = 1000
"""Number of finished runs remembered for each node, about 300 kB: two pages of ListPayments."""
_FORGOTTEN_AT_ONCE = 100  # so that they needn't be sorted each time
_CREATED_US = attrgetter("created_us")


class FinishedRuns:
    """The last finished runs, each with the index under which lnd last showed it, and the floor below them.

    An index of 0 means that lnd doesn't show the run any more.

    At most `REMEMBERED` + 100 are remembered. While a catch-up reads, and until the next one where that is how new runs
    are found, also all that finish meanwhile.
    """

    def __init__(self) -> None:
        """Start without any run, and with the floor at 0: every run is new."""
        self.indexes: NotedDict[Run, int] = NotedDict()
        """The `payment_index` under which lnd last showed each remembered run."""
        self._full = REMEMBERED + _FORGOTTEN_AT_ONCE
        self.newest_us = 0
        """Creation of the newest run ever seen, microseconds since 1970."""
        self.forgotten_us: deque[int] = deque(maxlen=_FORGOTTEN_AT_ONCE)
        """Creation of the runs forgotten last, microseconds since 1970: runs above the floor are younger."""
        self.floor_index = 0
        """The `payment_index` above which all runs are known."""
        self.floor_us = 0
        """The creation time above which all runs are known, microseconds since 1970; used only while `by_time`."""
        self.by_time = False
        """True while lnd's indexes can't be trusted: creation times decide which runs are new."""
        self.read_up_to: int | None = None
        """The `payment_index` up to which a catch-up has read, None if nothing is left to read.

        Runs above it aren't forgotten, or the floor would rise above runs that have not been read.
        """

    def __len__(self) -> int:
        """Return the number of runs remembered."""
        return len(self.indexes)

    def add(self, run: Run, payment_index: int) -> None:
        """Remember a finished run. If there are too many, forget the lowest and raise the floor above them."""
        self.indexes[run] = payment_index
        self.note_created(run)
        if len(self.indexes) >= self._full:
            self._forget()
            self._full = max(REMEMBERED, len(self.indexes)) + _FORGOTTEN_AT_ONCE

    def note_created(self, run: Run) -> None:
        """Note that a run exists: one created after all others is certainly new."""
        self.newest_us = max(self.newest_us, run.created_us)

    def is_new(self, payment: Payment) -> bool:
        """Return True if a run that is neither open nor remembered must be new."""
        created_us = payment.run.created_us
        if created_us > self.newest_us:
            return True
        return created_us > self.floor_us if self.by_time else payment.payment_index > self.floor_index

    def check_numbering(self, payment: Payment) -> None:
        """Go by creation time if the newest run of all has an index below the floor: lnd has begun to number anew."""
        if payment.run.created_us > self.newest_us and payment.payment_index <= self.floor_index:
            self.go_by_time()

    def recognise(self, payment: Payment) -> bool:
        """Return True if this run is remembered, and note the index under which lnd shows it now."""
        run = payment.run
        if run not in self.indexes or payment.malformed:
            return False
        self.indexes[run] = payment.payment_index
        return True

    def confirms_numbering(self, payments: Iterable[Payment]) -> bool:
        """Return True if one of the payments still has the index that is remembered of it: lnd hasn't renumbered."""
        return any(self.indexes.get(p.run) == p.payment_index for p in payments)

    def go_by_time(self) -> None:
        """Go by creation time: the database was migrated, emptied or restored, and all indexes may have changed."""
        if not self.by_time:
            self.by_time = True
            if self.read_up_to is not None:
                self.read_up_to = 0  # in the new numbering nothing has been read
            # Only runs above the floor show where it is. One below it may be old, with history created after it. A run
            # above it may be old by its time, too, if it was created out of order or with a clock that was behind:
            # therefore never lower than the runs that were forgotten last.
            above = (run.created_us for run, index in self.indexes.items() if index > self.floor_index or not index)
            self.floor_us = max(min(above, default=self.newest_us), max(self.forgotten_us, default=0))

    def drop_indexes(self, runs: Iterable[Run]) -> None:
        """Note that lnd doesn't show these runs any more: they lose their index, and are forgotten first."""
        self.indexes.update((run, 0) for run in runs if run in self.indexes)

    def go_by_index(self, floor_index: int) -> None:
        """Go by index: every run above `floor_index` that exists by now is open, remembered or about to be read."""
        self.by_time = False
        self.floor_index = floor_index

    def _forget(self) -> None:
        """Forget the lowest runs, except `REMEMBERED`, and raise the floor above them."""
        lowest = sorted(self.indexes, key=_CREATED_US if self.by_time else self.indexes.__getitem__)
        if self.read_up_to is not None:  # `REMEMBERED` of those read are kept: their indexes confirm the floor later
            lowest = [run for run in lowest if self.indexes[run] <= self.read_up_to]
        for run in lowest[: max(0, len(lowest) - REMEMBERED)]:
            payment_index = self.indexes.pop(run)
            self.forgotten_us.append(run.created_us)
            if self.by_time:
                self.floor_us = max(self.floor_us, run.created_us)
            else:
                self.floor_index = max(self.floor_index, payment_index)
