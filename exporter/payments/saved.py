"""What of a node outlives the process: all that can't be asked of lnd again, as it is at one instant."""

from dataclasses import dataclass, field

from exporter.payments.ledger import Ledger
from exporter.payments.node import Heard
from exporter.payments.payment import Moment, Run
from exporter.payments.run import OpenRun
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.payments.tracker import Tracker
from exporter.payments.view import View


@dataclass(frozen=True, slots=True)
class Marks:
    """Who is counted, where counting began, how far all runs are known, and what the totals don't tell."""

    at: Moment
    """When this was so."""
    pubkey: str
    """Identity key of the node that is counted; empty if it never said."""
    table: int
    """Payments that lnd has at least."""
    peers: tuple[str, ...]
    """First-hop peers with a label of their own, the longest unused first."""
    last_update_ns: int | None
    begun: bool
    history_us: int
    survivors: tuple[Run, ...]
    newest_us: int
    forgotten_us: tuple[int, ...]
    floor_index: int
    floor_us: int
    by_time: bool
    heard: Heard = field(default_factory=Heard)
    peers_used_ns: tuple[int, ...] = ()
    """When each of `peers` was last used, nanoseconds since 1970; empty in older files."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One node. The open runs are the tracker's own objects: whoever keeps them writes them down at once."""

    marks: Marks
    counters: dict[Counter, dict[Labels, int]]
    histograms: dict[HistogramName, dict[Labels, Histogram]]
    open: tuple[OpenRun, ...]
    finished: dict[Run, int]
    """The runs that are remembered, each with the index under which lnd last showed it."""
    ended: tuple[Run, ...] = ()
    """Runs counted as finished or lost that are not yet on the list on disk: for the audit."""


def take(
    view: View,
    tracker: Tracker,
    ledger: Ledger,
    *,
    pubkey: str,
    table: int,
    ended: tuple[Run, ...],
    at: Moment,
    heard: Heard,
) -> Saved:
    """All that must be kept of a node at the instant of `view`."""
    memory = tracker.memory
    marks = Marks(
        at=at,
        pubkey=pubkey,
        table=table,
        peers=tuple(ledger.peers.used_ns),
        last_update_ns=ledger.last_update_ns,
        begun=tracker.begun,
        history_us=tracker.history_us,
        survivors=tuple(tracker.survivors),
        newest_us=memory.newest_us,
        forgotten_us=tuple(memory.forgotten_us),
        floor_index=memory.floor_index,
        floor_us=memory.floor_us,
        by_time=memory.by_time,
        heard=heard,
        peers_used_ns=tuple(ledger.peers.used_ns.values()),
    )
    return Saved(marks, view.counters, view.histograms, tuple(tracker.open.values()), memory.indexes.copy(), ended)


def resume(saved: Saved, tracker: Tracker, ledger: Ledger, now: Moment) -> None:
    """Go on where it was saved; `tracker` and `ledger` are new. What ran on a monotonic clock goes on at `now`."""
    marks = saved.marks
    away_ns = max(0, now.wall_ns - marks.at.wall_ns)
    shift_ns = now.mono_ns - marks.at.mono_ns - away_ns
    for run in saved.open:
        run.resume(shift_ns)
        tracker.add(run)
    tracker.begun = marks.begun
    tracker.history_us = marks.history_us
    tracker.survivors.update(dict.fromkeys(marks.survivors))
    memory = tracker.memory
    memory.indexes.update(saved.finished)
    memory.newest_us = marks.newest_us
    memory.forgotten_us.extend(marks.forgotten_us)
    memory.floor_index, memory.floor_us, memory.by_time = marks.floor_index, marks.floor_us, marks.by_time
    ledger.last_update_ns = marks.last_update_ns
    for counter, totals in saved.counters.items():
        ledger.counters[counter].update(totals)
    for name, series in saved.histograms.items():
        ledger.histograms[name].update({labels: histogram.copy() for labels, histogram in series.items()})
    used_ns = dict.fromkeys(marks.peers, 0) | dict(zip(marks.peers, marks.peers_used_ns, strict=False))
    outstanding = (attempt.peer for run in saved.open for attempt in run.outstanding.values())
    ledger.retire(ledger.peers.resume(used_ns.items(), outstanding))
