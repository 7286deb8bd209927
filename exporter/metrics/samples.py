"""Writes the samples of one metric of one node as text: numbers between texts that are made once for all nodes."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any, TypeAlias

from prometheus_client.utils import floatToGoString

from exporter.metrics.names import NOT_IN_FINAL_MODE
from exporter.metrics.row import CounterRow, HistogramRow, NodeRow
from exporter.payments.labels import Mode
from exporter.payments.totals import EDGES, UNIT, HistogramName, Labels
from exporter.payments.view import View

Source: TypeAlias = Any
"""The totals of a counter or a histogram by their labels, or a list of pairs of labels and value of a gauge."""
_TEMPLATES = 256
"""Lists of texts that are kept. A metric has one for all nodes, and more if failures are met that few nodes meet."""
_LABELS = 1000
"""Label values that are kept escaped."""
_NUMBERS = 20_000
"""Numbers whose texts are kept: some 2 MB."""
_GO_EXPONENT = 1_000_000
"""From here on Go writes a number with an exponent."""


def source(row: NodeRow, view: View) -> Source:
    """Return what the samples are made of, which nothing changes any more; None if the node has none."""
    if row.name in NOT_IN_FINAL_MODE and view.status.mode is Mode.FINAL:
        return None
    if isinstance(row, CounterRow):
        return view.counters[row.shows]
    if isinstance(row, HistogramRow):
        return view.histograms[row.shows]
    return list(row.read(view))


def same(before: Source, now: Source) -> bool:
    """Return True if two sources make the same text; may return False nevertheless.

    Totals are compared by identity: a view shares those that didn't change, and equal ones may be in another order.
    """
    return before is now or (isinstance(now, list) and before == now)


def text(row: NodeRow, node: str, source: Source) -> str:
    """Return the lines of all samples, as the client library writes them."""
    if source is None:
        return ""
    names, edges = tuple(row.labels), tuple[str, ...]()
    values: Iterable[float]
    if isinstance(row, CounterRow):
        totals = source
        if row.summed:
            names, totals = row.shown_labels, row.shown(source)
        # Dividing integers rounds once, however large they are.
        keys, values = tuple(totals), totals.values() if row.unit == 1 else [x / row.unit for x in totals.values()]
    elif isinstance(row, HistogramRow):
        unit = UNIT.get(row.shows, 1)
        keys, values, edges = tuple(source), [], _edges(row.shows)
        for histogram in source.values():
            values.extend(accumulate(histogram.buckets))
            values += (values[-1], histogram.total / unit)
    else:
        keys, values = tuple(labels for labels, _ in source), [value for _, value in source]
    # There are few choices of labels of closed sets, but endless ones of peers and aliases.
    closed = None not in row.labels.values()
    between = (_between if closed else _between.__wrapped__)(row.name, names, keys, edges)
    return _fill(between, _escape(node), list(map(_numbers.__getitem__, values)))


def _fill(between: Sequence[str], node: str, numbers: Sequence[str]) -> str:
    """Return the lines with the node and a number in each."""
    pieces = [node] * (2 * len(between) - 1)
    pieces[::2] = between
    pieces[3::4] = numbers
    return "".join(pieces)


@lru_cache(_TEMPLATES)
def _between(name: str, names: tuple[str, ...], keys: tuple[Labels, ...], edges: tuple[str, ...]) -> Sequence[str]:
    """Return the texts before, between and after node, number, node, number, ... of all lines.

    `names` are the labels besides the node, `keys` their values; `edges` are those of a histogram, else empty.
    """
    texts, end = list[str](), ""
    for (before, after), key in _lines(name, names, keys, edges):
        values = [_escape(value) for value in key]
        texts += (end + before.format(*values), after.format(*values))
        end = "\n"
    return (*texts, end)


def _lines(
    name: str, names: tuple[str, ...], keys: tuple[Labels, ...], edges: tuple[str, ...]
) -> Iterator[tuple[tuple[str, str], Labels]]:
    """Yield for each line its two formats, before and after the node, and its label values."""
    for key in keys:
        if not edges:
            yield _formats(name, names), key
            continue
        for edge in edges:
            yield _formats(f"{name}_bucket", (*names, "le")), (*key, edge)
        yield _formats(f"{name}_count", names), key
        yield _formats(f"{name}_sum", names), key


@cache
def _formats(name: str, names: tuple[str, ...]) -> tuple[str, str]:
    """Return a line's formats before and after the node; labels are in alphabetical order, as in the client library."""
    fields = {label: f"{{{place}}}" for place, label in enumerate(names)} | {"node": "\n"}
    labels = ",".join(f'{label}="{fields[label]}"' for label in sorted(fields))
    before, _, after = f"{name}{{{{{labels}}}}} ".partition("\n")
    return before, after


@lru_cache(_LABELS)
def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@cache
def _edges(histogram: HistogramName) -> tuple[str, ...]:
    """Return the values of the label `le`."""
    unit = UNIT.get(histogram, 1)
    return (*(floatToGoString(edge / unit) for edge in EDGES[histogram]), "+Inf")  # type: ignore[no-untyped-call]


class _Numbers(dict[float, str]):
    """The texts of numbers; most samples are 0."""

    def __missing__(self, number: float) -> str:
        value = float(number)
        written = repr(value) if 0 <= value < _GO_EXPONENT else floatToGoString(value)  # type: ignore[no-untyped-call]
        if len(self) >= _NUMBERS:
            self.clear()
        self[number] = written
        return written


_numbers = _Numbers()
