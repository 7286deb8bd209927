"""The shape of the table of metrics: one row for each, with the words that may stand in its labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from exporter.payments.labels import Reset
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


class ExporterStatus(NamedTuple):
    """How the exporter itself is doing."""

    checkpoint_s: float | None = None
    """When the state on disk was last known to be all that is shown, seconds since 1970; None if nothing is kept."""
    checkpoint_failures: int = 0
    state_resets: Mapping[Reset, int] = MappingProxyType(dict.fromkeys(Reset, 0))


class PageData(NamedTuple):
    """All that one page shows, as it was at one instant."""

    views: Sequence[View]
    """The nodes; nobody changes them any more, so they may be rendered in another thread."""
    exporter: ExporterStatus = ExporterStatus()


@dataclass(frozen=True, slots=True)
class ExporterRow:
    """A value of the exporter itself, without the label `node`."""

    name: str
    labels: LabelSets
    read: Callable[[ExporterStatus], Samples]
    help: str
    counter: bool = False
    """True for a counter, else it is a gauge."""


Row: TypeAlias = CounterRow | HistogramRow | GaugeRow | ExporterRow
