"""The state of a node itself, apart from its payments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add
from typing import NamedTuple

from exporter.payments.labels import Mode, NodeState


@dataclass(frozen=True, slots=True)
class Info:
    """The answer of `GetInfo`."""

    pubkey: str
    """Identity key, 66 hex digits (`identity_pubkey`)."""
    alias: str = ""
    version: str = ""
    network: str = ""
    """`mainnet`, `testnet`, `signet`, `regtest`, ... (`chains[0].network`)."""
    block_height: int = 0
    best_header_s: int = 0
    """Time stamp of the best block header, seconds since 1970 (`best_header_timestamp`)."""
    synced_to_chain: bool = False
    channels_active: int = 0
    channels_inactive: int = 0
    channels_pending: int = 0
    synced_to_graph: bool = False
    """True if the node knows the public channels well enough to find routes (`synced_to_graph`)."""


class PeerChannels(NamedTuple):
    """The open channels with one peer or with several, added up (`ListChannels`)."""

    active: int = 0
    """Number of channels that can be used (`Channel.active`)."""
    inactive: int = 0
    """Number of channels whose peer is offline."""
    spendable_msat: int = 0
    """Local balance of the active channels less their reserves, never below 0."""
    receivable_msat: int = 0
    """Remote balance of the active channels less their reserves, never below 0."""
    offered: int = 0
    """Number of HTLCs that this node has offered in all of the channels, forwarded ones included (`pending_htlcs`)."""
    offered_limit: int = 0
    """How many it may offer: what the peers accept (`max_accepted_htlcs` of `local_constraints`)."""
    offered_msat: int = 0
    """Amount of the HTLCs offered."""
    offered_msat_limit: int = 0
    """The largest amount that it may offer (`max_pending_amt_msat` of `local_constraints`)."""

    @property
    def offered_ratio(self) -> float:
        """The share of what the peers accept that is offered: of HTLCs or of their amount, whichever is more.

        0 is nothing, 1 all. A limit of 0 is one that lnd didn't tell, and counts for nothing.
        """
        htlcs = self.offered / self.offered_limit if self.offered_limit else 0
        return max(htlcs, self.offered_msat / self.offered_msat_limit if self.offered_msat_limit else 0)

    def plus(self, other: "PeerChannels") -> "PeerChannels":
        """Return both added up."""
        return PeerChannels(*map(add, self, other))


class OfferedHtlc(NamedTuple):
    """An HTLC that this node has offered in a channel (`Channel.pending_htlcs`)."""

    amount_sat: int
    """Rounded down, as lnd sends it."""
    expiry_height: int
    """Block height at which it expires (`expiration_height`)."""


Offered = Mapping[str, tuple[OfferedHtlc, ...]]
"""The HTLCs that this node has offered in one channel, by payment hash: 64 hex digits; at most 483 (BOLT 2)."""


@dataclass(frozen=True, slots=True)
class Channels:
    """The answer of `ListChannels`, which not every macaroon allows."""

    spendable_msat: int
    """Local balance of the active channels less their reserves, msat, never below 0 (`ListChannels`)."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Alias of each direct peer by identity key; as many as the node has channels, at most."""
    by_peer: dict[str, PeerChannels] = field(default_factory=dict)
    """The channels with each direct peer by its identity key; as many as the node has channels, at most."""
    offered: dict[int, Offered] = field(default_factory=dict, repr=False)
    """The HTLCs that this node has offered, by active channel (`Channel.chan_id`, `Channel.zero_conf_confirmed_scid`).

    Those of inactive ones aren't all known: lnd lists an HTLC when its peer has acknowledged it, which one that is
    offline can't. Channels that are being closed aren't listed.
    """
    inactive_msat: int = 0
    """Local balance of the inactive channels less their reserves, msat, never below 0: their peers are offline."""


class CatchUpProgress(NamedTuple):
    """Progress of a catch-up; the first three are values of `payment_index`. Reading back, they are seconds."""

    first: int
    """Where it began: all payments up to here were known."""
    at: int
    """All payments up to here have been read."""
    last: int
    """The highest index that lnd has sent."""
    payments: int
    """Number of payments read."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The present state of a node. It is replaced as a whole when a part of it changes."""

    state: NodeState = NodeState.UNREACHABLE
    stream_up: bool = False
    """True while payments are followed: updates are received, or would be if there were any."""
    catching_up: bool = False
    mode: Mode | None = None
    """How payments are followed now, or were in the last session; before the first session None, or `FINAL`.

    With `FINAL`, payments in flight are listed once a minute.
    """
    reading: CatchUpProgress | None = None
    """Progress of the catch-up that is reading, also while `catching_up` is False; None if none is."""
    info: Info | None = None
    """The last answer to this process; None before the first."""
    channels: Channels | None = None
    """The last answer to this process; None before the first, or if the macaroon doesn't allow it."""
    certificate_expiry_s: int | None = None
    """End of validity of the TLS certificate that lnd presents, seconds since 1970."""
    unaccounted: int | None = None
    """Number of payments that the audit found uncounted in its present or last round; None before its first page."""
    detail: str = ""
    """One plain sentence for a person about what is wrong and what to do; empty when all is well."""
    before: "LastKnown | None" = None
    """The node's last answers to an earlier process, used until lnd answers this one; None if there were none."""

    @property
    def block_height(self) -> int | None:
        """The last block height that lnd sent, perhaps to an earlier process; None if it never did."""
        if self.info:
            return self.info.block_height
        return (self.before and self.before.block_height) or None

    @property
    def aliases(self) -> dict[str, str]:
        """Aliases of direct peers by identity key, from lnd's last answer, perhaps to an earlier process."""
        if self.channels:
            return self.channels.aliases
        return self.before.aliases if self.before else {}


BLOCK_S = 600
"""Average time between two blocks, seconds."""
STALE_BLOCK_S = 2 * 3600
"""If lnd's newest block is older, in seconds, lnd is assumed not to see new blocks: such a gap comes once in years."""


@dataclass(frozen=True, slots=True)
class LastKnown:
    """A node's last answers, as far as they are needed to show its payments in flight.

    They are stored, because `open` shows these payments even while the node or the exporter is down.
    """

    state: NodeState = NodeState.UNREACHABLE
    following: bool = False
    """True if its payments were followed (`NodeStatus.stream_up`)."""
    followed_ns: int = 0
    """When that was last so, nanoseconds since 1970; 0 if it never was."""
    block_height: int = 0
    """0 if lnd never sent one."""
    best_header_s: int = 0
    """Time stamp of the best block header, seconds since 1970; 0 if lnd never sent one."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Known aliases, by identity key, of the peers that have a label or an HTLC outstanding."""
    mode: Mode | None = None
    """How its payments were followed; None if it isn't known."""
    left: bool = False
    """True if an exporter is running that doesn't follow this node any more."""

    def then(self, status: NodeStatus, peers: Iterable[str], now_ns: int) -> "LastKnown":
        """Return these answers updated from `status`, where it has newer ones, with the aliases of `peers` (keys)."""
        info, known = status.info, status.channels.aliases if status.channels else {}
        aliases = {peer: known.get(peer) or self.aliases.get(peer, "") for peer in peers}
        return LastKnown(
            state=status.state,
            following=status.stream_up,
            followed_ns=now_ns if status.stream_up else self.followed_ns,
            block_height=info.block_height if info else self.block_height,
            best_header_s=info.best_header_s if info else self.best_header_s,
            aliases={peer: alias for peer, alias in aliases.items() if alias},
            mode=status.mode,
        )

    def sees_blocks(self, now_s: int) -> bool:
        """Return whether lnd's newest block is recent enough at `now_s`, seconds since 1970, or its age unknown."""
        return not self.best_header_s or now_s - self.best_header_s <= STALE_BLOCK_S

    def height_at(self, now_s: int) -> int | None:
        """Return the estimated block height at `now_s`, seconds since 1970; None if lnd never sent a height."""
        if not self.block_height:
            return None
        return self.block_height + (max(0, now_s - self.best_header_s) // BLOCK_S if self.best_header_s else 0)
