"""A page is byte for byte what the client library renders, whatever changed since the page that it reuses."""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.metrics import gzipped, library, rendered
from exporter.metrics.exposition import Format
from exporter.metrics.names import EXPORTER_ROWS, NODE_ROWS, ROWS
from exporter.metrics.rendered import NOTHING, OUTGROWN, Rendered, render
from exporter.metrics.row import CounterRow, NodeRow
from exporter.page import ExporterStatus, PageData
from exporter.payments.labels import Mode
from exporter.payments.totals import Counter, Labels
from exporter.payments.view import View
from tests.metrics import changing, judge, scene

NAMES = ("alice", 'b"o\\b', "名", "carol", "dave")
FIRST = {name: (scene.untouched if place % 2 else scene.populated)(name) for place, name in enumerate(NAMES)}
STATUS = ExporterStatus(12.5, 3)


class Process(Collector):
    """A process that doesn't change."""

    def collect(self) -> Iterable[Metric]:
        """Yield one metric."""
        return [GaugeMetricFamily("process_resident_memory_bytes", "Resident memory.", value=12_345_678)]


def page(
    views: Sequence[View], form: Format, before: Rendered, rows: Sequence[NodeRow] = NODE_ROWS
) -> tuple[Rendered, bytes]:
    """Return what can be reused, and the compressed page."""
    nodes = render(rows, form, views, before)
    return nodes, gzipped.member(nodes.parts, library.tail(EXPORTER_ROWS, STATUS, Process(), form))


def expected(views: Sequence[View], form: Format, rows: Sequence[NodeRow] = NODE_ROWS) -> bytes:
    """Return the page of the client library."""
    return judge.rendered(judge.PageCollector(PageData(views, STATUS), Process(), (*rows, *EXPORTER_ROWS)), form)


def step(views: list[View], chance: Random) -> list[View]:
    """Change some nodes, or which nodes there are and their order."""
    some = chance.sample(range(len(views)), chance.randrange(len(views) + 1))
    for place in some:
        for _ in range(chance.randrange(1, 4)):
            views[place] = chance.choice(changing.CHANGES)(views[place], chance)
    match chance.randrange(8):
        case 0 if views:
            views.pop(chance.randrange(len(views)))
        case 1:
            absent = set(NAMES) - {view.node for view in views}
            views += [FIRST[name] for name in sorted(absent)[:1]]
        case 2:
            chance.shuffle(views)
    return views


def summed(chance: Random) -> tuple[NodeRow, ...]:
    """Return the rows, of which some add up the series of some labels."""
    return tuple(
        replace(row, summed=frozenset(label for label in row.labels if chance.random() < 0.3))
        if isinstance(row, CounterRow) and chance.random() < 0.3
        else row
        for row in NODE_ROWS
    )


class AnyProcess(Collector):
    """A process with a counter, and a gauge with labels."""

    def __init__(self, values: Sequence[float], labels: Sequence[str]) -> None:
        """Take the values of both, and the label values of the gauge."""
        self._values = values
        self._labels = labels

    def collect(self) -> Iterable[Metric]:
        """Yield both."""
        gauge = GaugeMetricFamily("process_any", 'A "help" with\nan end and \\.', labels=("zone", "area"))
        for value in self._values:
            gauge.add_metric(self._labels, value)
        return [CounterMetricFamily("process_cpu_seconds_total", "CPU.", value=abs(sum(self._values))), gauge]


@pytest.mark.parametrize("form", Format)
@given(
    st.lists(st.floats() | st.integers(-(10**18), 10**18), max_size=4),
    st.tuples(st.text(max_size=5), st.text('a"\\\nß', max_size=5)),
    st.floats(0, 1e12) | st.none(),
    st.integers(0, 10**9),
)
def test_the_end_of_a_page_is_the_librarys(
    form: Format, values: list[float], labels: tuple[str, str], checkpoint_s: float | None, failures: int
) -> None:
    """The values of the exporter and its process are written as the client library writes them, whatever they are."""
    status, process = ExporterStatus(checkpoint_s, failures), AnyProcess(values, labels)
    page = judge.PageCollector(PageData((), status), process, EXPORTER_ROWS)
    assert library.tail(EXPORTER_ROWS, status, process, form) == judge.rendered(page, form)


@pytest.mark.parametrize("form", Format)
def test_only_what_changed_is_rendered_again(form: Format) -> None:
    """The chunks with the changed counter are new ones, all others are the same; without a change all are."""
    views = [FIRST[name] for name in NAMES[:3]]
    first, _ = page(views, form, NOTHING)
    again, _ = page([*views], form, first)
    assert again is first
    equal, _ = page([replace(view) for view in views], form, first)
    assert equal.parts is first.parts
    series = views[1].counters[Counter.STARTED]
    views[1] = replace(views[1], counters=views[1].counters | {Counter.STARTED: {(): series[()] + 1}})
    changed, file = page(views, form, first)
    news = [new for old, new in zip(first.chunks, changed.chunks, strict=True) if new is not old]
    assert [Counter.STARTED in [getattr(unit.row, "shows", None) for unit in chunk.units] for chunk in news] == [True]
    assert gzipped.text_of(file) == expected(views, form)


def test_a_page_is_one_instant_of_each_node() -> None:
    """What is reused of a node is equal at both times: a page never has an old value beside a new one."""
    views = [FIRST["alice"]]
    before, _ = page(views, Format.TEXT, NOTHING)
    for number in range(1, 4):
        views = [changing.everything(views[0], number)]
        before, file = page(views, Format.TEXT, before)
        assert gzipped.text_of(file) == expected(views, Format.TEXT)


def test_metrics_come_and_go_with_the_mode() -> None:
    """A metric that a node has no more leaves no samples of an older page."""
    view = FIRST["alice"]
    before = NOTHING
    for mode in (Mode.FIREHOSE, Mode.FINAL, Mode.FIREHOSE):
        view = replace(view, status=replace(view.status, mode=mode))
        before, file = page([view], Format.TEXT, before)
        assert gzipped.text_of(file) == expected([view], Format.TEXT)


def test_nodes_that_change_places() -> None:
    """Each keeps its values, also where both have the same; so it does under another name."""
    one, two = FIRST["alice"], scene.populated("carol")
    before, _ = page([one, two], Format.TEXT, NOTHING)
    for views in ([two, one], [two, replace(one, node="dave")]):
        before, file = page(views, Format.TEXT, before)
        assert gzipped.text_of(file) == expected(views, Format.TEXT)


def test_the_order_of_series_is_the_order_of_the_totals() -> None:
    """Equal totals in another order make another page."""
    one = FIRST["alice"]
    before, _ = page([one], Format.TEXT, NOTHING)
    turned = {counter: dict(reversed(series.items())) for counter, series in one.counters.items()}
    _, file = page([replace(one, counters=turned)], Format.TEXT, before)
    assert gzipped.text_of(file) == expected([replace(one, counters=turned)], Format.TEXT)


def test_renderings_at_the_same_time() -> None:
    """Threads that render from the same page, each other views, don't disturb each other."""
    first, _ = page([FIRST["alice"]], Format.TEXT, NOTHING)
    begin = threading.Barrier(4)
    chains = [[changing.everything(FIRST["alice"], 100 * n + more) for more in range(5)] for n in range(4)]

    def rendered_by_one(views: list[View]) -> list[bytes]:
        begin.wait()
        return [gzipped.text_of(page([view], Format.TEXT, first)[1]) for view in views]

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(rendered_by_one, chains))
    assert texts == [[expected([view], Format.TEXT) for view in views] for views in chains]


def test_the_rows_of_the_exporter_are_the_last() -> None:
    """A page is the nodes, then the exporter."""
    assert (*NODE_ROWS, *EXPORTER_ROWS) == ROWS


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.generate))  # shrinking takes minutes
@given(seed=st.integers(0, 2**32), steps=st.integers(2, 6), chunk=st.sampled_from([1, 700, rendered.CHUNK]))
def test_pages_are_what_the_client_library_renders(seed: int, steps: int, chunk: int) -> None:
    """In both formats, after each of some changes, however the page is cut; nothing of an older page is left."""
    chance = Random(seed)
    rows = summed(chance) if chance.random() < 0.3 else NODE_ROWS
    views = [FIRST[name] for name in NAMES[: chance.randrange(4)]]
    before = dict.fromkeys(Format, NOTHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendered, "CHUNK", chunk)
        for _ in range(steps):
            for form in Format:
                before[form], file = page(tuple(views), form, before[form], rows)
                assert gzipped.text_of(file).splitlines(True) == expected(views, form, rows).splitlines(True)
            views = step(list(views), chance)


def test_a_chunk_that_grows_is_divided() -> None:
    """A node has no peers at the start, so its series by peer stand in chunks with those of many others."""
    row = next(row for row in NODE_ROWS if row.name == "lnd_payments_peer_sent_msat_total")
    new = [scene.untouched(f"node{number}") for number in range(50)]
    totals: dict[Labels, int] = {(f"{peer:066x}",): 1 for peer in range(50)}
    used = [replace(view, counters=view.counters | {Counter.PEER_SENT: totals}) for view in new]
    before = render([row], Format.TEXT, new, NOTHING)
    rendered = render([row], Format.TEXT, used, before)
    assert len(before.chunks) == 1
    assert max(chunk.part.length for chunk in rendered.chunks) < OUTGROWN
    afresh = render([row], Format.TEXT, used, NOTHING)
    assert [gzipped.text_of(gzipped.member(page.parts, b"")) for page in (rendered, afresh)] == [
        judge.rendered(judge.PageCollector(PageData(used), rows=[row]), Format.TEXT)
    ] * 2
