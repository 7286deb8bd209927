"""What is remembered of runs that are over, so that late news of them is recognised and what is new is known to be.

Of the runs above the floor every one is either open or remembered here, so one that is neither is new. Of the runs
below it nothing is known but that they are history or have been counted.
"""

from collections.abc import Iterable
from typing import NamedTuple

from exporter.payments.payment import Payment, Run

REMEMBERED = 1000
"""Finished runs remembered for each node, about 300 kB: two pages of ListPayments."""
_FORGOTTEN_AT_ONCE = 100  # so that the oldest need not be looked for every time


class Witness(NamedTuple):
    """A finished run, and the index under which lnd last showed it."""

    run: Run
    payment_index: int


class Memory:
    """The last finished runs by hash and the floor below them.

    At most `REMEMBERED` + 100, and while a catch-up reads also those that finish meanwhile.
    """

    def __init__(self) -> None:
        """Begin knowing nothing: everything is new."""
        self._witnesses: dict[str, Witness] = {}
        self._newest_us = 0
        self.floor_index = 0
        """`payment_index` above which all runs are known."""
        self.floor_us = 0
        """Creation time above which all runs are known, microseconds since 1970; used instead while `by_time`."""
        self.by_time = False
        """lnd's indexes no longer mean what they meant: only times tell what is new."""
        self.reading: int | None = None
        """How far a catch-up has read: nothing above is forgotten, or the floor would rise above what is unread."""

    def __len__(self) -> int:
        """Runs remembered."""
        return len(self._witnesses)

    def get(self, payment_hash: str) -> Witness | None:
        """The last finished run of a hash."""
        return self._witnesses.get(payment_hash)

    def add(self, run: Run, payment_index: int) -> None:
        """Remember a run that is over; when there are too many, the lowest go and the floor rises above them."""
        self._witnesses[run.payment_hash] = Witness(run, payment_index)
        self.saw(run)
        if len(self._witnesses) >= REMEMBERED + _FORGOTTEN_AT_ONCE:
            self._forget()

    def saw(self, run: Run) -> None:
        """Note that a run exists: one created after all others is surely new."""
        self._newest_us = max(self._newest_us, run.created_us)

    def is_new(self, payment: Payment) -> bool:
        """True if a run that is neither open nor remembered can only be a new one."""
        created_us = payment.run.created_us
        if created_us > self._newest_us:
            if payment.payment_index <= self.floor_index:
                self.distrust_indexes()  # the newest run of all has an old index: lnd has started to number anew
            return True
        return created_us > self.floor_us if self.by_time else payment.payment_index > self.floor_index

    def is_over(self, payment: Payment) -> bool:
        """True if this very run is remembered; its index is followed where lnd shows it under another one."""
        witness = self._witnesses.get(payment.payment_hash)
        if witness is None or witness.run != payment.run:
            return False
        if witness.payment_index != payment.payment_index:
            self._witnesses[payment.payment_hash] = witness._replace(payment_index=payment.payment_index)
        return True

    def vouches(self, payments: Iterable[Payment]) -> bool:
        """True if one of the payments stands where it is remembered: lnd's indexes mean what they meant."""
        return any(self._witnesses.get(p.payment_hash) == Witness(p.run, p.payment_index) for p in payments)

    def distrust_indexes(self) -> None:
        """Go by time: the database was migrated, emptied or restored, and all indexes may have moved."""
        if not self.by_time:
            self.by_time = True
            self.floor_us = min((witness.run.created_us for witness in self._witnesses.values()), default=0)

    def trust_indexes(self, floor_index: int) -> None:
        """Go by index: every run above `floor_index` that exists by now is open, remembered or about to be read."""
        self.by_time = False
        self.floor_index = floor_index

    def _forget(self) -> None:
        """Drop the lowest and raise the floor above them."""
        if self.by_time:
            lowest = sorted(self._witnesses.values(), key=lambda witness: witness.run.created_us)
        else:
            lowest = sorted(self._witnesses.values(), key=lambda witness: witness.payment_index)
        for witness in lowest[:_FORGOTTEN_AT_ONCE]:
            if self.reading is not None and witness.payment_index > self.reading:
                break
            del self._witnesses[witness.run.payment_hash]
            if self.by_time:
                self.floor_us = max(self.floor_us, witness.run.created_us)
            else:
                self.floor_index = max(self.floor_index, witness.payment_index)
