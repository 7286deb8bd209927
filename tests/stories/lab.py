"""The interface by which stories act on a node: one Protocol, implemented by a real network and by the simulator.

A lab is one node with the network around it, as far as the methods below reach. There are two labs over one network:
`alice`, which almost all stories use, and `carol`, whose only payment takes minutes (the storm) and runs beside the
other stories. One exporter follows both, and their series differ in the label `node`. The real dave, who keeps payments
in tables (native SQL), pays only in the stories of `backfill`, and never over bob, who has little for him.

The world
---------

Four nodes, five public channels: the ring alice-bob-carol-alice, and dave, who has a channel with carol and one
with bob. Each end of each channel can spend about 2M sat, except bob's end of bob-dave, which is nearly empty, so
that real routes can fail. Stories pay small amounts, so the balances last for all of them.

Channels are listed in `CHANNELS`; forwarding costs `fee_msat`. So, with `via` the first hop:

| payment                                | hops | fee      | remarks                                           |
| -------------------------------------- | ---- | -------- | ------------------------------------------------- |
| alice -> bob via bob                   | 1    | 0        |                                                   |
| alice -> carol via bob                 | 2    | of bob   |                                                   |
| alice -> bob via carol                 | 2    | of carol |                                                   |
| alice -> alice via bob (a rebalance)   | 3    | of both  | back through carol                                |
| alice -> dave, more than bob has       | 2    | of carol | bob is cheaper, tried first and fails; then carol |
| carol -> dave via bob, more than that  | 2    |          | the storm: lnd splits the amount and retries      |

A payment whose fee would exceed `fee_limit_sat` fails with NO_ROUTE, without an attempt; one that exceeds the balance
of all the payer's channels fails with INSUFFICIENT_BALANCE, without an attempt; a channel whose peer is offline counts
as empty. Everywhere else a story gives the recipient (`at`) and the first hop (`via`), and the route is the shortest.
A lab resets lnd's mission control before each payment, so earlier failures don't influence its route.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from exporter.payments.labels import Reason, Status

NODES = ("alice", "bob", "carol", "dave")


class Channel(NamedTuple):
    """A channel and the balance of each end, in sat, before reserve and commitment fee."""

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
"""Amount that bob can forward to dave, sat; not while the storm is holding bob's balance."""
TOO_MUCH_FOR_BOB = 200_000
"""Smallest amount that bob certainly can't forward to dave in one part, sat."""
STORM_SAT = 300_000
"""Paid by carol to dave via bob with `max_parts=16` it makes a storm of 25 attempts, all within a second.

23 fail at bob (TEMPORARY_CHANNEL_FAILURE, source index 1); 2 wait at dave for the rest and fail there after 120 s
(MPP_TIMEOUT, index 2). The reason is NO_ROUTE from the first second on, TIMEOUT after 120 s and in two FAILED updates.
Another amount makes another storm: 400_000 makes 31 attempts, 1 of them arrives, and the first FAILED has NO_ROUTE.
"""
MORE_THAN_ALICE_HAS = 4_100_000
"""More than both channels of alice can send together, but not more than lnd is willing to try, sat."""

FEE_BASE_MSAT: Mapping[str, int] = {"alice": 1000, "bob": 1000, "carol": 2000, "dave": 1000}
"""Base fee of a forwarding node, msat; carol's is higher, so that bob is tried first."""
FEE_PPM = 1
"""Fee rate of every forwarding node, parts per million of the amount (lnd's default)."""


def fee_msat(forwarder: str, amount_msat: int) -> int:
    """Return the fee of `forwarder` for an outgoing HTLC of `amount_msat`; lnd rounds down to a msat."""
    return FEE_BASE_MSAT[forwarder] + amount_msat * FEE_PPM // 1_000_000


class Invoice(NamedTuple):
    """An invoice, or a hash without one, made by a lab."""

    payment_hash: str
    """64 hex digits."""
    request: str
    """BOLT 11; empty for a hash that the recipient doesn't know."""
    sat: int
    at: str
    """Name of the recipient."""
    hold: bool = False
    """True if the recipient holds the HTLCs until `settle` or `cancel`."""


class Listed(NamedTuple):
    """A payment in the node's own database (`ListPayments`), with which the counters must agree."""

    payment_hash: str
    status: Status
    reason: Reason
    value_msat: int
    fee_msat: int


class Sending(Protocol):
    """A payment that has been sent. It proceeds in lnd without anything being awaited."""

    payment_hash: str

    async def held(self, parts: int = 1) -> None:
        """Wait until `parts` HTLCs are held by the recipient of a hold invoice."""

    async def overdue(self) -> None:
        """Wait until the payment's own `timeout_s` has passed. lnd sends no update of that while an HTLC is held."""

    async def close(self) -> None:
        """End the caller's stream. That cancels only a `cancelable` payment, and only once its HTLCs resolve."""

    async def ended(self) -> Listed:
        """Wait until the payment has ended in lnd's database and its reason is final, across restarts of the node."""


class Lab(Protocol):
    """One node that the exporter follows. All methods return when lnd has accepted the call, and raise if it fails."""

    name: str
    """`alice` or `carol`, seldom `dave`; also the exporter's name for the node."""
    tls_cert: Path
    """The certificate file of the exporter. Only `publish_certificate` changes it, not a restart."""
    macaroon: Path
    """The macaroon file of the exporter. Only `bake_macaroon` changes it."""
    pubkey: str
    """Identity key, 66 hex digits."""

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC, the same after a restart."""

    @property
    def rest(self) -> str:
        """HOST:PORT of REST, likewise."""

    @property
    def pubkeys(self) -> Mapping[str, str]:
        """Identity keys by name, of this node and all others."""

    # Invoices.

    async def invoice(self, sat: int, *, at: str, hold: bool = False) -> Invoice:
        """Create an invoice of node `at` for `sat`. An invoice of the node itself makes a circular rebalance."""

    async def unknown_hash(self, sat: int, *, at: str) -> Invoice:
        """Return a random hash, which `at` refuses (FAILED, INCORRECT_PAYMENT_DETAILS, one attempt)."""

    async def settle(self, invoice: Invoice) -> None:
        """Settle a hold invoice at its recipient."""

    async def cancel(self, invoice: Invoice) -> None:
        """Cancel a hold invoice at its recipient (INCORRECT_PAYMENT_DETAILS)."""

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
        """Call `SendPaymentV2` with the payment request, or with hash and destination if there is none.

        With `max_shard_sat`, n x max_shard_sat go in n parts. An invoice whose payment failed may be paid again: a new
        run.
        """

    async def keysend(self, sat: int, *, to: str, via: str) -> Sending:
        """Pay a node without an invoice; the last hop carries the keysend record."""

    async def amp(self, sat: int, *, to: str, via: str) -> Sending:
        """Pay a node by an atomic multi-path payment of one part; its hash is the set id."""

    async def probe(self, invoice: Invoice) -> None:
        """Call `EstimateRouteFee` with a payment request of a direct peer: one attempt with a random hash is refused.

        Return when the probe has ended.
        """

    async def send_to_route(
        self,
        invoice: Invoice,
        *,
        via: str,
        through: tuple[str, ...] = (),
        offline: bool = False,
        garbled: bool = False,
    ) -> None:
        """Call `SendToRouteV2` with the route of `BuildRoute`; return when its only attempt has ended.

        The route goes from the first hop through these nodes, if any, to the recipient. With `offline` the first hop
        is disconnected in between: earlier, `BuildRoute` would refuse. With `garbled` the recipient finds something
        for a blinded path in the onion, though there is none. lnd's database has no payment request of it. An unknown
        hash fails, and keeps its failed attempt.
        """

    # The node's database.

    async def list_payments(self) -> list[Listed]:
        """Return all payments of the node's database, oldest first."""

    async def blocks_left(self, payment_hash: str) -> int:
        """Return the blocks until the first HTLC of a payment in flight expires, by the node's database and height."""

    async def delete_payment(self, payment_hash: str) -> None:
        """Delete one payment that has ended. lnd sends no update."""

    async def delete_payments(self) -> None:
        """Delete all payments that aren't in flight. lnd sends no update."""

    # The node. Its database, address and peers survive everything here.

    async def stop(self) -> None:
        """Shut down in order: streams end with UNKNOWN `... shutting down`; then the port is closed."""

    async def kill(self) -> None:
        """Kill it with -9: connections break."""

    async def start(self) -> None:
        """Start a node that is down; return when it can pay again (calls are accepted, channels are active)."""

    async def lock(self) -> None:
        """Start a node that is down, without its wallet password; return when its state is LOCKED."""

    async def unlock(self) -> None:
        """Unlock the wallet of a locked node; return when it can pay again."""

    async def disconnect(self, *peers: str) -> None:
        """Take peers offline; return when their channels are inactive. Their HTLCs stay in flight."""

    async def connect(self) -> None:
        """Bring all peers back; return when all channels are active."""

    async def stop_other(self, name: str) -> None:
        """Shut down another node that isn't a peer; return when its own peers have noticed."""

    async def start_other(self, name: str) -> None:
        """Start it again; return when its channels are active."""

    async def balances(self) -> dict[str, tuple[int, int]]:
        """Return by peer what each end of the channel can spend: balance less reserve, msat; own end first."""

    async def refill(self) -> None:
        """Let the peers pay back what earlier stories have sent over their channels, and dave what carol has forwarded.

        Carol's storm must be over.
        """

    async def revoke_macaroon(self) -> None:
        """Make lnd refuse the macaroon in the exporter's file from now on. Open streams stay open."""

    async def bake_macaroon(self) -> None:
        """Replace the exporter's macaroon atomically by a new one with the smallest permissions."""

    async def bake_smaller_macaroon(self, target: Path) -> None:
        """Write a macaroon that doesn't allow TrackPayments; the exporter's own stays valid."""

    async def readonly_macaroon(self) -> Path:
        """Return the file of another macaroon, which may also read channels and graph: lnd's `readonly.macaroon`."""

    async def renew_certificate(self) -> None:
        """Make the next start of a node that is down create a new certificate. The exporter's file stays."""

    async def publish_certificate(self) -> None:
        """Copy the certificate of the running node atomically to the exporter's file."""
