"""Groups of destinations that the operator has named: which one a payment belongs to, and what is counted for each."""

from collections.abc import Collection, Mapping

from exporter.payments.ended import RunOutcome
from exporter.payments.event import Ending
from exporter.payments.labels import FORMER_DESTINATIONS, OTHER_DESTINATIONS, Cause, EndCause, Lost, Outcome
from exporter.payments.payment import Payment
from exporter.payments.run import OpenRun
from exporter.payments.running_totals import RunningTotals
from exporter.payments.totals import Counter, HistogramName

DESTINATION_TOTALS: tuple[Counter | HistogramName, ...] = (
    Counter.DESTINATION_ENDED,
    Counter.DESTINATION_SENT,
    Counter.DESTINATION_FEES,
    HistogramName.DESTINATION_DURATION,
)
"""Counters and the histogram whose first label is a destination."""


class Recipients:
    """What is remembered of the recipients of open runs: the key, if it may be, and the group."""

    def __init__(self) -> None:
        """Start without groups."""
        self.kept = True
        """Whether the open runs remember who the recipient is."""
        self.groups: Mapping[str, str] = {}
        """The name of the group of each key that is in one."""

    def note(self, run: OpenRun, payment: Payment) -> Payment:
        """Note in which group the recipient is; return the snapshot, without the recipient if it isn't to be kept.

        Each snapshot decides anew, so a run that is open while the groups change follows them. Where the recipient was
        never seen, or isn't kept, only the payment request tells it, which is asked when the run ends.
        """
        if self.groups:
            if recipient := payment.destination or run.destination:
                run.group = self.groups.get(recipient, "")
            elif payment.payee_among is not None and run.terminal is None:  # takes long: once a run
                run.group = self.groups.get(payment.payee_among(self.groups), "")
        return payment if self.kept else payment.without_destination()


class DestinationTotals:
    """The totals by destination of one node: the groups, at most 50 by the configuration, `other` and `former`."""

    def __init__(self, totals: RunningTotals) -> None:
        """Count nothing by destination; `totals` is where it will be."""
        self._totals = totals
        self._names: Collection[str] = ()

    def use(self, names: Collection[str]) -> None:
        """Count for these groups from now on; without any nothing is counted by destination.

        The totals of groups that aren't among them are added to `former`, and new ones begin at 0.
        """
        self._names = frozenset(names)
        known = {name for (name,) in self._totals.counters[Counter.DESTINATION_SENT]}
        gone = known - self._names - {OTHER_DESTINATIONS, FORMER_DESTINATIONS}
        self._totals.rename(DESTINATION_TOTALS, gone, FORMER_DESTINATIONS)
        for name in (*sorted(self._names), OTHER_DESTINATIONS) if names else ():
            self._begin(name)

    def count_succeeded(self, ending: Ending) -> None:
        """Count a run that succeeded."""
        if self._names:
            name = self._count(ending, RunOutcome.SUCCEEDED, EndCause.NONE)
            self._totals.count(Counter.DESTINATION_SENT, name, by=ending.value_msat)
            self._totals.count(Counter.DESTINATION_FEES, name, by=ending.fee_msat)
            self._observe(ending, name, Outcome.SUCCEEDED)

    def count_failed(self, ending: Ending, cause: Cause) -> None:
        """Count a run that failed."""
        if self._names:
            name = self._count(ending, RunOutcome.FAILED, cause)
            self._observe(ending, name, Outcome.FAILED)

    def count_lost(self, ending: Ending, cause: Lost) -> None:
        """Count a run that was lost."""
        if self._names:
            self._count(ending, RunOutcome.LOST, cause)

    def _begin(self, name: str) -> None:
        """Let the series of a destination begin at 0, except those of lost payments, which most nodes never have."""
        self._totals.count(Counter.DESTINATION_ENDED, name, RunOutcome.SUCCEEDED, EndCause.NONE, by=0)
        for cause in Cause:
            self._totals.count(Counter.DESTINATION_ENDED, name, RunOutcome.FAILED, cause, by=0)
        self._totals.count(Counter.DESTINATION_SENT, name, by=0)
        self._totals.count(Counter.DESTINATION_FEES, name, by=0)
        for outcome in Outcome:
            self._totals.begin(HistogramName.DESTINATION_DURATION, name, outcome)

    def _count(self, ending: Ending, outcome: RunOutcome, cause: str) -> str:
        """Count a run; return its label. A run may be of a group that has left the configuration."""
        name = ending.group if ending.group in self._names else OTHER_DESTINATIONS
        self._totals.count(Counter.DESTINATION_ENDED, name, outcome, cause)
        return name

    def _observe(self, ending: Ending, name: str, outcome: Outcome) -> None:
        if ending.duration_ns is not None:
            self._totals.observe(HistogramName.DESTINATION_DURATION, ending.duration_ns, name, outcome)
