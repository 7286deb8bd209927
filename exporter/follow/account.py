"""All that is known and counted of one node: at every await its tracker and its ledger agree."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from exporter.follow.backoff import scan_s
from exporter.payments.event import EndUnconfirmed, Event, PaymentFailed, PaymentLost, PaymentSucceeded
from exporter.payments.labels import NodeState, Source
from exporter.payments.ledger import Ledger
from exporter.payments.node import LastKnown, NodeStatus
from exporter.payments.overdue import Limits, Overdue, pass_limits
from exporter.payments.payment import Moment, Payment, Run
from exporter.payments.saved import SavedNode, resume, save
from exporter.payments.tracker import Tracker
from exporter.payments.view import View, capture

PULSE_S = 0.25
"""While runs are on hold, time is looked at this often."""
STILL_S = 0.5
"""A longer pause between two looks means that this process stood still: stopped, or starved of CPU."""


class Account:
    """The books of one node."""

    def __init__(self, name: str, now: Callable[[], Moment], max_peers: int) -> None:
        """`name` is the label `node`; `now` is both clocks; `max_peers` first-hop peers get a label of their own."""
        self.name = name
        self.now = now
        self.tracker = Tracker()
        self.ledger = Ledger(max_peers)
        self.status = NodeStatus()
        self.pubkey = ""
        """Identity key of the node that is counted; empty until it has answered once."""
        self.version = 0
        """Rises with every change of what must be saved."""
        self.ended: list[Run] = []
        """Runs counted as finished or lost that are not yet on the list on disk; empty if there is none."""
        self.keeps = False
        """There is a list on disk; whoever has written runs to it removes them from `ended`."""
        self.payment_count = 0
        """Payments that lnd has to scan for a subscription; the highest index is near enough."""
        self.holding = asyncio.Event()
        """Set while runs are on hold: call `release` every `PULSE_S`."""
        self._listened_s = 0.0  # by the event loop's clock
        self.doubts = asyncio.Event()
        """Set while there is something in `doubted`."""
        self._doubted: dict[str, None] = {}  # at most what ended just now
        self._heard = LastKnown()

    def record(self, payment: Payment, source: Source, asked: Moment | None = None) -> None:
        """Take in one snapshot, and when it was asked for: from here to the end there is no await."""
        self._listen()
        at = self.now()
        if not payment.malformed:
            self.saw_index(payment.payment_index)
        self.apply(self.tracker.update(payment, source, at, asked))
        self._count_due(at)

    def saw_index(self, payment_index: int) -> None:
        """Note how many payments lnd has at least."""
        if payment_index > self.payment_count:
            self.payment_count = payment_index
            self.tracker.scan_ns = int(scan_s(self.payment_count) * 1e9)

    def new_numbering(self, last_index: int) -> None:
        """Begin to number anew: lnd answers, and has this many payments at most."""
        self.payment_count = 0
        self.saw_index(last_index)
        self.set_status(state=NodeState.READY, detail="")

    def release(self) -> None:
        """Count the runs whose hold is over."""
        self._listen()
        self._count_due(self.now())

    def apply(self, events: list[Event]) -> None:
        """Count facts, and note what must be asked."""
        for event in events:
            if isinstance(event, EndUnconfirmed):
                self._doubted[event.payment_hash] = None
                self.doubts.set()
            elif self.keeps and isinstance(event, PaymentSucceeded | PaymentFailed):
                self.ended.append(event.ending.run)
            elif self.keeps and isinstance(event, PaymentLost):
                self.ended.append(event.run)
        self.ledger.apply(events)
        self.version += bool(events)

    def doubted(self) -> list[str]:
        """Hashes of payments that lnd must be asked about once more; they are given out once."""
        hashes = list(self._doubted)
        self._doubted.clear()
        self.doubts.clear()
        return hashes

    def set_status(self, **changes: Any) -> None:
        """Change what is known of the node; the names are those of `NodeStatus`."""
        self.status = replace(self.status, **changes)
        self.version += 1

    def view(self) -> View:
        """What a page shows of the node now."""
        self.release()
        return capture(self.name, self.tracker, self.ledger, self.status, self.now())

    def saved(self, view: View) -> SavedNode:
        """What must be kept of the node at the instant of `view`: now, there must be no await in between."""
        at = self.now()
        outstanding = (attempt for run in self.tracker.open.values() for attempt in run.outstanding.values())
        peers = {*self.ledger.peers.used_ns, *(attempt.peer for attempt in outstanding)}
        self._heard = self._heard.then(self.status, peers, at.wall_ns)
        return save(
            view,
            self.tracker,
            self.ledger,
            pubkey=self.pubkey,
            table=self.payment_count,
            ended=tuple(self.ended),
            at=at,
            heard=self._heard,
        )

    def known(self) -> set[Run]:
        """Runs of which this process knows that they are counted, or will be."""
        return {*self.tracker.open, *self.tracker.memory.indexes, *self.ended}

    def resume(self, saved: SavedNode) -> None:
        """Go on where another process was when it saved."""
        resume(saved, self.tracker, self.ledger, self.now())
        self.pubkey = saved.state.pubkey
        self.saw_index(saved.state.table)
        self._heard = saved.state.heard
        self.status = replace(self.status, before=saved.state.heard)

    def pass_limits(self, limits: Limits) -> list[Overdue]:
        """Open payments that have passed a limit, each limit once; none while it isn't known what is open."""
        if not self.status.stream_up:
            return []
        passed = pass_limits(self.tracker.open.values(), self.now(), self.status.block_height, limits)
        self.version += bool(passed)
        return passed

    def _listen(self) -> None:
        """Note that this process runs. If it stood still, a last word of lnd may wait in the socket: hold on longer."""
        now_s = asyncio.get_running_loop().time()
        still_s = now_s - self._listened_s
        if still_s > STILL_S:
            self.tracker.postpone(int(still_s * 1e9))
        self._listened_s = now_s

    def _count_due(self, at: Moment) -> None:
        self.apply(self.tracker.release(at))
        if self.tracker.on_hold:
            self.holding.set()
        else:
            self.holding.clear()
