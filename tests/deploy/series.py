"""The tables of docs/series.md, generated from the metrics, the rules and the dashboards."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from prometheus_client import generate_latest

from exporter.metrics import counters, destination_counters, gauges, peer_counters, peer_gauges
from exporter.metrics.groups import LEFT_OUT, Group
from exporter.metrics.names import NODE_ROWS, node_rows
from exporter.metrics.row import ExporterRow, Row
from exporter.page import PageData
from exporter.payments.labels import AttemptStatus, Source, Status
from exporter.payments.ledger import Ledger
from exporter.payments.node import Channels, PeerChannels
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture_view
from tests.deploy.needs import Effect, alerts, boards
from tests.metrics import scene
from tests.metrics.judge import PageCollector

PEERS = 50
_SECTIONS: Mapping[str, Sequence[Row]] = {
    "Payments": counters.PAYMENTS,
    "HTLC attempts": counters.ATTEMPTS,
    "Now in flight": gauges.IN_FLIGHT,
    "By first-hop peer": (*peer_counters.PEERS, *peer_gauges.PEERS),
    "By destination": destination_counters.DESTINATIONS,
    "Node": gauges.NODE,
    "Stream of updates": counters.STREAM,
}
"""Headings of docs/metrics.md."""
_DAY_S, _SCRAPE_S, _BYTES_PER_SAMPLE = 86_400, 15, 2
_RETENTION_DAYS = 15


def node_with_peers(*destinations: str) -> View:
    """Return a node with series for as many peers as there are by default, and for `other`, all with an alias.

    And with those of named destinations.
    """
    tracker, ledger = Tracker(), Ledger(max_peers=PEERS)
    ledger.destinations.use(destinations)
    ledger.apply(tracker.begin([], 0, scene.at(0)))
    tracker.stream_started()
    peers = [f"02{number:064x}" for number in range(PEERS + 1)]
    for number, peer in enumerate(peers):
        attempt = scene.attempt(number, 10.1, 11, AttemptStatus.SETTLED, peer=peer)
        ledger.apply(tracker.update(scene.payment(number, 10, Status.SUCCEEDED, attempt), Source.STREAM, scene.at(11)))
        ledger.apply(tracker.release(scene.at(13)))
    status = replace(
        scene.STATUS, channels=Channels(0, dict.fromkeys(peers, "alias"), dict.fromkeys(peers, PeerChannels(1)))
    )
    return capture_view("alice", tracker, ledger, status, scene.at(60))


def size(rows: Iterable[Row], view: View) -> tuple[int, int]:
    """Return the number of series and of bytes that these metrics have on the page of a node."""
    text: bytes = generate_latest(PageCollector(PageData([view]), rows=tuple(rows)))
    return sum(not line.startswith(b"#") for line in text.splitlines()), len(text)


def costs() -> Iterator[str]:
    """Yield what each group costs; what the groups leave is shown by section of docs/metrics.md."""
    view = node_with_peers()
    whole = size(NODE_ROWS, view)
    yield "| group | series a node | share | bytes on the page | Prometheus' disk, MB |"
    yield "| --- | --- | --- | --- | --- |"

    def line(name: str, series: int, length: int) -> str:
        disk = series * _RETENTION_DAYS * _DAY_S / _SCRAPE_S * _BYTES_PER_SAMPLE / 1e6
        return f"| {name} | {series:,} | {series / whole[0]:.0%} | {length:,} | {disk:.0f} |"

    for group in Group:
        if group is Group.DESTINATIONS:
            one, two = (size(NODE_ROWS, node_with_peers(*names)) for names in (["exchange-a"], ["exchange-a", "shop"]))
            yield line(f"`{group}`, each that is named, and `other`", two[0] - one[0], one[1] - whole[1] >> 1)
        else:
            series, length = size(node_rows([group]), view)
            yield line(f"`{group}`", whole[0] - series, whole[1] - length)
    left = {row.name: row for row in node_rows(tuple(Group))}
    for section, rows in _SECTIONS.items():
        rest = [left[row.name] for row in rows if row.name in left and not isinstance(row, ExporterRow)]
        if rest:
            yield line(f"the rest of [{section}](metrics.md#{section.lower().replace(' ', '-')})", *size(rest, view))
    yield line("all of them", *whole)
    yield line("without any group", *size(left.values(), view))


def groups() -> Iterator[str]:
    """Yield what each group leaves out, and what that does to alerts and dashboards."""
    for group in Group:
        left, on_alerts, shown = LEFT_OUT[group], alerts(group), list(boards(group))

        def those(which: Effect, on_alerts: Mapping[str, Effect] = on_alerts) -> str:
            return _listed(name for name, found in on_alerts.items() if found is which)

        def panels(which: Effect, shown: Sequence[tuple[str, str, Effect]] = shown) -> str:
            return _listed(f"{title} ({board})" for board, title, found in shown if found is which)

        metrics = _listed(f"`{row.name}`" for row in NODE_ROWS if row.name in left.metrics)
        yield f"### `{group}`"
        yield ""
        yield f"- Left out: {f'the label `{left.label}` of all counters' if left.label else metrics}"
        yield f"- Alerts that **can't fire**: {those(Effect.NOTHING)}"
        yield f"- Alerts that treat all as one: {those(Effect.COARSER)}"
        yield f"- Panels that are empty: {panels(Effect.NOTHING)}"
        yield f"- Panels that lack a part or a distinction: {panels(Effect.COARSER)}"
        if group is not list(Group)[-1]:
            yield ""


def _listed(words: Iterable[str]) -> str:
    return "; ".join(words) or "none"


SECTIONS: Mapping[str, Callable[[], Iterator[str]]] = {"costs": costs, "groups": groups}
"""The text between `<!-- begin NAME -->` and `<!-- end NAME -->`."""
