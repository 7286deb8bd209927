"""Between what is kept and the words that stand in the file. Raises `ValueError` for what it can't read."""

from typing import NamedTuple

import msgspec

from exporter.payments.payment import Run
from exporter.payments.run import OpenRun
from exporter.payments.saved import SavedNode, SavedState
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName, Labels


class EncodedNode(NamedTuple):
    """One node, written down: nothing in it changes any more."""

    state: str
    counters: dict[Counter, dict[Labels, int]]
    histograms: dict[HistogramName, dict[Labels, Histogram]]
    open: dict[Run, str]
    finished: dict[Run, int]
    ended: tuple[Run, ...] = ()
    """Counted, and not yet on the list."""


def encode(saved: SavedNode) -> EncodedNode:
    """Write down what may change: about 2 microseconds for each open run, some more for one with many attempts."""
    return EncodedNode(
        state=_text(saved.state),
        counters=saved.counters,
        histograms=saved.histograms,
        open={run.run: _text(run) for run in saved.open},
        finished=saved.finished,
        ended=saved.ended,
    )


def short(payment_hash: str) -> bytes:
    """As much of a hash as tells runs apart that were created in the same microsecond."""
    return bytes.fromhex(payment_hash[:16])


def labels_text(labels: Labels) -> str:
    """The values of labels."""
    return _text(labels)


def histogram_texts(histogram: Histogram) -> tuple[str, str, str]:
    """Upper edges, the observations in each bucket, their sum."""
    return _text(histogram.edges), _text(histogram.buckets), str(histogram.total)


def state(text: str) -> SavedState:
    """The marks."""
    return msgspec.json.decode(text, type=SavedState)


def open_run(text: str) -> OpenRun:
    """A run in flight."""
    return msgspec.json.decode(text, type=OpenRun)


def labels(text: str) -> Labels:
    """The values of labels."""
    return msgspec.json.decode(text, type=tuple[str, ...])


def histogram(name: HistogramName, edges: str, buckets: str, total: str) -> Histogram | None:
    """A histogram; None if it has other edges today: then it begins anew."""
    made = Histogram(EDGES[name])
    if edges != _text(made.edges):
        return None
    counts = msgspec.json.decode(buckets, type=list[int])
    if len(counts) != len(made.buckets):
        raise ValueError(f"{name}: {len(counts)} buckets instead of {len(made.buckets)}")
    made.buckets, made.total = counts, int(total)
    return made


def _text(thing: object) -> str:
    return msgspec.json.encode(thing).decode()
