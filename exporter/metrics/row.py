"""The shape of the table of metrics: one row for each, with the words that may stand in its labels."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from exporter.payments.totals import Counter, HistogramName, Labels
from exporter.payments.view import View

LabelSets: TypeAlias = Mapping[str, type[StrEnum] | None]
"""The labels beside `node`, in the order of the ledger's tuples; None where the words are not a closed set of ours."""
Samples: TypeAlias = Iterable[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter of the ledger."""

    name: str
    labels: LabelSets
    shows: Counter
    help: str
    unit: int = 1
    """How many of the counted units make one exposed unit."""


@dataclass(frozen=True, slots=True)
class HistogramRow:
    """A histogram of the ledger."""

    name: str
    labels: LabelSets
    shows: HistogramName
    help: str


@dataclass(frozen=True, slots=True)
class GaugeRow:
    """A value of the present moment, read from a view; what has no value has no sample."""

    name: str
    labels: LabelSets
    read: Callable[[View], Samples]
    help: str


@dataclass(frozen=True, slots=True)
class ExporterRow:
    """A gauge of the exporter itself, without the label `node`."""

    name: str
    labels: LabelSets
    read: Callable[[], Samples]
    help: str


Row: TypeAlias = CounterRow | HistogramRow | GaugeRow | ExporterRow
