"""The network around the simulated node: its peers, the nodes that it can pay, and routes to them."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.invoice import encode
from exporter.simulator.key import public_key
from exporter.simulator.wire import bytes_field, int_field

KEYSEND_RECORD = 5482373484
_CLTV_DELTA = 80  # blocks that each forwarding node requires, lnd's default
_FINAL_DELTA = 18
_MSAT = 1000
_CHANNEL_SAT = 5_000_000
MAX_HTLCS = 483
"""HTLCs that one side of a channel may offer at once, at most (BOLT 2): what an lnd accepts."""

_PEERS = (
    "Harbour Bank",
    "café-lnd0",
    "Wanderer's Wallet",
    "Kraken's Uncle 🐙⚡",
    "node ALPHA",
    "Swap & Go",
    "deep.example",
    "big\\size",
)
_FAR = 24  # nodes beyond the peers


class Node(NamedTuple):
    """A node of the network, with its private key, so that it can sign invoices."""

    alias: str
    key: bytes
    pubkey: str


class Peer(NamedTuple):
    """A direct peer and the only channel with it."""

    node: Node
    local_sat: int
    reserve_sat: int = 50_000
    active: bool = True
    remote_sat: int = 0
    htlcs: int = MAX_HTLCS
    """How many HTLCs it accepts at once."""

    @property
    def spendable_msat(self) -> int:
        """What the node can send over the channel, if it is active."""
        return max(0, self.local_sat - self.reserve_sat) * _MSAT


class Edge(NamedTuple):
    """One direction of a public channel beyond the node's own, as the graph shows it."""

    start: str
    end: str
    """Identity keys."""
    capacity_msat: int
    base_msat: int = 1000
    """The fee of `start`, and `ppm` of the amount."""
    ppm: int = 1

    def fee_msat(self, amount_msat: int) -> int:
        """Return the fee for forwarding an amount; lnd rounds down."""
        return self.base_msat + amount_msat * self.ppm // 1_000_000


def node(alias: str, secret: bytes) -> Node:
    """Return a node whose key is derived from a secret."""
    key = hashlib.sha256(b"identity" + secret).digest()
    return Node(alias, key, public_key(key))


def generator(*seed: object) -> random.Random:
    """Return a random generator that is seeded, so that a test can be repeated."""
    return random.Random("/".join(map(str, seed)))  # noqa: S311 - it has to be predictable


@dataclass
class World:
    """The node itself (`me`), its peers, the nodes beyond them (`far`), and the height of the block chain."""

    me: Node
    peers: tuple[Peer, ...]
    far: tuple[Node, ...]
    network: str = "regtest"
    height: int = 840_000
    edges: tuple[Edge, ...] = ()
    """The channels beyond the peers, on which routes are found (`QueryRoutes`)."""

    @classmethod
    def random(cls, seed: object = 0, network: str = "regtest") -> "World":
        """Return a world with eight peers and 24 nodes beyond; the same for the same seed."""
        rng = generator("world", seed)

        def new(alias: str) -> Node:
            return node(alias, rng.randbytes(32))

        me = new("simulated")
        peers = tuple(
            Peer(new(alias), (sat := rng.randrange(1, 9) * _CHANNEL_SAT // 10), remote_sat=_CHANNEL_SAT - sat)
            for alias in _PEERS
        )
        far = tuple(new(f"node {n}") for n in range(_FAR))
        pairs = ((peer.node, beyond) for peer in peers for beyond in far)
        edges = tuple(Edge(start.pubkey, end.pubkey, _CHANNEL_SAT * _MSAT) for start, end in pairs)
        return cls(me, peers, far, network, edges=edges)

    def payment_request(self, payee: Node, payment_hash: bytes, amount_msat: int, created_s: int) -> str:
        """Return a BOLT 11 invoice of `payee`, created at `created_s` (seconds since 1970)."""
        return encode(
            key=payee.key,
            network=self.network,
            payment_hash=payment_hash,
            amount_msat=amount_msat,
            created_s=created_s,
            memo="simulated",
        )

    def route(
        self,
        pubkeys: Sequence[str],
        value_msat: int,
        fees_msat: Sequence[int],
        *,
        records: Mapping[int, bytes] | None = None,
        amp: bytes | None = None,
        mpp_total_msat: int = 0,
    ) -> pb.Route:
        """Return a route over `pubkeys`, from a peer to the recipient; `fees_msat` are those of all but the last.

        The last hop carries custom `records` (keysend), the set id of an `amp`, or the total of an MPP.
        """
        hops = []
        forward, expiry = value_msat, self.height + _FINAL_DELTA
        for pubkey, fee in zip(reversed(pubkeys), (0, *reversed(fees_msat)), strict=True):
            hops.append(_hop(pubkey, forward, fee, expiry))
            forward += fee
            expiry += _CLTV_DELTA if len(hops) > 1 else 0  # the recipient doesn't forward
        last = hops[0]
        for number, value in (records or {}).items():
            last.custom_records[number] = value
        if amp is not None:
            share = hashlib.sha256(b"share" + amp).digest()
            last.amp_record.MergeFromString(bytes_field(1, share) + bytes_field(2, amp))
        if mpp_total_msat:
            address = hashlib.sha256(b"address" + bytes.fromhex(last.pub_key)).digest()
            last.MergeFromString(bytes_field(10, int_field(10, mpp_total_msat) + bytes_field(11, address)))
        route = pb.Route(
            total_time_lock=expiry,
            total_fees_msat=forward - value_msat,
            total_amt_msat=forward,
            hops=reversed(hops),
        )
        route.MergeFromString(int_field(2, (forward - value_msat) // _MSAT) + int_field(3, forward // _MSAT))
        return route


def channel_to(pubkey: str) -> int:
    """Return the id of the only channel that leads to a node."""
    return int(pubkey[2:14], 16)


def _hop(pubkey: str, forward_msat: int, fee_msat: int, expiry: int) -> pb.Hop:
    """Return a hop with all fields that lnd sends."""
    hop = pb.Hop(pub_key=pubkey, chan_id=channel_to(pubkey))
    hop.MergeFromString(
        int_field(2, _CHANNEL_SAT)
        + int_field(3, forward_msat // _MSAT)
        + int_field(4, fee_msat // _MSAT)
        + int_field(5, expiry)
        + int_field(6, forward_msat)
        + int_field(7, fee_msat)
        + int_field(9, 1)
    )
    return hop
