"""What the client library gives: the head of each metric, and the values of the process, beside the exporter's own."""

from collections.abc import Callable, Iterable
from functools import cache

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from exporter.metrics.exposition import Format
from exporter.metrics.row import CounterRow, ExporterRow, HistogramRow, Row
from exporter.metrics.samples import line
from exporter.page import ExporterStatus

_END = {Format.TEXT: b"", Format.OPENMETRICS: b"# EOF\n"}

_FAMILIES: dict[type, Callable[[str, str], Metric]] = {
    CounterRow: CounterMetricFamily,
    HistogramRow: HistogramMetricFamily,
}


class _Families(Collector):
    """Metrics that were made already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def head(row: Row, form: Format) -> str:
    """Return the lines with name, type and help of a metric."""
    return _head(_FAMILIES.get(type(row), GaugeMetricFamily), row.name, row.help, form)


@cache
def _head(family: Callable[[str, str], Metric], name: str, text: str, form: Format) -> str:
    return _generate([family(name, text)], form).removesuffix(_END[form]).decode()


def tail(rows: Iterable[ExporterRow], exporter: ExporterStatus, process: Collector | None, form: Format) -> bytes:
    """Return the metrics of the exporter and its process, and the end of the page, as the library renders them."""
    lines = list[str]()
    for row in rows:
        family = CounterMetricFamily if row.counter else GaugeMetricFamily
        lines.append(_head(family, row.name, row.help, form))
        for labels, value in row.read(exporter):
            lines.append(line(row.name, dict(zip(row.labels, labels, strict=True)), value))
    for metric in process.collect() if process is not None else ():
        lines.append(_head(_family(metric), metric.name, metric.documentation, form))
        lines += (line(sample.name, sample.labels, sample.value) for sample in metric.samples)
    return "".join(lines).encode() + _END[form]


def _family(metric: Metric) -> Callable[[str, str], Metric]:
    return type(metric)


def end(form: Format) -> bytes:
    """Return the end of a page without the metrics of the exporter."""
    return _END[form]


def _generate(metrics: Iterable[Metric], form: Format) -> bytes:
    # Our names need no escaping, and this scheme is the fastest at detecting that.
    generate = openmetrics.generate_latest if form is Format.OPENMETRICS else generate_latest
    rendered: bytes = generate(_Families(metrics), escaping=openmetrics.ALLOWUTF8)
    return rendered
