"""Renders pages with the client library alone: what the exporter renders must be the same."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import assert_never

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.metrics.exposition import Format
from exporter.metrics.names import NOT_IN_FINAL_MODE, ROWS
from exporter.metrics.row import CounterRow, ExporterRow, GaugeRow, HistogramRow, Row
from exporter.page import PageData
from exporter.payments.labels import Mode
from exporter.payments.totals import UNIT
from exporter.payments.view import View


class PageCollector(Collector):
    """Collects the metrics of one page: those of `rows`, then those of the collector `process`."""

    def __init__(self, data: PageData, process: Collector | None = None, rows: Sequence[Row] = ROWS) -> None:
        """Take data that doesn't change any more: another thread may collect it."""
        self._data = data
        self._process = process
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        """Yield all families; one without samples (no peer seen yet) still has its name, type and help."""
        for row in self._rows:
            yield family(row, self._data)
        if self._process is not None:
            yield from self._process.collect()


def family(row: Row, data: PageData) -> Metric:
    """Return one metric with the samples of all nodes."""
    views, exporter = data
    if row.name in NOT_IN_FINAL_MODE:
        views = [view for view in views if view.status.mode is not Mode.FINAL]
    match row:
        case CounterRow():
            return _counter(row, views)
        case HistogramRow():
            return _histogram(row, views)
        case GaugeRow():
            gauge = GaugeMetricFamily(row.name, row.help, labels=("node", *row.labels))
            for view in views:
                for labels, value in row.read(view):
                    gauge.add_metric((view.node, *labels), value)
            return gauge
        case ExporterRow():
            family = CounterMetricFamily if row.counter else GaugeMetricFamily
            metric = family(row.name, row.help, labels=tuple(row.labels))
            for labels, value in row.read(exporter):
                metric.add_metric(labels, value)
            return metric
        case _:
            assert_never(row)


def _counter(row: CounterRow, views: Iterable[View]) -> Metric:
    counter = CounterMetricFamily(row.name, row.help, labels=("node", *row.shown_labels))
    for view in views:
        for labels, total in row.shown(view.counters[row.shows]).items():
            # Dividing integers rounds once, however large they are.
            counter.add_metric((view.node, *labels), total / row.unit)
    return counter


def _histogram(row: HistogramRow, views: Iterable[View]) -> Metric:
    family = HistogramMetricFamily(row.name, row.help, labels=("node", *row.labels))
    unit = UNIT.get(row.shows, 1)
    for view in views:
        for labels, histogram in view.histograms[row.shows].items():
            buckets = list(zip(_edges(histogram.edges, unit), accumulate(histogram.buckets), strict=True))
            family.add_metric((view.node, *labels), buckets, histogram.total / unit)
    return family


@cache
def _edges(edges: tuple[int, ...], unit: int) -> tuple[str, ...]:
    """Return the values of the label `le`."""
    return (*(floatToGoString(edge / unit) for edge in edges), "+Inf")  # type: ignore[no-untyped-call]


def rendered(page: Collector, form: Format) -> bytes:
    """Return the page as the client library renders it."""
    generate = openmetrics.generate_latest if form is Format.OPENMETRICS else generate_latest
    body: bytes = generate(page, escaping=openmetrics.ALLOWUTF8)
    return body
