"""Counters and histograms that grow, and of which cheap copies can be taken: what hasn't changed is shared."""

from collections.abc import Collection

from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName, Labels, zero_counters, zero_histograms


class RunningTotals:
    """The totals of one node, by their labels. Their number is bounded by whoever chooses the labels."""

    def __init__(self) -> None:
        """Start with all totals at zero."""
        self.counters: dict[Counter, dict[Labels, int]] = zero_counters()
        self.histograms: dict[HistogramName, dict[Labels, Histogram]] = zero_histograms()
        self._own: set[Counter] = set(self.counters)
        """The counters of which no copy contains the series, so that they may be changed in place."""
        self._own_histograms: dict[HistogramName, dict[Labels, Histogram]] = {name: {} for name in HistogramName}
        """The same of the histograms, series by series: bounded by these."""

    def share(self) -> tuple[dict[Counter, dict[Labels, int]], dict[HistogramName, dict[Labels, Histogram]]]:
        """Return all counters and histograms as they are now: nothing changes them any more.

        What changes later is copied before (`_to_change`, `observe`), so two results share what hasn't changed between
        them: `is` tells.
        """
        self._own.clear()
        for series in self._own_histograms.values():
            series.clear()
        return self.counters.copy(), self.histograms.copy()

    def resume(
        self, counters: dict[Counter, dict[Labels, int]], histograms: dict[HistogramName, dict[Labels, Histogram]]
    ) -> None:
        """Continue from saved totals; series that were not saved start at zero."""
        for counter, totals in counters.items():
            self._to_change(counter).update(totals)
        for name, series in histograms.items():
            self.histograms[name] = self.histograms[name] | series  # not its own: copied before they change
            for labels in series:
                self._own_histograms[name].pop(labels, None)

    def count(self, counter: Counter, *labels: str, by: int = 1) -> None:
        """Add to a counter; with `by` 0 its series begins at 0, unless there is one."""
        series = self.counters[counter]
        if by or labels not in series:
            if counter not in self._own:
                series = self._to_change(counter)
            series[labels] = series.get(labels, 0) + by

    def observe(self, name: HistogramName, value: int, *labels: str) -> None:
        """Add one observation to a histogram."""
        (self._own_histograms[name].get(labels) or self._histogram(name, labels)).observe(value)

    def begin(self, name: HistogramName, *labels: str) -> None:
        """Let a series of a histogram begin without observations, unless there is one."""
        if labels not in self.histograms[name]:
            self._histogram(name, labels)

    def rename(self, kinds: Collection[Counter | HistogramName], names: Collection[str], to: str) -> None:
        """Add the totals whose first label is one of `names` to those with the first label `to`, and drop the former.

        So no sum over all of these labels falls.
        """
        for kind in kinds if names else ():
            if isinstance(kind, Counter):
                counter = self._to_change(kind)
                for labels in [labels for labels in counter if labels[0] in names]:
                    self.count(kind, to, *labels[1:], by=counter.pop(labels))
            else:
                for labels in [labels for labels in self.histograms[kind] if labels[0] in names]:
                    self._histogram(kind, (to, *labels[1:])).add(self.histograms[kind][labels])
                    self.histograms[kind] = {at: each for at, each in self.histograms[kind].items() if at != labels}
                    self._own_histograms[kind].pop(labels, None)

    def _to_change(self, counter: Counter) -> dict[Labels, int]:
        """Return the series of a counter, which may be changed: not those that `share` has returned, but a copy."""
        if counter not in self._own:
            self.counters[counter] = self.counters[counter].copy()
            self._own.add(counter)
        return self.counters[counter]

    def _histogram(self, name: HistogramName, labels: Labels) -> Histogram:
        """Return a series of a histogram, which may be changed; a few begin with their first observation."""
        own = self._own_histograms[name]
        if (histogram := own.get(labels)) is None:  # `share` has returned it
            before = self.histograms[name].get(labels)
            own[labels] = histogram = before.copy() if before else Histogram(EDGES[name])
            self.histograms[name] = self.histograms[name] | {labels: histogram}
        return histogram
