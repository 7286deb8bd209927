"""Renders pages and parses them as a scraper does."""

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.registry import Collector

from exporter.metrics.exposition import Format
from exporter.metrics.gzipped import member, text_of
from exporter.metrics.library import tail
from exporter.metrics.names import EXPORTER_ROWS, NODE_ROWS
from exporter.metrics.rendered import NOTHING, render
from exporter.metrics.row import CounterRow, ExporterRow, HistogramRow, Row
from exporter.page import ExporterStatus
from exporter.payments.view import View

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

_READERS: dict[Format, Callable[[str], Iterable[Metric]]] = {
    Format.TEXT: read_text,
    Format.OPENMETRICS: read_openmetrics,
}


def type_of(row: Row) -> str:
    """Return the type of a metric as the page names it."""
    match row:
        case HistogramRow():
            return "histogram"
        case CounterRow() | ExporterRow(counter=True):
            return "counter"
        case _:
            return "gauge"


def text(views: Sequence[View], form: Format = Format.TEXT, process: Collector | None = None) -> str:
    """Return an uncompressed page."""
    nodes = render(NODE_ROWS, form, views, NOTHING).parts
    last = tail(EXPORTER_ROWS, ExporterStatus(), process, form)
    return text_of(member(nodes, last)).decode()


def families(page: str, form: Format = Format.TEXT) -> dict[str, Metric]:
    """Return the families of a page by name; in both formats the name has no `_total`."""
    return {family.name: family for family in _READERS[form](page)}


def series(page: str, form: Format = Format.TEXT) -> Series:
    """Return the value of every series; a duplicate series is an error."""
    found: Series = {}
    for family in families(page, form).values():
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"duplicate series {key}"
            found[key] = sample.value
    return found


def total(page: Series, name: str, **labels: str) -> float:
    """Return the sum over all series with this name and these labels."""
    return sum(v for (n, have), v in page.items() if n == name and have >= frozenset(labels.items()))
