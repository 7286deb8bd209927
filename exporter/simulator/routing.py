"""Finds routes in the world of a simulated node, and remembers which channels failed: as lnd's QueryRoutes answers."""

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.world import Edge, World

NO_PATH = "unable to find a path to destination"
INSUFFICIENT = "insufficient local balance"
"""lnd's texts (routing/payment_session.go)."""
ME = ""
"""Stands for the key of this node, in what it has learnt."""
_REMEMBERED = 1000
_APRIORI = 0.6  # lnd's default probability of a channel that hasn't been tried; its own count as sure
_SMALL_MSAT, _PART_OF_OTHERS = 1_000_000, 20  # lnd's limit of the fee: the amount if it is small, else 5 % of it
_AMOUNT_MATTERS = (pb.Failure.TEMPORARY_CHANNEL_FAILURE,)
_GONE = (pb.Failure.UNKNOWN_NEXT_PEER, pb.Failure.CHANNEL_DISABLED, pb.Failure.PERMANENT_CHANNEL_FAILURE)


class Failed(NamedTuple):
    """A pair of nodes between which an HTLC has failed."""

    start: str
    end: str
    """Identity keys."""
    from_msat: int
    """Amounts from this one on fail: the one that was to arrive. lnd takes the one that was to be forwarded there."""


class MissionControl:
    """What the node has learnt from failed HTLCs: the last 1000 pairs. Unlike lnd it forgets only when told to."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        self._failed: deque[Failed] = deque(maxlen=_REMEMBERED)

    def reset(self) -> None:
        """Forget everything (`ResetMissionControl`)."""
        self._failed.clear()

    def learn(self, route: pb.Route, code: int, source: int) -> None:
        """Note a failure that hop `source` (0: this node) has reported about the channel after it."""
        keys = [ME, *(hop.pub_key for hop in route.hops)]
        if source >= len(keys) - 1:
            return
        start, end = keys[source], keys[source + 1]
        if code in _AMOUNT_MATTERS:
            self._failed.append(Failed(start, end, route.total_amt_msat - route.total_fees_msat))
        elif code in _GONE:
            self._failed += [Failed(start, end, 0), Failed(end, start, 0)]

    def avoids(self, edge: Edge, amount_msat: int) -> bool:
        """Return True if an HTLC of this amount is not sent over a channel."""
        return any(
            (one.start, one.end) == (edge.start, edge.end) and amount_msat >= one.from_msat for one in self._failed
        )


def find_route(
    world: World, target: str, amount_msat: int, learned: MissionControl | None, limit_msat: int = 0
) -> tuple[pb.Route, float] | str:
    """Return the cheapest route and its probability, or lnd's text if there is none.

    With `learned` channels that have failed are avoided. A `limit_msat` of 0 stands for lnd's own limit of the fee.
    """
    limit_msat = limit_msat or (amount_msat if amount_msat <= _SMALL_MSAT else amount_msat // _PART_OF_OTHERS)
    usable = [peer.spendable_msat for peer in world.peers if peer.active]
    if sum(usable) < amount_msat:
        return INSUFFICIENT
    if max(usable, default=0) < amount_msat:
        return NO_PATH
    # Backwards from the recipient, as lnd does: only so are the amounts known that nodes forward.
    heap: list[tuple[int, tuple[str, ...], tuple[int, ...]]] = [(amount_msat, (target,), ())]
    seen: set[str] = set()
    while heap:
        amount, path, fees = heappop(heap)
        if path[0] == ME:
            route = world.route(path[1:], amount_msat, fees)
            return route, _APRIORI ** (len(path) - 2) if learned else 1.0
        if path[0] in seen:
            continue
        seen.add(path[0])
        for edge in _edges_to(world, path[0]):
            own = edge.start == ME
            if amount > edge.capacity_msat or (learned and learned.avoids(edge, amount)):
                continue
            fee = 0 if own else edge.fee_msat(amount)
            if amount + fee > amount_msat + limit_msat:
                continue
            heappush(heap, (amount + fee, (edge.start, *path), fees if own else (fee, *fees)))
    return NO_PATH


def _edges_to(world: World, key: str) -> Iterator[Edge]:
    """Yield the channels that lead to a node, the node's own with what it can send over them."""
    yield from (edge for edge in world.edges if edge.end == key)
    for peer in world.peers:
        if peer.active and peer.node.pubkey == key:
            yield Edge(ME, key, peer.spendable_msat)
