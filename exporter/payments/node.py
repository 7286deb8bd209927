"""What is known of a node itself, apart from its payments."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from exporter.payments.labels import Mode, NodeState


@dataclass(frozen=True, slots=True)
class Info:
    """What `GetInfo` says of a node."""

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


@dataclass(frozen=True, slots=True)
class Channels:
    """What `ListChannels` says: optional, for not every macaroon allows it."""

    spendable_msat: int
    """Local balance of active channels less their reserves, msat, never below 0."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Alias of each direct peer by identity key; bounded by the node's channels."""
    peers: frozenset[str] = frozenset()
    """Identity keys of all direct peers with a channel."""


class CatchUpProgress(NamedTuple):
    """How far a catch-up has come, in `payment_index`."""

    first: int
    """Where it began: all up to here is known."""
    at: int
    """All up to here has been read."""
    last: int
    """The highest that lnd has shown."""
    payments: int
    """Payments read."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The present state of a node, replaced as a whole when something of it changes."""

    state: NodeState = NodeState.UNREACHABLE
    stream_up: bool = False
    """Updates are flowing, or would flow if there were any."""
    catching_up: bool = False
    mode: Mode | None = None
    """How payments are followed, at last if they are not now; before the first session None, or `FINAL`.

    With `FINAL` what is in flight is seen once a minute.
    """
    reading: CatchUpProgress | None = None
    """While a catch-up reads, also one that nobody waits for."""
    info: Info | None = None
    """None until lnd has answered this process once; then the last answer."""
    channels: Channels | None = None
    """None where the macaroon doesn't allow it."""
    certificate_expiry_s: int | None = None
    """End of validity of the TLS certificate that lnd presents, seconds since 1970."""
    unaccounted: int | None = None
    """Payments that the audit found in no counter, in its present or last round; None before its first look."""
    detail: str = ""
    """One plain sentence for a person: what is wrong and what to do; empty when all is well."""
    before: "LastKnown | None" = None
    """What an earlier process kept of the node's answers; None if there is nothing. Used until lnd has answered."""

    @property
    def block_height(self) -> int | None:
        """The last block height that lnd said, perhaps to an earlier process; None if it never did."""
        if self.info:
            return self.info.block_height
        return (self.before and self.before.block_height) or None

    @property
    def aliases(self) -> dict[str, str]:
        """Aliases of direct peers by identity key, as lnd said them last, perhaps to an earlier process."""
        if self.channels:
            return self.channels.aliases
        return self.before.aliases if self.before else {}


BLOCK_S = 600
"""From one block to the next, on average."""


@dataclass(frozen=True, slots=True)
class LastKnown:
    """What a node said last, as far as its payments in flight can't be understood without it.

    It outlives the process: who looks at them may do so while the node is away, or the exporter.
    """

    state: NodeState = NodeState.UNREACHABLE
    following: bool = False
    """All that happens to its payments is heard."""
    followed_ns: int = 0
    """Until when that was so, as far as it was written down: nanoseconds since 1970; 0 if it never was."""
    block_height: int = 0
    """0 if it never said."""
    best_header_s: int = 0
    """Time stamp of that block's header, seconds since 1970."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Aliases by identity key of the peers that have a label or an HTLC outstanding, where they are known."""
    mode: Mode | None = None
    """How its payments were followed; None if it isn't known."""
    left: bool = False
    """The exporter that runs doesn't follow it any more."""

    def then(self, status: NodeStatus, peers: Iterable[str], now_ns: int) -> "LastKnown":
        """What was said by now; what `status` doesn't know is as it was. Of `peers`, by key, aliases are kept."""
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

    def height_at(self, now_s: int) -> int | None:
        """The height of the chain `now_s` seconds after 1970, estimated; None if the node never said one."""
        if not self.block_height:
            return None
        return self.block_height + (max(0, now_s - self.best_header_s) // BLOCK_S if self.best_header_s else 0)
