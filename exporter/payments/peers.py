"""Which first-hop peers have a label of their own: a limited number of places, for those that are used."""

from collections.abc import Iterable

OTHER_PEERS = "other"
"""Label of all peers that have no place."""
FORMER_PEERS = "former"
"""Label of what was counted of peers that have lost their place."""
UNUSED_NS = 7 * 86_400 * 1_000_000_000
"""A peer that was used by no attempt for a week gives its place to a new one, also if it has a channel."""


class Peers:
    """At most `most` places. One is only taken away when a peer without a place is used."""

    def __init__(self, most: int) -> None:
        """Nobody has a place; `most` 0: nothing is counted by peer."""
        self.most = most
        self.used_ns: dict[str, int] = {}
        """When each peer with a place was last used, nanoseconds since 1970, 0 if unknown; longest unused first."""
        self.with_channel: frozenset[str] | None = None
        """Peers with a channel by the last answer of `ListChannels`; None before the first, or without permission."""
        self._outstanding: dict[str, int] = {}  # HTLCs by peer; bounded by what is in flight

    def label(self, key: str) -> str | None:
        """The label of a first-hop peer: its key, or `other`; None if nothing is counted by peer."""
        if not self.most or not key:
            return None
        return key if key in self.used_ns else OTHER_PEERS

    def use(self, key: str, now_ns: int) -> list[str]:
        """Note that an attempt goes through a peer, and give it a place if there is one; who has lost theirs."""
        self._outstanding[key] = self._outstanding.get(key, 0) + 1
        if not key or not self.most:
            return []
        lost: list[str] = []
        if key not in self.used_ns and len(self.used_ns) >= self.most:
            lost = self._without_use(now_ns)
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

    def resume(self, used_ns: Iterable[tuple[str, int]], outstanding: Iterable[str]) -> list[str]:
        """Go on with places that were given before, and HTLCs by peer; who has lost theirs: there are fewer now."""
        self.used_ns.update(used_ns)
        for key in outstanding:
            self._outstanding[key] = self._outstanding.get(key, 0) + 1
        lost = list(self.used_ns)[: max(0, len(self.used_ns) - self.most)] if self.most else []
        for key in lost:
            del self.used_ns[key]
        return lost

    def _touch(self, key: str, now_ns: int) -> None:
        self.used_ns.pop(key, None)
        self.used_ns[key] = now_ns

    def _without_use(self, now_ns: int) -> list[str]:
        """Take the place of the one peer that needs it least, if there is any that doesn't need it."""
        for key, used_ns in self.used_ns.items():
            if key in self._outstanding:
                continue
            closed = self.with_channel is not None and key not in self.with_channel
            if closed or (used_ns and now_ns - used_ns >= UNUSED_NS):
                del self.used_ns[key]
                return [key]
            self.used_ns[key] = used_ns or now_ns  # from here on it is known
        return []
