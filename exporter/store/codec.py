"""Encoding of the saved state to the values of table columns, and decoding; decoding raises `ValueError`."""

from dataclasses import replace
from typing import NamedTuple

import msgspec

from exporter.payments.ended import EndedPayment
from exporter.payments.failed_hashes import FailedHash
from exporter.payments.payment import Run
from exporter.payments.run import OpenRun
from exporter.payments.saved import SavedNode, SavedState
from exporter.payments.totals import (
    EDGES,
    Counter,
    Histogram,
    HistogramName,
    Labels,
    zero_counters,
    zero_histograms,
)

_LATER_LABELS = {
    Counter.NO_ROUTE_CHECKS: 1,
    Counter.PEER_ATTEMPTS: 2,
    Counter.PEER_SENT: 1,
    Counter.PEER_FEES: 1,
    Counter.PEER_FEES_BY_PURPOSE: 2,
    Counter.PEER_REBALANCED_IN: 1,
    Counter.PEER_REBALANCED_IN_FEES: 1,
    Counter.PEER_OUTSTANDING_MS: 2,
    Counter.DESTINATION_ENDED: 3,
    Counter.DESTINATION_SENT: 1,
    Counter.DESTINATION_FEES: 1,
}
"""Number of labels of the counters that have no series at the start."""
_COUNTER_LABELS = {name: len(next(iter(series))) for name, series in zero_counters().items() if series} | _LATER_LABELS
_HISTOGRAM_LABELS = {name: len(next(iter(series))) for name, series in zero_histograms().items() if series} | {
    HistogramName.DESTINATION_DURATION: 2
}


class EncodedNode(NamedTuple):
    """An immutable snapshot of one node: everything that could change later is encoded as JSON."""

    state: str
    counters: dict[Counter, dict[Labels, int]]
    histograms: dict[HistogramName, dict[Labels, Histogram]]
    open: dict[Run, str]
    finished: dict[Run, int]
    failed: dict[str, FailedHash]
    ended: tuple[Run, ...] = ()
    """Runs that were counted and are not yet in the table `counted_run`."""
    newly_ended: tuple[EndedPayment, ...] = ()
    """What the table `ended` lacks yet, oldest first."""


def encode(saved: SavedNode) -> EncodedNode:
    """Encode the mutable parts of a node.

    Takes about 2 microseconds per open run that has changed since the last time, more for one with many attempts.
    """
    return EncodedNode(
        state=_json(saved.state),
        counters=saved.counters,
        histograms=saved.histograms,
        open=_encode_open(saved),
        finished=saved.finished,
        failed=saved.failed,
        ended=saved.ended,
        newly_ended=saved.newly_ended,
    )


def _encode_open(saved: SavedNode) -> dict[Run, str]:
    if saved.texts is None:
        return {run.run: _json(run) for run in saved.open}
    texts, stale = saved.texts.texts, saved.texts.stale
    for run in stale:
        if (open_run := saved.texts.runs.get(run)) is not None:
            texts[run] = _json(open_run)
        else:
            texts.pop(run, None)
    stale.clear()
    return texts.snapshot()


def decode(encoded: EncodedNode) -> SavedNode:
    """Decode a node; its totals are those of `encoded`, so copy them before they change."""
    return SavedNode(
        state=decode_state(encoded.state),
        counters=encoded.counters,
        histograms=encoded.histograms,
        open=tuple(map(decode_run, encoded.open.values())),
        finished=encoded.finished,
        failed=encoded.failed,
    )


def mark_unfollowed(encoded: EncodedNode) -> EncodedNode:
    """Mark a node as no longer followed by the exporter that is running."""
    state = decode_state(encoded.state)
    return encoded._replace(state=_json(replace(state, heard=replace(state.heard, following=False, left=True))))


def mark_handed_over(state: str) -> str:
    """Return an encoded state as that of a node that has not been left: it is being taken over."""
    decoded = decode_state(state)
    return _json(replace(decoded, heard=replace(decoded.heard, left=False))) if decoded.heard.left else state


def without_destinations(encoded: EncodedNode) -> EncodedNode:
    """Leave out who the recipients of payments in flight are, and who failed an attempt on the way there."""
    runs = [decode_run(text) for text in encoded.open.values()]
    for run in runs:
        run.drop_destination()
    return encoded._replace(open={run.run: _json(run) for run in runs})


def hash_prefix(payment_hash: str) -> bytes:
    """Return the first 8 bytes of a hash: enough to distinguish runs that were created in the same microsecond."""
    return bytes.fromhex(payment_hash[:16])


def encode_labels(labels: Labels) -> str:
    """Encode the label values of a series."""
    return _json(labels)


def encode_histogram(histogram: Histogram) -> tuple[str, str, str]:
    """Encode the upper edges, the observations in each bucket, and their sum."""
    return _json(histogram.edges), _json(histogram.buckets), str(histogram.total)


def decode_state(text: str) -> SavedState:
    """Decode the state of a node: everything but its totals and runs."""
    return msgspec.json.decode(text, type=SavedState)


def decode_run(text: str) -> OpenRun:
    """Decode a run in flight."""
    return msgspec.json.decode(text, type=OpenRun)


def counter_labels(counter: Counter, text: str) -> Labels:
    """Decode the label values of a series of this counter; their number must be the counter's."""
    return _labels(text, _COUNTER_LABELS[counter], counter)


def histogram_labels(name: HistogramName, text: str) -> Labels:
    """Decode the label values of a series of this histogram; their number must be the histogram's."""
    return _labels(text, _HISTOGRAM_LABELS[name], name)


def decode_histogram(name: HistogramName, edges: str, buckets: str, total: str) -> Histogram | None:
    """Decode a histogram; return None if its bucket edges have changed since, so that it must start at zero."""
    made = Histogram(EDGES[name])
    if edges != _json(made.edges):
        return None
    counts = msgspec.json.decode(buckets, type=list[int])
    if len(counts) != len(made.buckets):
        raise ValueError(f"{name}: {len(counts)} buckets instead of {len(made.buckets)}")
    made.buckets, made.total = counts, int(total)
    return made


def _labels(text: str, expected: int, name: str) -> Labels:
    labels = msgspec.json.decode(text, type=tuple[str, ...])
    if len(labels) != expected:
        raise ValueError(f"{name}: {len(labels)} labels instead of {expected}")
    return labels


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
