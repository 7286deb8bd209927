"""What a person can do to a node under observation: one protocol, kept by a real network and by the simulator.

A lab is one node and the world around it, as the verbs below reach it. Two labs exist over one world: `alice`, to
whom everything happens, and `carol`, who pays only what takes minutes (the storm), so that slow stories run beside
the others: one exporter watches both, and their series differ in the label `node`.

The world
---------

Four nodes, five public channels: the ring alice-bob-carol-alice, and dave, who has a channel with carol and one
with bob. Each end of each channel can spend about 2M sat, but for bob's end of bob-dave, which is nearly empty: that
is how a real route fails. Stories move little, so the balances last for all of them.

Channels are listed in `CHANNELS`; forwarding costs `fee_msat`. So, with `via` the first hop:

| who pays whom                          | hops | fee      | ends                                              |
| -------------------------------------- | ---- | -------- | ------------------------------------------------- |
| alice -> bob via bob                   | 1    | 0        |                                                   |
| alice -> carol via bob                 | 2    | of bob   |                                                   |
| alice -> bob via carol                 | 2    | of carol |                                                   |
| alice -> alice via bob (a rebalance)   | 3    | of both  | back through carol                                |
| alice -> dave, more than bob has       | 2    | of carol | bob is cheaper, tried first and fails; then carol |
| carol -> dave via bob, more than that  | 2    |          | the storm: lnd halves and tries again             |

A route that costs more than `fee_limit_sat` does not exist (NO_ROUTE, no attempt); more than all that the payer's
channels hold is INSUFFICIENT_BALANCE, no attempt; a channel whose peer is offline counts as empty. Only the calls of
this table, the probe, the insufficient balance and peers that are offline need to know about paths; everywhere else a
story says `at` and `via`, and the route is the shortest one.
A lab forgets what earlier payments taught lnd about routes (mission control) before each payment.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from exporter.payments.labels import Reason, Status

NODES = ("alice", "bob", "carol", "dave")


class Channel(NamedTuple):
    """A channel and what each end can spend, in sat, before reserve and commitment fee."""

    opener: str
    peer: str
    opener_sat: int
    peer_sat: int


CHANNELS = (
    Channel("alice", "bob", 2_000_000, 2_000_000),
    Channel("carol", "bob", 2_000_000, 2_000_000),
    Channel("carol", "alice", 2_000_000, 2_000_000),
    Channel("carol", "dave", 2_000_000, 2_000_000),
    Channel("dave", "bob", 3_850_000, 150_000),
)

ENOUGH_FOR_BOB = 50_000
"""Up to this bob can forward to dave, sat; not while the storm holds what he has."""
TOO_MUCH_FOR_BOB = 200_000
"""From this on bob surely can't forward to dave in one part, sat."""
STORM_SAT = 300_000
"""Paid by carol to dave via bob with `max_parts=16` it is a storm of 25 attempts, all within a second.

23 fail at bob (TEMPORARY_CHANNEL_FAILURE, source index 1); 2 wait at dave for the rest and fail there after 120 s
(MPP_TIMEOUT, index 2). The reason is NO_ROUTE from the first second on, TIMEOUT after 120 s and in two FAILED.
Another amount makes another storm: 400_000 are 31 attempts of which dave gets 1, and the first FAILED says NO_ROUTE.
"""
MORE_THAN_ALICE_HAS = 4_100_000
"""More than both channels of alice can send together, and still a payment that lnd is willing to try, sat."""

FEE_BASE_MSAT: Mapping[str, int] = {"alice": 1000, "bob": 1000, "carol": 2000, "dave": 1000}
"""What a node asks for forwarding, msat; carol is dearer, so that bob is tried first."""
FEE_PPM = 1
"""And of the amount, parts per million (lnd's default)."""


def fee_msat(forwarder: str, amount_msat: int) -> int:
    """What `forwarder` keeps of a payment that leaves it with `amount_msat`; lnd rounds down to a msat."""
    return FEE_BASE_MSAT[forwarder] + amount_msat * FEE_PPM // 1_000_000


class Invoice(NamedTuple):
    """Something to pay; made by a lab, so the lab knows what paying it will lead to."""

    payment_hash: str
    """64 hex digits."""
    request: str
    """BOLT 11; empty for a hash that the recipient has never heard of."""
    sat: int
    at: str
    """Name of the recipient."""
    hold: bool = False
    """The recipient keeps the HTLCs until `settle` or `cancel`."""


class Listed(NamedTuple):
    """A payment as the node's own database has it (`ListPayments`): the truth that counters must agree with."""

    payment_hash: str
    status: Status
    reason: Reason
    value_msat: int
    fee_msat: int


class Sending(Protocol):
    """A payment under way. Nothing needs to be awaited: the payment goes its way in lnd on its own."""

    payment_hash: str

    async def held(self, parts: int = 1) -> None:
        """Wait until so many HTLCs have reached the recipient of a hold invoice and wait there."""

    async def overdue(self) -> None:
        """Wait until the payment's own `timeout_s` has surely passed. lnd says nothing of it while an HTLC is held."""

    async def close(self) -> None:
        """The caller hangs up. Ends the payment only if it was `cancelable`, and only once its HTLCs resolve."""

    async def ended(self) -> Listed:
        """Wait until the payment ended in lnd's database and its last word is written, across restarts of the node."""


class Lab(Protocol):
    """One node under observation. All verbs return when lnd has accepted; raise what went wrong in the lab itself."""

    name: str
    """`alice` or `carol`; also the exporter's name for the node."""
    tls_cert: Path
    """The certificate file that the exporter is given; survives restarts. Changed by `publish_certificate` only."""
    macaroon: Path
    """The macaroon file that the exporter is given. Changed by `bake_macaroon` only."""
    pubkey: str
    """Identity key, 66 hex digits."""

    @property
    def address(self) -> str:
        """Where its gRPC is, HOST:PORT; survives restarts."""

    @property
    def rest(self) -> str:
        """Where its REST is, the same."""

    @property
    def pubkeys(self) -> Mapping[str, str]:
        """Identity keys by name, of this node and all others."""

    # Things to pay.

    async def invoice(self, sat: int, *, at: str, hold: bool = False) -> Invoice:
        """`at` asks for `sat`. At the node itself: a circular rebalance."""

    async def unknown_hash(self, sat: int, *, at: str) -> Invoice:
        """Nobody's invoice: a random hash, which `at` refuses (FAILED, INCORRECT_PAYMENT_DETAILS, one attempt)."""

    async def settle(self, invoice: Invoice) -> None:
        """The recipient of a hold invoice takes the money."""

    async def cancel(self, invoice: Invoice) -> None:
        """The recipient of a hold invoice gives it back (INCORRECT_PAYMENT_DETAILS)."""

    # Payments. Each creates one run in lnd; `via` is the name of the first hop.

    async def pay(
        self,
        invoice: Invoice,
        *,
        via: str | None = None,
        fee_limit_sat: int = 100,
        timeout_s: int = 60,
        max_parts: int = 1,
        max_shard_sat: int | None = None,
        cancelable: bool = False,
    ) -> Sending:
        """`SendPaymentV2`: by payment request, or by hash and destination where there is none.

        With `max_shard_sat`, n x max_shard_sat go in n parts. A failed invoice may be paid again: a new run.
        """

    async def keysend(self, sat: int, *, to: str, via: str) -> Sending:
        """Pay a node without an invoice; the last hop carries the keysend record."""

    async def amp(self, sat: int, *, to: str, via: str) -> Sending:
        """The same as an atomic multi-path payment of one part; its hash is the set id."""

    async def probe(self, invoice: Invoice) -> None:
        """`EstimateRouteFee` of a payment request at a direct peer: one attempt with a random hash, refused by it.

        Returns when the probe has ended.
        """

    async def send_to_route(self, invoice: Invoice, *, via: str, offline: bool = False) -> None:
        """`SendToRouteV2` along the route that `BuildRoute` gives; returns when its one attempt has ended.

        With `offline` the first hop is disconnected in between: earlier, `BuildRoute` would refuse. No payment request
        in lnd's database. An unknown hash fails, and keeps its failed attempt.
        """

    # The truth.

    async def list_payments(self) -> list[Listed]:
        """All that the node's database holds, oldest first."""

    async def blocks_left(self, payment_hash: str) -> int:
        """Blocks until the first HTLC of a payment in flight expires, by the node's own database and height."""

    async def delete_payment(self, payment_hash: str) -> None:
        """Delete one ended payment. No stream tells of it."""

    async def delete_payments(self) -> None:
        """Delete all payments that aren't in flight. No stream tells of it."""

    # The node. Its database, address and peers survive everything here.

    async def stop(self) -> None:
        """Shut down in order: streams end with UNKNOWN `... shutting down`; then the port is closed."""

    async def kill(self) -> None:
        """Kill -9: connections break."""

    async def start(self) -> None:
        """Start a node that is down; returns when it can pay again (calls are accepted, channels are active)."""

    async def lock(self) -> None:
        """Start a node that is down, without its wallet password; returns when lnd says that it is LOCKED."""

    async def unlock(self) -> None:
        """Give a locked node its password; returns as `start` does."""

    async def disconnect(self, *peers: str) -> None:
        """Peers go offline and stay so; returns when their channels are inactive. What is in flight stays there."""

    async def connect(self) -> None:
        """All peers are back; returns when all channels are active."""

    async def revoke_macaroon(self) -> None:
        """Make lnd refuse the macaroon in the exporter's file from now on. A stream that is open stays open."""

    async def bake_macaroon(self) -> None:
        """Write a fresh macaroon with the smallest rights into the exporter's file, at once (rename)."""

    async def bake_smaller_macaroon(self, target: Path) -> None:
        """Write one that doesn't allow TrackPayments; the exporter's own stays valid."""

    async def readonly_macaroon(self) -> Path:
        """Another macaroon, in a file of its own, that may also read channels, as lnd's own one may."""

    async def renew_certificate(self) -> None:
        """Let a node that is down forget its certificate: the next start makes a new one. The exporter's file stays."""

    async def publish_certificate(self) -> None:
        """Copy the certificate of the running node to the exporter's file, at once (rename)."""
