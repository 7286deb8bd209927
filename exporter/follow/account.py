"""Everything that is known and counted of one node: at every await its tracker and its ledger agree."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TypedDict, Unpack

from exporter.follow.backoff import scan_s
from exporter.follow.ended_log import EndedLog
from exporter.payments.ended import End, NewlyEnded, describe_end, is_unexplained
from exporter.payments.event import BalanceLacked, EndUnconfirmed, Event, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import Mode, NodeState, Source
from exporter.payments.ledger import Ledger
from exporter.payments.node import CatchUpProgress, Channels, Info, LastKnown, NodeStatus
from exporter.payments.overdue import Limits, Overdue, mark_overdue
from exporter.payments.payment import Moment, Payment, Run
from exporter.payments.saved import SavedNode, resume, save
from exporter.payments.totals import Counter
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture_view

RELEASE_S = 0.25
"""While runs are on hold, `Account.release` is called this long after the last update or call, seconds."""
STALL_S = 0.5
"""A longer pause between two calls means that this process stood still: it was stopped, or starved of CPU."""


class StatusChanges(TypedDict, total=False):
    """Fields of `NodeStatus` that `Account.set_status` changes."""

    state: NodeState
    stream_up: bool
    catching_up: bool
    mode: Mode | None
    reading: CatchUpProgress | None
    info: Info | None
    channels: Channels | None
    certificate_expiry_s: int | None
    unaccounted: int | None
    detail: str


class Account:
    """The tracker, the ledger and the status of one node."""

    def __init__(
        self,
        name: str,
        now: Callable[[], Moment],
        max_peers: int,
        *,
        ended_log: EndedLog | None = None,
        destinations: bool = True,
    ) -> None:
        """Start with no history and all counters at zero.

        `name` is the label `node`, `now` reads both clocks, `max_peers` limits the first-hop peers that get a label.
        `destinations`: whether it remembers who the recipients of payments are.
        """
        self.name = name
        self.now = now
        self.tracker = Tracker()
        self.tracker.recipients.kept = destinations
        self.ledger = Ledger(max_peers)
        self.status = NodeStatus()
        self.pubkey = ""
        """Identity key of the node that is counted; empty until the node has answered once."""
        self.version = 0
        """Rises with every change of the saved state."""
        self.ended: list[Run] = []
        """Runs counted as finished or lost that are not on the list on disk yet; always empty without such a list."""
        self.lists_ended = False
        """Whether there is a list on disk; its writer removes the runs it has written from `ended`."""
        self.newly_ended = NewlyEnded()
        """What the list of ended payments on disk lacks yet; whoever writes that list limits it."""
        self._ended_log = ended_log or EndedLog(hashes=False)
        self.payment_count = 0
        """Payments that lnd must scan for a subscription; the highest `payment_index` is a good enough estimate."""
        self.has_holds = asyncio.Event()
        """Set while runs are on hold: `release` must be called whenever no update came for `RELEASE_S`."""
        self.last_run_s = 0.0
        """When this process was last seen running: at an update or in `release`, by the event loop's clock."""
        self.lacks_balance = asyncio.Event()
        """Set when a payment has just ended for lack of balance: `ListChannels` tells whether peers are offline."""
        self.unexplained = asyncio.Event()
        """Set when a payment has just ended without a route and without any attempt."""
        self.last_unexplained: Run | None = None
        """The last one of these."""
        self.next_check_ns = 0
        """When lnd may be asked again why there was no route, monotonic clock; another follower obeys it, too."""
        self.has_unconfirmed = asyncio.Event()
        """Set while `take_unconfirmed` has something to return."""
        self._unconfirmed: dict[str, None] = {}  # payment hashes; a few, because the follower takes them at once
        self._awaited_started = 0
        self._has_started = asyncio.Event()  # set while `_awaited_started` runs have been started
        self._last_known = LastKnown()
        self._last_view: View | None = None
        self._last_view_version = 0  # `version` when it was captured

    def group_destinations(self, groups: Mapping[str, str]) -> None:
        """Count by these groups of destinations from now on: the name of the group of each key that is in one.

        Call it after `resume`: the totals of groups that were saved and aren't named any more become `former`.
        """
        self.tracker.recipients.groups = groups
        self.ledger.destinations.use({*groups.values()})
        self.version += 1

    def record(self, payment: Payment, source: Source, asked: Moment | None = None) -> None:
        """Count a snapshot; `asked` is when the request was sent that it answers.

        There is no await from start to end, so the tracker and the ledger agree whenever other code runs.
        """
        self._note_running()
        at = self.now()
        if payment.payment_index > self.payment_count and not payment.malformed:
            self.note_index(payment.payment_index)
        self._count(self.tracker.update(payment, source, at, asked) + self.tracker.release(at))

    def note_index(self, payment_index: int) -> None:
        """Raise `payment_count` to an index that lnd has shown."""
        if payment_index > self.payment_count:
            self.payment_count = payment_index
            self.tracker.scan_ns = int(scan_s(self.payment_count) * 1e9)

    def reset_numbering(self, last_index: int) -> None:
        """Start a new numbering whose highest index is `last_index`; lnd has just answered, so it is ready."""
        self.payment_count = 0
        self.note_index(last_index)
        self.set_status(state=NodeState.READY, detail="")

    def release(self) -> None:
        """Count the runs whose hold is over."""
        self._note_running()
        self._count(self.tracker.release(self.now()))

    def apply(self, events: list[Event]) -> None:
        """Count facts; note the runs that ended and those that lnd must be asked for again."""
        for event in events:
            if isinstance(event, EndUnconfirmed):
                self._unconfirmed[event.payment_hash] = None
                self.has_unconfirmed.set()
            elif isinstance(event, BalanceLacked):
                self.lacks_balance.set()
            elif isinstance(event, (PaymentSucceeded, PaymentFailed, PaymentLost)):
                self._note_end(event)
        self.ledger.apply(events)
        self.version += bool(events)
        if self.started >= self._awaited_started:
            self._has_started.set()

    def _note_end(self, event: End) -> None:
        """Put a run that is counted now on the lists for the disk, and into the log."""
        self.newly_ended.counted += 1
        if is_unexplained(event):
            self.last_unexplained = event.ending.run
            self.unexplained.set()
        if self.lists_ended:
            self.ended.append(event.ending.run)
        if self.newly_ended.wanted or self._ended_log.active:
            entry = describe_end(event, self.newly_ended.counted, self.now().wall_ns)
            self.newly_ended.add(entry)
            self._ended_log.note(self.name, entry, self.status.aliases)

    def take_unconfirmed(self) -> list[str]:
        """Remove and return the hashes of the payments that lnd must be asked for once more."""
        hashes = list(self._unconfirmed)
        self._unconfirmed.clear()
        self.has_unconfirmed.clear()
        return hashes

    def set_status(self, **changes: Unpack[StatusChanges]) -> None:
        """Replace fields of `status`."""
        self.status = replace(self.status, **changes)
        self.version += 1

    def capture(self) -> View:
        """Count the runs whose hold is over, then return a copy of everything that a page shows of the node.

        What has not changed since the last call is the same object as in the last view, or all of it the same view.
        """
        self.release()
        last = self._last_view
        if last is None or self.version != self._last_view_version or self.tracker.open:  # their ages change, too
            last = capture_view(self.name, self.tracker, self.ledger, self.status, self.now(), last)
            self._last_view, self._last_view_version = last, self.version
        return last

    def save(self, view: View) -> SavedNode:
        """Return everything that must outlive the process, and update what is last known of the node.

        Call it right after `view` was captured, without an await in between.
        """
        at = self.now()
        peers = {*self.ledger.peers.used_ns, *view.in_flight.peers}
        self._last_known = self._last_known.then(self.status, peers, at.wall_ns)
        return save(
            view,
            self.tracker,
            self.ledger,
            pubkey=self.pubkey,
            table=self.payment_count,
            ended=tuple(self.ended),
            newly_ended=self.newly_ended.unwritten(),
            at=at,
            heard=self._last_known,
        )

    def known_runs(self, runs: Collection[Run]) -> set[Run]:
        """Return those of some runs that are in memory: they have been counted or will be."""
        remembered = {run for run in runs if run in self.tracker.open or run in self.tracker.finished.indexes}
        return remembered.union({*runs}.intersection(self.ended))

    async def started_until(self, started: int) -> None:
        """Wait until this many runs have been started since the counters began; for one waiting task."""
        self._awaited_started = started
        self._has_started.clear()
        if self.started < started:
            await self._has_started.wait()

    @property
    def started(self) -> int:
        """Return how many runs have been started since the counters began."""
        return self.ledger.counters[Counter.STARTED][()]

    def resume(self, saved: SavedNode) -> None:
        """Continue from what another process saved."""
        resume(saved, self.tracker, self.ledger, self.now())
        self.newly_ended.counted = self.ledger.ended
        self.pubkey = saved.state.pubkey
        self.note_index(saved.state.table)
        self._last_known = saved.state.heard
        self.status = replace(self.status, before=saved.state.heard)

    def mark_overdue(self, limits: Limits) -> list[Overdue]:
        """Return the open payments that have passed a limit, each limit once; none while the stream is down."""
        if not self.status.stream_up:
            return []
        passed = mark_overdue(self.tracker.open.values(), self.now(), self.status.block_height, limits)
        self.version += bool(passed)
        for overdue in passed:
            self.tracker.texts.changed(overdue.run.run)
        return passed

    def _note_running(self) -> None:
        """Extend all holds if this process stood still: a second terminal update may be waiting in the socket."""
        now_s = asyncio.get_running_loop().time()
        stalled_s = now_s - self.last_run_s
        if stalled_s > STALL_S:
            self.tracker.postpone(int(stalled_s * 1e9))
        self.last_run_s = now_s

    def _count(self, events: list[Event]) -> None:
        """Count facts, then tell whether runs are on hold."""
        self.apply(events)
        if self.tracker.on_hold:
            self.has_holds.set()
        else:
            self.has_holds.clear()
