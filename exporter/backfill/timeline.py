"""Puts the facts of the past into steps of time, and counts each step once no payment can add to it any more.

Payments are read in the order of their indexes, which is that of their creation, but for seconds and for times when
lnd's clock was wrong. A step is closed as soon as a payment created later has been read: a fact that still comes for it
goes into the first open step instead. That depends on nothing but the payments and their order, so a reading that is
broken off and continued counts every fact in the same step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.backfill.ledger import PastLedger
from exporter.payments.event import Event
from exporter.payments.past import PastFact
from exporter.payments.payment import NS_PER_MS, NS_PER_S

SLACK_NS = 60 * NS_PER_S
"""A payment may have a lower index than one that was created up to this much earlier."""
EARLIEST_NS = 1_451_606_400 * NS_PER_S
"""Facts from before 2016, when there was no lnd yet, are from a wrong clock: they count in the first step of others.

Steps since then would be years without anything else.
"""
_BEFORE_ALL = 0
"""The number under which such facts are kept."""


class Restart(NamedTuple):
    """Where reading has to start again if it is broken off now."""

    payment_index: int
    """The lowest index of a payment that has a fact in an open step, or else of the next payment."""
    reached_ns: int
    """`Timeline.reached_ns` before that payment."""


@dataclass(slots=True)
class _Step:
    """The facts of a step that isn't counted yet."""

    restart: Restart
    """Of the first payment that has a fact in it: all others have higher indexes."""
    events: list[Event] = field(default_factory=list)


class Timeline:
    """The facts that are not counted yet: those of the payments of the last minute, and of HTLCs held for long."""

    def __init__(self, ledger: PastLedger, step_ns: int, *, counted: int = 0, reached_ns: int = 0) -> None:
        """Count into `ledger`, in steps of `step_ns`; step N ends at N times `step_ns` since 1970.

        To continue, `counted` is the last step that was counted, `reached_ns` that of its `Restart`.
        """
        self.ledger = ledger
        self.step_ns = step_ns
        self.counted = counted
        """The last step that was counted; 0 before the first."""
        self.reached_ns = reached_ns
        """Creation of the newest payment so far, lnd's clock, nanoseconds since 1970."""
        self.late = 0
        """Number of facts that were counted later than they happened, because their step was closed."""
        self._steps: dict[int, _Step] = {}

    @property
    def closed(self) -> int:
        """The last step that no payment adds to any more."""
        return max(self.counted, (self.reached_ns - SLACK_NS) // self.step_ns)

    def add(
        self, payment_index: int, created_ns: int, facts: Sequence[PastFact], latest_ns: int, *, again: bool = False
    ) -> None:
        """Take the facts of the next payment; `latest_ns` is a time after all of the past.

        A payment that was created later than that is from a wrong clock: it closes no step.
        With `again` it was taken before reading was broken off: then the facts that were counted are left out.
        """
        step_ns = self.step_ns
        earliest = max((self.reached_ns - SLACK_NS) // step_ns + 1, _BEFORE_ALL)
        if self.counted and not again:
            earliest = max(earliest, self.counted + 1)
        number, ends_ns, events = 0, -1, list[Event]()
        for at_ns, event in facts:
            if at_ns > ends_ns:  # times ascend: most facts are in the step of the one before
                number = -(-at_ns // step_ns)
                ends_ns = number * step_ns
                if at_ns < EARLIEST_NS:
                    number = _BEFORE_ALL
                events = self._events_of(max(number, earliest), payment_index)
            if number < earliest:
                self.late += 1
            events.append(event)
        if EARLIEST_NS <= created_ns <= latest_ns:
            self.reached_ns = max(self.reached_ns, created_ns)

    def _events_of(self, number: int, payment_index: int) -> list[Event]:
        """Return the facts of a step, to which those of this payment are added; of none that was counted."""
        if self.counted and number <= self.counted:
            return []
        step = self._steps.get(number)
        if step is None:
            self._steps[number] = step = _Step(Restart(payment_index, self.reached_ns))
        return step.events

    def count_closed(self) -> Iterator[int]:
        """Count the closed steps one by one; yield the time of each right after it, nanoseconds since 1970."""
        closed = self.closed
        if not self.counted and (first := self._first(closed + 1)) <= closed:
            self.counted = first - 1
        while self.counted and self.counted < closed:
            self._count(self.counted + 1)
            yield self.counted * self.step_ns

    def finish(self, ends_ns: int) -> Iterator[int]:
        """Count all that is left, whatever its time, as of `ends_ns`; yield times as `count_closed` does.

        The last time is `ends_ns`, or a millisecond after the last step if that is later; none if there is no fact.
        """
        last = ends_ns // self.step_ns
        if not self.counted and self._steps:
            self.counted = min(self._first(last), last) - 1
        while self.counted and self.counted < last:
            self._count(self.counted + 1)
            yield self.counted * self.step_ns
        for number in sorted(self._steps):
            self._apply(self._steps.pop(number).events, ends_ns)
        if self.counted:
            yield max(ends_ns, self.counted * self.step_ns + NS_PER_MS)

    def restart(self, next_index: int) -> Restart:
        """Return where to start again; `next_index` is one above the last payment that was read."""
        after_all = Restart(next_index, self.reached_ns)
        return min((step.restart for step in self._steps.values()), default=after_all)

    def _first(self, default: int) -> int:
        """Return the first step that has facts with a credible time."""
        return min((number for number in self._steps if number != _BEFORE_ALL), default=default)

    def _count(self, number: int) -> None:
        if (early := self._steps.pop(_BEFORE_ALL, None)) is not None:
            self._apply(early.events, number * self.step_ns)
        if (step := self._steps.pop(number, None)) is not None:
            self._apply(step.events, number * self.step_ns)
        self.counted = number

    def _apply(self, events: list[Event], at_ns: int) -> None:
        self.ledger.last_update_ns = at_ns  # the places of peers go by it
        self.ledger.apply(events)
