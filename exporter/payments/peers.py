"""The first-hop peers that have a label of their own: a limited number of places, for peers that are used."""

from collections.abc import Iterable

from exporter.payments.labels import FailureSource, PeerOutcome
from exporter.payments.payment import NS_PER_S

OTHER_PEERS = "other"
"""Label of all peers without a place."""
FORMER_PEERS = "former"
"""Label of the totals of peers that have lost their place."""
UNUSED_NS = 7 * 86_400 * NS_PER_S
"""A peer that no attempt has used for this long (a week) gives its place to a new one, even if it has a channel."""


class Peers:
    """The places for first-hop peers. A peer loses its place only when one without a place is used."""

    def __init__(self, places: int) -> None:
        """Start with all places free; with 0 places nothing is counted by peer."""
        self.places = places
        self.used_ns: dict[str, int] = {}
        """When each peer with a place was last used, nanoseconds since 1970, 0 if unknown; the longest unused first."""
        self.with_channel: frozenset[str] | None = None
        """Peers with a channel by the last `ListChannels`; None before the first, or without permission."""
        self._outstanding: dict[str, int] = {}  # HTLCs outstanding by peer: as many as are in flight

    def label(self, key: str) -> str | None:
        """Return the label of a first-hop peer: its key, or `other`; None if nothing is counted by peer."""
        if not self.places or not key:
            return None
        return key if key in self.used_ns else OTHER_PEERS

    def use(self, key: str, now_ns: int) -> list[str]:
        """Note that an attempt goes through a peer, and give the peer a place if possible.

        Return the peer that lost its place for it, if any.
        """
        self._outstanding[key] = self._outstanding.get(key, 0) + 1
        return self.give_place(key, now_ns)

    def give_place(self, key: str, now_ns: int) -> list[str]:
        """Give a peer that is used a place if possible; return the peer that lost its place for it, if any."""
        if not key or not self.places:
            return []
        lost: list[str] = []
        if key not in self.used_ns and len(self.used_ns) >= self.places:
            lost = self._free_place(now_ns)
            if not lost:
                return []
        self._touch(key, now_ns)
        return lost

    def resolved(self, key: str, now_ns: int) -> None:
        """Note that an attempt through a peer is over."""
        left = self._outstanding.pop(key, 0) - 1
        if left > 0:
            self._outstanding[key] = left
        if key in self.used_ns:
            self._touch(key, now_ns)

    @property
    def outstanding(self) -> list[str]:
        """The first hop of each HTLC that is outstanding."""
        return [key for key, htlcs in self._outstanding.items() for _ in range(htlcs)]

    def resume(self, used_ns: Iterable[tuple[str, int]], outstanding: Iterable[str]) -> list[str]:
        """Restore saved places, and the HTLCs outstanding, a peer for each.

        Return the peers that lost their place because there are fewer places now: those unused the longest.
        """
        self.used_ns.update(used_ns)
        for key in outstanding:
            self._outstanding[key] = self._outstanding.get(key, 0) + 1
        lost = list(self.used_ns)[: max(0, len(self.used_ns) - self.places)] if self.places else []
        for key in lost:
            del self.used_ns[key]
        return lost

    def _touch(self, key: str, now_ns: int) -> None:
        self.used_ns.pop(key, None)
        self.used_ns[key] = now_ns

    def _free_place(self, now_ns: int) -> list[str]:
        """Free the place of the peer unused the longest of those that may lose it, if any; return that peer.

        A peer may lose its place if it has no HTLC outstanding, and either no channel or no use for a week.
        """
        for key, used_ns in self.used_ns.items():
            if key in self._outstanding:
                continue
            closed = self.with_channel is not None and key not in self.with_channel
            if closed or (used_ns and now_ns - used_ns >= UNUSED_NS):
                del self.used_ns[key]
                return [key]
            self.used_ns[key] = used_ns or now_ns  # if unknown, its week begins now
        return []


def peer_outcome(source: FailureSource) -> PeerOutcome:
    """Return where an attempt failed, seen from its first hop. Refusals and unknown failures are beyond the peer."""
    if source is FailureSource.SELF:
        return PeerOutcome.FAILED_HERE
    if source is FailureSource.FIRST_HOP:
        return PeerOutcome.FAILED_AT_PEER
    return PeerOutcome.FAILED_BEYOND
