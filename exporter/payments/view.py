"""All that a page says of one node, taken at one instant and never changed afterwards."""

from dataclasses import dataclass

from exporter.payments import inflight
from exporter.payments.inflight import InFlight
from exporter.payments.ledger import Ledger
from exporter.payments.node import NodeStatus
from exporter.payments.payment import Moment
from exporter.payments.peers import FORMER_PEERS
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.payments.tracker import Tracker


@dataclass(frozen=True, slots=True)
class View:
    """One node at one instant: an independent copy, so that it may be rendered in another thread."""

    node: str
    """The node's configured name, the label `node`."""
    counters: dict[Counter, dict[Labels, int]]
    histograms: dict[HistogramName, dict[Labels, Histogram]]
    in_flight: InFlight
    peers_in_flight: dict[str, tuple[int, int]]
    """HTLCs outstanding and their amount in msat by label of the first hop; every peer with a label has an entry.

    Empty if nothing is counted by peer, though totals of before may be kept.
    """
    status: NodeStatus
    last_update_ns: int | None


def capture(node: str, tracker: Tracker, ledger: Ledger, status: NodeStatus, now: Moment) -> View:
    """Copy what a page needs; whoever calls has released what is due (`Tracker.release`)."""
    in_flight = inflight.count(tracker.open.values(), now, status.block_height)
    labels = (label for (label,) in ledger.counters[Counter.PEER_SENT] if label != FORMER_PEERS)
    peers = dict.fromkeys(labels if ledger.peers.most else (), (0, 0))  # `other` too, once there is one
    for key, (htlcs, msat) in in_flight.peers.items():
        if label := ledger.peers.label(key):
            before = peers.get(label, (0, 0))
            peers[label] = (before[0] + htlcs, before[1] + msat)
    return View(
        node=node,
        counters={counter: series.copy() for counter, series in ledger.counters.items()},
        histograms={name: {k: h.copy() for k, h in series.items()} for name, series in ledger.histograms.items()},
        in_flight=in_flight,
        peers_in_flight=peers,
        status=status,
        last_update_ns=ledger.last_update_ns,
    )
