"""The series of the past that have begun, and their values at the time that was counted last."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from exporter.backfill.ledger import PastLedger, Total
from exporter.metrics.past import PastMetrics, Series
from exporter.payments.labels import AmountBand, Kind, Reason
from exporter.payments.totals import Counter, Labels

FROM_START: Mapping[Counter, Collection[Labels]] = {
    Counter.SUCCEEDED: tuple((Kind.INVOICE, band) for band in AmountBand),
    Counter.FAILED: tuple((Kind.INVOICE, band, Reason.NO_ROUTE) for band in AmountBand),
}
"""What is written although it is zero. Rules add failures to successes, by amount: as long as one of them is absent,
so is their sum, and when it begins it would rise by all of the other at once."""


class Change(NamedTuple):
    """The new values of the series of one total."""

    total: Total
    values: Sequence[float]
    """In the order of `SeriesTable.series`; empty if the series have ended."""


class Changes(NamedTuple):
    """What changed from one step to the next."""

    begun: Sequence[Total]
    """Totals whose series begin with this step: all of them were zero before."""
    changed: Sequence[Change]
    """The totals with other values, also those that begin."""


class SeriesTable:
    """The series that are not zero, or haven't always been, and those of `FROM_START`: no more than the ledger has."""

    def __init__(self, metrics: PastMetrics, ledger: PastLedger) -> None:
        """Start without series."""
        self._from_start = {(kind, shown) for kind, own in FROM_START.items() for shown in metrics.shown(kind, own)}
        for kind, own in FROM_START.items():
            ledger.changed[kind].update(own)
        self._metrics = metrics
        self._ledger = ledger
        self._series: dict[Total, Sequence[Series]] = {}

    def series(self, total: Total) -> Sequence[Series]:
        """Return the series of a total that has begun: one of a counter, all of a histogram."""
        return self._series[total]

    def update(self) -> Changes:
        """Return what changed in the ledger since the last call."""
        begun, changed = list[Total](), list[Change]()
        for kind, labels in self._ledger.changed.items():
            for shown in self._metrics.shown(kind, labels):
                total, values = (kind, shown), self._metrics.values(kind, shown)
                if total in self._series:
                    if not values:
                        del self._series[total]
                elif any(values) or (values and total in self._from_start):
                    self._series[total] = self._metrics.series(kind, shown)
                    begun.append(total)
                else:
                    continue
                changed.append(Change(total, values))
            labels.clear()
        return Changes(begun, changed)

    def everything(self) -> Changes:
        """Return all series with their values, as if none had begun just now: for times that are not the first."""
        self._ledger.note_all()
        return Changes((), self.update().changed)
