"""Renders the nodes of a page; what did not change since the last one is used again as it was compressed then."""

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from operator import is_
from typing import NamedTuple

from exporter.metrics import gzipped, samples
from exporter.metrics.exposition import Format
from exporter.metrics.library import head
from exporter.metrics.row import NodeRow
from exporter.payments.view import View

CHUNK = 16 * 1024
"""Characters of text from which a chunk takes no more. Smaller ones compress worse, larger ones change more often."""
OUTGROWN = 4 * CHUNK
"""A chunk whose text grew beyond that is planned again. No new one is longer than half of it, unless it is one unit."""
UNITS = 100
"""A chunk takes no more of them: short ones cost their number rather than their characters, some 8 us each."""


class Unit(NamedTuple):
    """A piece of a page: the samples of a metric for one node, or the lines about the metric itself."""

    row: NodeRow
    node: int | None
    """Which of the nodes; None: name, type and help of the metric."""


class Chunk(NamedTuple):
    """Some units in page order, compressed together."""

    units: Sequence[Unit]
    sources: Sequence[samples.Source]
    """What each unit was made of."""
    part: gzipped.Part


class Rendered(NamedTuple):
    """The nodes of a page as of one time; it is never changed, so several pages may be rendered from it at a time."""

    views: Sequence[View]
    chunks: Sequence[Chunk]
    parts: gzipped.Parts
    """The texts of all chunks."""

    def shows(self, views: Sequence[View]) -> bool:
        """Return True if a page of these views is this one."""
        return len(views) == len(self.views) and all(map(is_, self.views, views))


NOTHING = Rendered((), (), gzipped.NO_PARTS)


def render(rows: Sequence[NodeRow], form: Format, views: Iterable[View], before: Rendered) -> Rendered:
    """Return a page of these views; `before` is an earlier one of the same metrics and format, or `NOTHING`."""
    steps = render_in_steps(rows, form, views, before)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            rendered: Rendered = end.value
            return rendered


def render_in_steps(
    rows: Sequence[NodeRow], form: Format, views: Iterable[View], before: Rendered
) -> Generator[None, None, Rendered]:
    """Do the same, and yield after each chunk: up to 1 ms if it is rendered, a hundredth of that if it is reused."""
    views = tuple(views)
    if before.chunks and before.shows(views):
        return before
    writer = gzipped.Writer()
    if not before.chunks or [view.node for view in views] != [view.node for view in before.views]:
        units = (unit for row in rows for unit in (Unit(row, None), *(Unit(row, place) for place in range(len(views)))))
        made = _planned(units, form, views, writer)
    else:
        changed = {place for place, view in enumerate(views) if view is not before.views[place]}
        made = (each for chunk in before.chunks for each in _renewed(chunk, form, views, changed, writer))
    chunks = list[Chunk]()
    for chunk in made:
        chunks.append(chunk)
        yield
    if len(chunks) == len(before.chunks) and all(map(is_, chunks, before.chunks)):
        return before._replace(views=views)
    return Rendered(views, chunks, writer.parts())


def _planned(planned: Iterable[Unit], form: Format, views: Sequence[View], writer: gzipped.Writer) -> Iterator[Chunk]:
    """Write and yield the chunks of some units of which nothing is known."""
    units, sources, texts, size = list[Unit](), list[samples.Source](), list[str](), 0
    for unit in planned:
        source = _source(unit, views)
        text = _text(unit, form, views, source)
        if units and len(text) >= CHUNK:  # a chunk of its own: it is long, so it shall change only by itself
            yield Chunk(units, sources, _written(texts, writer))
            units, sources, texts, size = [], [], [], 0
        units.append(unit)
        sources.append(source)
        texts.append(text)
        size += len(text)
        if size >= CHUNK or len(units) >= UNITS:
            yield Chunk(units, sources, _written(texts, writer))
            units, sources, texts, size = [], [], [], 0
    if units:
        yield Chunk(units, sources, _written(texts, writer))


def _renewed(
    chunk: Chunk, form: Format, views: Sequence[View], changed: Collection[int], writer: gzipped.Writer
) -> Iterator[Chunk]:
    """Write and yield the chunk for these views: the same one if it shows nothing that changed; several if it grew."""
    sources = [
        _source(unit, views) if unit.node in changed else source
        for unit, source in zip(chunk.units, chunk.sources, strict=True)
    ]
    if all(map(samples.same, chunk.sources, sources)):
        writer.write_again(chunk.part)
        yield chunk
        return
    texts, size = list[str](), 0
    for unit, source in zip(chunk.units, sources, strict=True):
        texts.append(_text(unit, form, views, source))
        size += len(texts[-1])
        if size > OUTGROWN and len(chunk.units) > 1:  # peers came since it was planned
            yield from _planned(chunk.units, form, views, writer)
            return
    yield Chunk(chunk.units, sources, _written(texts, writer))


def _source(unit: Unit, views: Sequence[View]) -> samples.Source:
    return None if unit.node is None else samples.source(unit.row, views[unit.node])


def _text(unit: Unit, form: Format, views: Sequence[View], source: samples.Source) -> str:
    if unit.node is None:
        return head(unit.row, form)
    return samples.text(unit.row, views[unit.node].node, source)


def _written(texts: Iterable[str], writer: gzipped.Writer) -> gzipped.Part:
    return writer.write("".join(texts).encode())
