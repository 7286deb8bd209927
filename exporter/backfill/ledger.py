"""The ledger of the past: it notes which totals changed, so that only those are written."""

from bisect import bisect_left
from collections.abc import Collection
from typing import TypeAlias

from exporter.payments.ledger import Ledger
from exporter.payments.totals import Counter, HistogramName, Labels

Total: TypeAlias = tuple[Counter | HistogramName, Labels]
"""One counter or one histogram: its name and the values of its labels."""
_RUNS = HistogramName.RUNS  # Python 3.11 takes longer to look up the member of an enum than a global name


class PastLedger(Ledger):
    """The totals of a node at one time of its past. It counts as every ledger; but nobody may take copies of it."""

    def __init__(self, max_peers: int) -> None:
        """Start at zero; `max_peers` is that of the exporter."""
        super().__init__(max_peers)
        names: tuple[Counter | HistogramName, ...] = (*self.counters, *self.histograms)
        self.changed = {name: set[Labels]() for name in names}
        """The labels of the totals that may have changed, or may be gone, since whoever reads this emptied it."""
        # One look-up finds both what is counted and what is noted.
        self._noted_counters = {counter: (self.counters[counter], self.changed[counter]) for counter in self.counters}
        self._noted_histograms = {name: (own, self.changed[name]) for name, own in self._own_histograms.items()}

    def count(self, counter: Counter, *labels: str, by: int = 1) -> None:
        """Add to a counter."""
        series, changed = self._noted_counters[counter]
        try:
            series[labels] += by
        except KeyError:
            series[labels] = by
        changed.add(labels)

    def observe(self, name: HistogramName, value: int, *labels: str) -> None:
        """Add one observation to a histogram; not to that of runs, for lnd has erased earlier runs of a hash."""
        if name is _RUNS:
            return
        own, changed = self._noted_histograms[name]
        histogram = own.get(labels) or self._histogram(name, labels)
        histogram.buckets[bisect_left(histogram.edges, value)] += 1
        histogram.total += value
        changed.add(labels)

    def rename(self, kinds: Collection[Counter | HistogramName], names: Collection[str], to: str) -> None:
        """Add totals to those with another label; they are gone then, which is a change, too."""
        for kind in kinds if names else ():
            series = self.counters[kind] if isinstance(kind, Counter) else self.histograms[kind]
            self.changed[kind].update(labels for labels in series if labels[0] in names or labels[0] == to)
        super().rename(kinds, names, to)

    def note_all(self) -> None:
        """Take all totals for changed."""
        for counter, totals in self.counters.items():
            self.changed[counter].update(totals)
        for name, histograms in self.histograms.items():
            self.changed[name].update(histograms)
