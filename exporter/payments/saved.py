"""The state of a node that outlives the process: all that can't be asked of lnd again, at one instant."""

from dataclasses import dataclass, field

from exporter.payments.ended import EndedPayment
from exporter.payments.failed_hashes import FailedHash
from exporter.payments.ledger import Ledger
from exporter.payments.node import LastKnown
from exporter.payments.payment import Moment, Run
from exporter.payments.run import OpenRun
from exporter.payments.texts import OpenTexts
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.payments.tracker import Tracker
from exporter.payments.view import View


@dataclass(frozen=True, slots=True)
class SavedState:
    """The state of a node apart from its totals and runs: its identity, where counting began, the floor.

    Fields without a description are those of the same name in `Tracker`, `History`, `FinishedRuns` and `Ledger`.
    """

    at: Moment
    """The instant."""
    pubkey: str
    """Identity key of the node; empty if lnd never sent it."""
    table: int
    """Number of payments that lnd has at least: the highest index seen."""
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
    heard: LastKnown = field(default_factory=LastKnown)
    """The node's last answers."""
    peers_used_ns: tuple[int, ...] = ()
    """When each of `peers` was last used, nanoseconds since 1970; empty in older files."""
    began_ns: int = 0
    """0 in older files."""
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class SavedNode:
    """One node. The open runs are the tracker's own objects, which change: encode them at once."""

    state: SavedState
    counters: dict[Counter, dict[Labels, int]]
    histograms: dict[HistogramName, dict[Labels, Histogram]]
    open: tuple[OpenRun, ...]
    finished: dict[Run, int]
    """The finished runs that are remembered, each with the index under which lnd last showed it."""
    failed: dict[str, FailedHash] = field(default_factory=dict)
    """The hashes that failed and are remembered, the one that failed last at the end."""
    ended: tuple[Run, ...] = ()
    """Runs counted as finished or lost that are not yet on the list on disk, which the audit uses."""
    newly_ended: tuple[EndedPayment, ...] = ()
    """What the list of ended payments on disk lacks yet, oldest first."""
    texts: OpenTexts | None = field(default=None, compare=False)
    """What is known of `open` as text: the tracker's own, which changes; None if these runs are of no tracker."""


def save(
    view: View,
    tracker: Tracker,
    ledger: Ledger,
    *,
    pubkey: str,
    table: int,
    ended: tuple[Run, ...],
    at: Moment,
    heard: LastKnown,
    newly_ended: tuple[EndedPayment, ...] = (),
) -> SavedNode:
    """Return the state of a node to be saved, at the instant of `view`."""
    finished = tracker.finished
    state = SavedState(
        at=at,
        pubkey=pubkey,
        table=table,
        peers=tuple(ledger.peers.used_ns),
        last_update_ns=ledger.last_update_ns,
        begun=tracker.begun,
        history_us=tracker.history.newest_us,
        survivors=tuple(tracker.history.survivors),
        newest_us=finished.newest_us,
        forgotten_us=tuple(finished.forgotten_us),
        floor_index=finished.floor_index,
        floor_us=finished.floor_us,
        by_time=finished.by_time,
        heard=heard,
        peers_used_ns=tuple(ledger.peers.used_ns.values()),
        began_ns=tracker.history.began_ns,
        adopted=tracker.history.adopted,
    )
    return SavedNode(
        state,
        view.counters,
        view.histograms,
        tuple(tracker.open.values()),
        finished.indexes.snapshot(),
        tracker.failed.by_hash.snapshot(),
        ended,
        newly_ended,
        tracker.texts,
    )


def resume(saved: SavedNode, tracker: Tracker, ledger: Ledger, now: Moment) -> None:
    """Restore a saved state into a new tracker and ledger. Monotonic times are shifted to the clock of `now`."""
    state = saved.state
    away_ns = max(0, now.wall_ns - state.at.wall_ns)
    shift_ns = now.mono_ns - state.at.mono_ns - away_ns
    for run in saved.open:
        run.resume(shift_ns)
        tracker.add(run)
    tracker.begun = state.begun
    tracker.history.newest_us, tracker.history.began_ns = state.history_us, state.began_ns
    tracker.history.adopted = state.adopted
    tracker.history.survivors.update(dict.fromkeys(state.survivors))
    finished = tracker.finished
    finished.indexes.update(saved.finished)
    finished.newest_us = state.newest_us
    finished.forgotten_us.extend(state.forgotten_us)
    finished.floor_index, finished.floor_us, finished.by_time = state.floor_index, state.floor_us, state.by_time
    tracker.failed.by_hash.update(saved.failed)
    ledger.last_update_ns = state.last_update_ns
    ledger.resume(saved.counters, saved.histograms)
    used_ns = dict.fromkeys(state.peers, 0) | dict(zip(state.peers, state.peers_used_ns, strict=False))
    outstanding = (attempt.peer for run in saved.open for attempt in run.outstanding.values())
    ledger.retire(ledger.peers.resume(used_ns.items(), outstanding))
