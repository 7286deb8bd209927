"""What is remembered of runs that are over, so that late news of them is recognised and what is new is known to be.

Of the runs created after the floor every one is either open or remembered here, so one that is neither is new.
Of the runs before it nothing is known but that they are history or have been counted.
"""

from collections.abc import Iterable
from typing import NamedTuple

from exporter.payments.payment import Payment, Run

REMEMBERED = 1000
"""Finished runs remembered for each node: two pages of ListPayments, about 250 kB."""


class Witness(NamedTuple):
    """A finished run, and the index under which lnd last showed it."""

    run: Run
    payment_index: int


class Floor(NamedTuple):
    """Where memory begins: what lies above in both respects, and isn't known, is new."""

    payment_index: int = 0
    created_us: int = 0
    """0 as long as lnd's numbering can be trusted."""


class Memory:
    """The last finished runs by hash, at most `REMEMBERED`, and the floor below them."""

    def __init__(self) -> None:
        """Begin knowing nothing: everything is new."""
        self._witnesses: dict[str, Witness] = {}
        self._history = 0  # highest index found to be history since numbers were distrusted
        self.floor = Floor()

    def __len__(self) -> int:
        """Runs remembered."""
        return len(self._witnesses)

    def get(self, payment_hash: str) -> Witness | None:
        """The last finished run of a hash."""
        return self._witnesses.get(payment_hash)

    def add(self, run: Run, payment_index: int) -> None:
        """Remember a run that is over; when there are too many, the floor rises above the oldest."""
        self._witnesses.pop(run.payment_hash, None)
        self._witnesses[run.payment_hash] = Witness(run, payment_index)
        while len(self._witnesses) > REMEMBERED:
            oldest = self._witnesses.pop(next(iter(self._witnesses)))
            self.floor = self.floor._replace(payment_index=max(self.floor.payment_index, oldest.payment_index))

    def is_new(self, payment: Payment) -> bool:
        """True if a run that is neither open nor remembered can only be a new one."""
        return payment.payment_index > self.floor.payment_index and payment.run.created_us > self.floor.created_us

    def renumbered(self, payment: Payment) -> None:
        """Follow lnd where it shows a remembered run under another index."""
        witness = self._witnesses.get(payment.payment_hash)
        if witness and witness.run == payment.run and witness.payment_index != payment.payment_index:
            self._witnesses[payment.payment_hash] = witness._replace(payment_index=payment.payment_index)

    def vouched(self, payments: Iterable[Payment]) -> bool:
        """True if one of the payments stands where it is remembered: lnd's numbering is the one we know."""
        return any(self._witnesses.get(p.payment_hash) == Witness(p.run, p.payment_index) for p in payments)

    def distrust_numbers(self) -> None:
        """Forget what indexes meant (the database was migrated, emptied or restored): only times tell what is new."""
        oldest = min((witness.run.created_us for witness in self._witnesses.values()), default=0)
        self.floor = Floor(payment_index=0, created_us=max(self.floor.created_us, oldest))
        self._history = 0

    def pass_by(self, payment: Payment) -> None:
        """Note a run that is history: in a new numbering the floor can't be below it."""
        self._history = max(self._history, payment.payment_index)

    def trust_numbers(self, read_down_to: int) -> None:
        """Take up a new numbering, read from its end down to an index."""
        self.floor = Floor(payment_index=max(self._history, read_down_to - 1, 0))
