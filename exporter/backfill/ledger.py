"""The ledger of the past: it notes which totals changed, so that only those are written."""

from bisect import bisect_left
from collections.abc import Collection
from typing import TypeAlias

from exporter.payments.ledger import Ledger
from exporter.payments.totals import Counter, HistogramName, Labels

Total: TypeAlias = tuple[Counter | HistogramName, Labels]
"""One counter or one histogram: its name and the values of its labels."""


class PastLedger(Ledger):
    """The totals of a node at one time of its past."""

    def __init__(self, max_peers: int) -> None:
        """Start at zero; `max_peers` is that of the exporter."""
        super().__init__(max_peers)
        self.changed: set[Total] = set()
        """The totals that may have changed, or may be gone, since whoever reads this emptied it."""

    def count(self, counter: Counter, *labels: str, by: int = 1) -> None:
        """Add to a counter: as the ledger does, but nobody takes copies of this one. For speed it does so itself."""
        series = self.counters[counter]
        if by or labels not in series:
            series[labels] = series.get(labels, 0) + by
            self.changed.add((counter, labels))

    def observe(self, name: HistogramName, value: int, *labels: str) -> None:
        """Add one observation to a histogram."""
        self.changed.add((name, labels))
        histogram = self._own_histograms[name].get(labels) or self._histogram(name, labels)
        histogram.buckets[bisect_left(histogram.edges, value)] += 1
        histogram.total += value

    def rename(self, kinds: Collection[Counter | HistogramName], names: Collection[str], to: str) -> None:
        """Add totals to those with another label; they are gone then, which is a change, too."""
        for kind in kinds if names else ():
            series = self.counters[kind] if isinstance(kind, Counter) else self.histograms[kind]
            self.changed.update((kind, labels) for labels in series if labels[0] in names or labels[0] == to)
        super().rename(kinds, names, to)

    def note_all(self) -> None:
        """Take all totals for changed."""
        for counter, totals in self.counters.items():
            self.changed.update((counter, labels) for labels in totals)
        for name, histograms in self.histograms.items():
            self.changed.update((name, labels) for labels in histograms)
