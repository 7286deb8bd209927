"""The network around the simulated node: who its peers are, who can be paid, and what a route there looks like."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.invoice import encode
from exporter.simulator.key import public_key
from exporter.simulator.wire import block, number

KEYSEND_RECORD = 5482373484
_CLTV_DELTA = 80  # blocks that each forwarding node wants for itself, lnd's default
_FINAL_DELTA = 18
_MSAT = 1000
_CHANNEL_SAT = 5_000_000

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
_FAR = 24


class Node(NamedTuple):
    """A node of the network; we hold everybody's keys, so that everybody can sign invoices."""

    alias: str
    key: bytes
    pubkey: str


class Peer(NamedTuple):
    """A direct peer and the one channel with it."""

    node: Node
    local_sat: int
    reserve_sat: int = 50_000
    active: bool = True


def node(alias: str, secret: bytes) -> Node:
    """The node that grows from a secret."""
    key = hashlib.sha256(b"identity" + secret).digest()
    return Node(alias, key, public_key(key))


def generator(*seed: object) -> random.Random:
    """Randomness that can be replayed."""
    return random.Random("/".join(map(str, seed)))  # noqa: S311 - what is wanted here is that it can be foretold


@dataclass
class World:
    """The node itself, its peers, those beyond, and the height of the chain."""

    me: Node
    peers: tuple[Peer, ...]
    far: tuple[Node, ...]
    network: str = "regtest"
    height: int = 840_000

    @classmethod
    def random(cls, seed: object = 0, network: str = "regtest") -> "World":
        """A believable neighbourhood; the same for the same seed."""
        chance = generator("world", seed)

        def new(alias: str) -> Node:
            return node(alias, chance.randbytes(32))

        me = new("simulated")
        peers = tuple(Peer(new(alias), chance.randrange(1, 9) * _CHANNEL_SAT // 10) for alias in _PEERS)
        return cls(me, peers, tuple(new(f"node {n}") for n in range(_FAR)), network)

    def request(self, payee: Node, payment_hash: bytes, amount_msat: int, created_s: int) -> str:
        """An invoice of `payee`."""
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
        """A route over `pubkeys`, the first of them a peer, where each but the last takes its fee.

        The last hop carries custom `records` (keysend), the set id of an `amp`, or the total of an MPP.
        """
        hops = []
        forward, expiry = value_msat, self.height + _FINAL_DELTA
        for pubkey, fee in zip(reversed(pubkeys), (0, *reversed(fees_msat)), strict=True):
            hops.append(_hop(pubkey, forward, fee, expiry))
            forward += fee
            expiry += _CLTV_DELTA if len(hops) > 1 else 0  # the recipient forwards nothing
        last = hops[0]
        for number_, value in (records or {}).items():
            last.custom_records[number_] = value
        if amp is not None:
            last.amp_record.MergeFromString(block(1, hashlib.sha256(b"share" + amp).digest()) + block(2, amp))
        if mpp_total_msat:
            address = hashlib.sha256(b"address" + bytes.fromhex(last.pub_key)).digest()
            last.MergeFromString(block(10, number(10, mpp_total_msat) + block(11, address)))
        route = pb.Route(
            total_time_lock=expiry,
            total_fees_msat=forward - value_msat,
            total_amt_msat=forward,
            hops=reversed(hops),
        )
        route.MergeFromString(number(2, (forward - value_msat) // _MSAT) + number(3, forward // _MSAT))
        return route


def _hop(pubkey: str, forward_msat: int, fee_msat: int, expiry: int) -> pb.Hop:
    """A hop with everything that lnd says of one."""
    hop = pb.Hop(pub_key=pubkey)
    channel = int(pubkey[2:14], 16)
    hop.MergeFromString(
        number(1, channel)
        + number(2, _CHANNEL_SAT)
        + number(3, forward_msat // _MSAT)
        + number(4, fee_msat // _MSAT)
        + number(5, expiry)
        + number(6, forward_msat)
        + number(7, fee_msat)
        + number(9, 1)
    )
    return hop
