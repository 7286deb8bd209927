"""What rendering a page costs, beside the client library with gzip in the same run: seconds of CPU."""

import gzip
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import NamedTuple

from exporter.metrics import gzipped
from exporter.metrics.exposition import Format
from exporter.metrics.names import NODE_ROWS
from exporter.metrics.rendered import NOTHING, Rendered, render
from exporter.page import PageData
from exporter.payments.view import View
from tests.metrics import changing, judge, scene

FORM = Format.OPENMETRICS


class Page(NamedTuple):
    """One measurement."""

    name: str
    seconds: float
    bare: float
    """Seconds of CPU of the client library and gzip for the same page."""
    size: int
    """Bytes, compressed."""


def measure(nodes: int = 1, repetitions: int = 5) -> Iterator[Page]:
    """Measure pages on which nothing, a payment of each node, a tenth of the nodes, and everything changed."""
    node = scene.populated()
    views = [changing.everything(replace(node, node=f"node{number}")) for number in range(nodes)]
    before = render(NODE_ROWS, FORM, views, NOTHING)
    bare, _ = _cpu(lambda: _bare(views), 1)
    for name, now in (
        ("nothing changed", views),
        ("a payment of each node", [changing.payment(view) for view in views]),
        (
            "a tenth of the nodes changed",
            [v if place % 10 else changing.everything(v) for place, v in enumerate(views)],
        ),
        ("everything changed", [changing.everything(view) for view in views]),
    ):
        seconds, size = _cpu(lambda now=now: _page(now, before), repetitions)  # type: ignore[misc]
        yield Page(f"page of {nodes}: {name}", seconds, bare, size)
    seconds, size = _cpu(lambda: _page(views, NOTHING), repetitions)
    yield Page(f"page of {nodes}: the first one", seconds, bare, size)


def _page(views: Sequence[View], before: Rendered) -> bytes:
    return gzipped.member(render(NODE_ROWS, FORM, views, before).part, gzipped.EMPTY)


def _bare(views: Sequence[View]) -> bytes:
    return gzip.compress(judge.rendered(judge.PageCollector(PageData(views), rows=NODE_ROWS), FORM), 1, mtime=0)


def _cpu(work: Callable[[], bytes], repetitions: int) -> tuple[float, int]:
    """Return the median seconds of CPU, and the size of the result."""
    took, size = [], 0
    for _ in range(repetitions):
        begin = time.process_time()
        size = len(work())
        took.append(time.process_time() - begin)
    return median(took), size
