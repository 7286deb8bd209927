"""A copy of everything that a page shows of one node, made at one instant."""

from collections.abc import Collection
from dataclasses import dataclass

from exporter.payments.inflight import InFlight
from exporter.payments.ledger import Ledger
from exporter.payments.node import Channels, NodeStatus, PeerChannels
from exporter.payments.payment import Moment
from exporter.payments.peers import FORMER_PEERS, OTHER_PEERS
from exporter.payments.totals import Counter, Histogram, HistogramName, Labels
from exporter.payments.tracker import Tracker


@dataclass(frozen=True, slots=True)
class View:
    """One node at one instant. Nothing changes it any more, so that another thread can render it."""

    node: str
    """The node's configured name: the label `node`."""
    counters: dict[Counter, dict[Labels, int]]
    histograms: dict[HistogramName, dict[Labels, Histogram]]
    in_flight: InFlight
    peers_in_flight: dict[str, tuple[int, int]]
    """Number and amount in msat of HTLCs outstanding by label of the first hop; every peer with a label has an entry.

    Empty if nothing is counted by peer, even if totals by peer were kept from before.
    """
    status: NodeStatus
    peer_channels: dict[str, PeerChannels]
    """The channels by label of the peer, those of peers without a label added up; empty if they aren't known."""
    ghosts: tuple[int, int] | None
    """Number and amount in msat of HTLCs that are on no channel any more; None if the channels aren't known."""
    last_update_ns: int | None
    """When the last snapshot was received, by our clock, nanoseconds since 1970; None before the first."""


def capture_view(  # noqa: PLR0917 - the parts of an account
    node: str, tracker: Tracker, ledger: Ledger, status: NodeStatus, now: Moment, last: View | None = None
) -> View:
    """Return a copy of all that a page needs. Call `Tracker.release` before: it counts runs whose hold is over.

    It consists of the same objects as `last`, an earlier view of the node, wherever nothing has changed, so that `is`
    tells what is new; it is `last` if nothing at all is.
    """
    counters, histograms = ledger.share()
    in_flight = tracker.in_flight.count(now, status.block_height)
    labels = (label for (label,) in ledger.counters[Counter.PEER_SENT] if label != FORMER_PEERS)
    peers = dict.fromkeys(labels if ledger.peers.places else (), (0, 0))  # `other` too, once there is one
    for key, (htlcs, msat) in in_flight.peers.items():
        if label := ledger.peers.label(key):
            before = peers.get(label, (0, 0))
            peers[label] = (before[0] + htlcs, before[1] + msat)
    if last and last.status.channels is status.channels and last.peers_in_flight.keys() == peers.keys():
        peer_channels = last.peer_channels
    else:
        peer_channels = _by_label(status.channels, peers) if ledger.peers.places else {}
    view = View(
        node=node,
        counters=counters,
        histograms=histograms,
        in_flight=last.in_flight if last and last.in_flight == in_flight else in_flight,
        peers_in_flight=last.peers_in_flight if last and last.peers_in_flight == peers else peers,
        status=last.status if last and last.status == status else status,
        peer_channels=peer_channels,
        ghosts=tracker.ghosts.count(tracker.open) if status.channels else None,
        last_update_ns=ledger.last_update_ns,
    )
    return last if last == view else view


def _by_label(channels: Channels | None, labels: Collection[str]) -> dict[str, PeerChannels]:
    """Return the channels by label: peers without a label of their own share `other`."""
    by_label: dict[str, PeerChannels] = {}
    for key, peer in channels.by_peer.items() if channels else ():
        label = key if key in labels else OTHER_PEERS
        by_label[label] = by_label[label].plus(peer) if label in by_label else peer
    return by_label
