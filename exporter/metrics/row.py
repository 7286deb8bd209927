"""The types of the metrics table: a row per metric, with the closed set of values of each label."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from exporter.page import ExporterStatus
from exporter.payments.totals import Counter, HistogramName, Labels
from exporter.payments.view import View

LabelSets: TypeAlias = Mapping[str, type[StrEnum] | None]
"""The labels besides `node`, in the order of the ledger's tuples; None if the values are not a closed set."""
Samples: TypeAlias = Iterable[tuple[Labels, float]]


# A row equals only itself, so that it can be the key of a cache.
@dataclass(frozen=True, slots=True, eq=False)
class CounterRow:
    """A counter of the ledger."""

    name: str
    labels: LabelSets
    shows: Counter
    help: str
    unit: int = 1
    """How many counted units make one exposed unit."""
    summed: frozenset[str] = frozenset()
    """Labels that are left out of the page: series that differ in nothing else are added up."""
    only: str = ""
    """Of the ledger's series only those whose last label has this value are shown, without it; empty: all."""

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The labels of its series besides `node`."""
        return tuple(label for label in self.labels if label not in self.summed)

    def shown(self, series: Mapping[Labels, int]) -> Mapping[Labels, int]:
        """Return the totals by the labels that are shown, in counted units."""
        if self.only:
            series = {labels[:-1]: total for labels, total in series.items() if labels[-1] == self.only}
        if not self.summed:
            return series
        kept = [index for index, label in enumerate(self.labels) if label not in self.summed]
        totals: dict[Labels, int] = {}
        for labels, total in series.items():
            shown = tuple(labels[index] for index in kept)
            totals[shown] = totals.get(shown, 0) + total
        return totals


@dataclass(frozen=True, slots=True, eq=False)
class HistogramRow:
    """A histogram of the ledger."""

    name: str
    labels: LabelSets
    shows: HistogramName
    help: str


@dataclass(frozen=True, slots=True, eq=False)
class GaugeRow:
    """A current value, read from a view; an unknown value has no sample."""

    name: str
    labels: LabelSets
    read: Callable[[View], Samples]
    help: str


@dataclass(frozen=True, slots=True, eq=False)
class ExporterRow:
    """A value of the exporter itself, without the label `node`."""

    name: str
    labels: LabelSets
    read: Callable[[ExporterStatus], Samples]
    help: str
    counter: bool = False
    """True for a counter, False for a gauge."""


NodeRow: TypeAlias = CounterRow | HistogramRow | GaugeRow
Row: TypeAlias = NodeRow | ExporterRow
