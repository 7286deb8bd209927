"""Which metrics the past can tell, and the names, labels and values of their series."""

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from exporter.metrics.groups import Group
from exporter.metrics.names import node_rows
from exporter.metrics.row import CounterRow, HistogramRow
from exporter.metrics.samples import edge_texts, line
from exporter.payments.running_totals import RunningTotals
from exporter.payments.totals import UNIT, Counter, HistogramName, Labels

Metric: TypeAlias = Counter | HistogramName

ALWAYS: frozenset[Metric] = frozenset(
    {
        Counter.STARTED,
        Counter.SUCCEEDED,
        Counter.SUCCEEDED_LATE,
        Counter.SUCCEEDED_LATE_MSAT,
        Counter.FAILED,
        Counter.FAILED_BY_CAUSE,
        Counter.SENT,
        Counter.FEES,
        Counter.FAILED_MSAT,
        Counter.ATTEMPTS_SETTLED,
        Counter.PEER_SENT,
        Counter.PEER_FEES,
        Counter.PEER_FEES_BY_PURPOSE,
        Counter.PEER_REBALANCED_IN,
        Counter.PEER_REBALANCED_IN_FEES,
        Counter.DESTINATION_ENDED,
        Counter.DESTINATION_SENT,
        Counter.DESTINATION_FEES,
        HistogramName.FEE,
        HistogramName.FEE_PPM,
        HistogramName.DURATION,
        HistogramName.PARTS,
        HistogramName.DESTINATION_DURATION,
    }
)
"""What lnd's list of payments tells of every payment that ended."""

WITH_ATTEMPTS: frozenset[Metric] = frozenset(
    {
        Counter.ATTEMPTS_STARTED,
        Counter.ATTEMPTS_FAILED,
        Counter.ATTEMPTS_UNRESOLVED,
        Counter.LOCKED_MSAT_MS,
        Counter.PEER_ATTEMPTS,
        Counter.PEER_OUTSTANDING_MS,
        HistogramName.ATTEMPT_DURATION,
        HistogramName.ATTEMPT_HOPS,
    }
)
"""What it tells only if lnd keeps failed attempts (`keep-failed-payment-attempts`): else shares would be of successes.

All others are about what nobody watched: changes of status, payments in flight, runs that lnd has erased for a later
one of their hash, the stream, and the exporter. So are attempts per payment: a success without failed attempts may have
had some that lnd deleted, so it is left out, and the payments that remain needed more attempts than most.
"""


class Series(NamedTuple):
    """A series: its name and its labels, in alphabetical order."""

    name: str
    labels: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The series as it begins a line of an exposition: `name{label="value",...}`."""
        return line(self.name, dict(self.labels), 0).rpartition(" ")[0]


class PastMetrics:
    """The metrics of one node's past."""

    def __init__(
        self, totals: RunningTotals, labels: Mapping[str, str], without: Collection[Group], *, attempts: bool
    ) -> None:
        """Show `totals`, which grow. `labels` are those that all series have, `node` among them.

        Groups of series may be left out, as on a page; `attempts` tells whether lnd keeps failed attempts.
        """
        self._totals = totals
        self._common = labels
        shown = ALWAYS | WITH_ATTEMPTS if attempts else ALWAYS
        rows = (row for row in node_rows(without) if isinstance(row, CounterRow | HistogramRow) and row.shows in shown)
        self._rows: dict[Metric, CounterRow | HistogramRow] = {row.shows: row for row in rows}

    def shown(self, kind: Metric, changed: Collection[Labels]) -> Collection[Labels]:
        """Return the labels of the series that show these totals; several totals may be shown by one series."""
        row = self._rows.get(kind)
        if row is None:
            return ()
        if isinstance(row, CounterRow) and (row.summed or row.only):
            return row.shown(dict.fromkeys(changed, 0)).keys()
        return changed

    def series(self, kind: Metric, labels: Labels) -> Sequence[Series]:
        """Return the series of a counter (one) or a histogram (its buckets, count and sum)."""
        row = self._rows[kind]
        names = row.shown_labels if isinstance(row, CounterRow) else tuple(row.labels)
        own = {**self._common, **dict(zip(names, labels, strict=True))}
        if isinstance(row, CounterRow):
            return (_series(row.name, own),)
        buckets = (_series(f"{row.name}_bucket", {**own, "le": edge}) for edge in edge_texts(row.shows))
        return (*buckets, _series(f"{row.name}_count", own), _series(f"{row.name}_sum", own))

    def values(self, kind: Metric, labels: Labels) -> Sequence[float]:
        """Return their values; none if the totals are gone, as those of a peer that has lost its place."""
        row = self._rows[kind]
        if isinstance(row, HistogramRow):
            histogram = self._totals.histograms[row.shows].get(labels)
            if histogram is None:
                return ()
            values: list[float] = [*accumulate(histogram.buckets)]
            values += (values[-1], histogram.total / UNIT.get(row.shows, 1))
            return values
        totals: Mapping[Labels, int] = self._totals.counters[row.shows]
        if row.summed:
            totals = row.shown(totals)
        total = totals.get((*labels, row.only) if row.only else labels)
        return () if total is None else (total if row.unit == 1 else total / row.unit,)


def _series(name: str, labels: Mapping[str, str]) -> Series:
    return Series(name, tuple(sorted(labels.items())))
