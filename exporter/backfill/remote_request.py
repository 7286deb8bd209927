"""Cuts series into requests of the remote-write protocol (1.0), and encodes these."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import cramjam

from exporter.backfill.rpc import remote_pb2 as rpc

MOST_SAMPLES = 10_000
"""Samples of a request. Prometheus sends up to 2,000 by default; receivers limit bytes, and Mimir how many samples come
at once (`ingestion_burst_size`: 200,000)."""
LARGEST = 800_000
"""Bytes of a request before it is compressed. Snappy adds a sixth at most, and then it still fits into the MiB that
nginx lets through by default (`client_max_body_size`); receivers take more (VictoriaMetrics: 32 MiB uncompressed)."""

_SAMPLE_BYTES = 22
"""Most bytes of a sample: 2 of its own, a float of 9, a time of 11."""
_FIELD_BYTES = 5
"""Most bytes before a text or a message of less than 256 MiB."""


class Series(NamedTuple):
    """One series, or a part of it."""

    labels: tuple[tuple[str, str], ...]
    """Names and values, sorted by name, `__name__` among them."""
    samples: Sequence[tuple[int, float]]
    """Milliseconds since 1970 and the value, ascending."""


def requests(series: Iterable[Series]) -> Iterator[tuple[bytes, int]]:
    """Yield the bodies of requests with the number of samples in each; each series in its order.

    A series without samples is left out.
    """
    request, samples, size = rpc.WriteRequest(), 0, 0
    for labels, values in series:
        head = _size_of(labels)
        begin = 0
        while begin < len(values):
            room = min(MOST_SAMPLES - samples, (LARGEST - size - head) // _SAMPLE_BYTES)
            if room <= 0 and samples:
                yield _encoded(request), samples
                request, samples, size = rpc.WriteRequest(), 0, 0
                continue
            part = values[begin : begin + max(room, 1)]
            _add(request, labels, part)
            begin += len(part)
            samples += len(part)
            size += head + len(part) * _SAMPLE_BYTES
    if samples:
        yield _encoded(request), samples


def _size_of(labels: tuple[tuple[str, str], ...]) -> int:
    """Return the most bytes that a series has without its samples."""
    texts = sum(len(text.encode()) + _FIELD_BYTES for label in labels for text in label)
    return texts + _FIELD_BYTES * (len(labels) + 1)


def _add(request: rpc.WriteRequest, labels: tuple[tuple[str, str], ...], samples: Sequence[tuple[int, float]]) -> None:
    one = request.timeseries.add()
    for name, value in labels:
        one.labels.add(name=name, value=value)
    add = one.samples.add
    for at_ms, number in samples:
        add(timestamp=at_ms, value=number)


def _encoded(request: rpc.WriteRequest) -> bytes:
    """Return the body in Snappy's block format: the protocol forbids the framed one."""
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
