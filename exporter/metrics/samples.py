"""Writes the samples of one metric of one node as text: numbers between texts that are made once for all nodes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

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
_OPEN_TEMPLATES = 192
"""The same with labels of peers and aliases, of which each node has its own: those of some ten nodes, 2 MB at most."""
_LAST = ("count", "sum")
"""What follows the buckets of a histogram."""
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


class _Shape(NamedTuple):
    """What the texts of all nodes have in common, worked out once for a metric."""

    names: tuple[str, ...]
    """The labels besides the node."""
    unit: int
    edges: tuple[str, ...]
    """Those of a histogram, else empty."""
    between: Callable[[str, tuple[str, ...], tuple[Labels, ...], tuple[str, ...]], Sequence[str]]


def text(row: NodeRow, node: str, source: Source) -> str:
    """Return the lines of all samples, as the client library writes them."""
    if source is None:
        return ""
    names, unit, edges, between = _shape(row)
    values: Iterable[float]
    if isinstance(row, CounterRow):
        totals = row.shown(source)
        # Dividing integers rounds once, however large they are.
        keys, values = tuple(totals), totals.values() if unit == 1 else [total / unit for total in totals.values()]
    elif isinstance(row, HistogramRow):
        keys, values = tuple(source), []
        for histogram in source.values():
            values.extend(accumulate(histogram.buckets))
            values += (values[-1], histogram.total / unit)
    else:
        keys, values = tuple([labels for labels, _ in source]), [value for _, value in source]
    texts = between(row.name, names, keys, edges)
    pieces = [_escape(node)] * (2 * len(texts) - 1)
    pieces[::2] = texts
    pieces[3::4] = list(map(_numbers.__getitem__, values))
    return "".join(pieces)


@lru_cache(_TEMPLATES)
def _shape(row: NodeRow) -> _Shape:
    # There are few choices of labels of closed sets, but endless ones of peers and aliases.
    between = _between_open if None in row.labels.values() else _between
    if isinstance(row, CounterRow):
        return _Shape(row.shown_labels, row.unit, (), between)
    if isinstance(row, HistogramRow):
        return _Shape(tuple(row.labels), UNIT.get(row.shows, 1), edge_texts(row.shows), between)
    return _Shape(tuple(row.labels), 1, (), between)


def _make_between(name: str, names: tuple[str, ...], keys: tuple[Labels, ...], edges: tuple[str, ...]) -> Sequence[str]:
    """Return the texts before, between and after node, number, node, number, ... of all lines.

    `names` are the labels besides the node, `keys` their values; `edges` are those of a histogram, else empty.
    """
    if edges:
        buckets, *others = (_format(f"{name}_bucket", (*names, "le")), *(_format(f"{name}_{x}", names) for x in _LAST))
        lines = (
            line
            for key in (tuple(map(_escape, key)) for key in keys)
            for line in (*(buckets.format(*key, edge) for edge in edges), *(each.format(*key) for each in others))
        )
        return _pieces("".join(lines))
    line = _format(name, names)
    return _pieces("".join([line.format(*map(_escape, key)) for key in keys]))


def _pieces(lines: str) -> Sequence[str]:
    """Return the texts between the places of node and number, in lines whose only ends are these places."""
    pieces = lines.split("\n")
    pieces[2::2] = ["\n" + piece for piece in pieces[2::2]]
    return tuple(pieces)


_between = lru_cache(_TEMPLATES)(_make_between)
_between_open = lru_cache(_OPEN_TEMPLATES)(_make_between)


@cache
def _format(name: str, names: tuple[str, ...]) -> str:
    """Return the format of a line, with line ends where node and number belong.

    Labels are in alphabetical order, as in the client library.
    """
    fields = {label: f"{{{place}}}" for place, label in enumerate(names)} | {"node": "\n"}
    labels = ",".join(f'{label}="{fields[label]}"' for label in sorted(fields))
    return f"{name}{{{{{labels}}}}} \n"


def line(name: str, labels: Mapping[str, str], value: float) -> str:
    """Return the line of one sample that is of no node."""
    inside = ",".join([f'{label}="{_escape(labels[label])}"' for label in sorted(labels)])
    return f"{name}{{{inside}}} {_written(value)}\n" if inside else f"{name} {_written(value)}\n"


@lru_cache(_LABELS)
def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@cache
def edge_texts(histogram: HistogramName) -> tuple[str, ...]:
    """Return the values of the label `le`."""
    unit = UNIT.get(histogram, 1)
    return (*(floatToGoString(edge / unit) for edge in EDGES[histogram]), "+Inf")  # type: ignore[no-untyped-call]


def _written(number: float) -> str:
    value = float(number)
    return repr(value) if 0 <= value < _GO_EXPONENT else floatToGoString(value)  # type: ignore[no-untyped-call]


class _Numbers(dict[float, str]):
    """The texts of numbers; most samples are 0."""

    def __missing__(self, number: float) -> str:
        written = _written(number)
        if len(self) >= _NUMBERS:
            self.clear()
        self[number] = written
        return written


_numbers = _Numbers()
