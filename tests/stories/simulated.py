"""The lab on simulated nodes: every method has the effects recorded from a real lnd."""

import asyncio
import hashlib
from pathlib import Path

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind, Method, Status
from exporter.simulator.credentials import replace_file
from exporter.simulator.mutation import Create, Delete, Fail, GiveUp, Mutation, Register, Settle
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import METHOD_PATHS, READONLY_PERMISSIONS, SMALLEST_PERMISSIONS
from exporter.simulator.truth import reason
from exporter.simulator.world import KEYSEND_RECORD
from tests.stories.lab import TOO_MUCH_FOR_BOB, Invoice, Listed, fee_msat
from tests.stories.simulated_network import Network
from tests.stories.simulated_sending import DETAILS, HOP_S, Plan, SimulatedSending

RING = ("alice", "bob", "carol")


class SimulatedLab:
    """See `Lab`."""

    def __init__(self, network: Network, name: str) -> None:
        """Prepare; `open` starts the node and writes the files for the exporter."""
        self.name = name
        self.network = network
        self.starts = 0
        self.pubkeys = {name: node.pubkey for name, node in network.nodes.items()}
        self.pubkey = self.pubkeys[name]
        own, files = network.home / name, network.home / "exporter" / name
        for directory in (own, files):
            directory.mkdir(parents=True, exist_ok=True)
        self.tls_cert = files / "tls.cert"
        self.macaroon = files / "payments.macaroon"
        self.node = SimulatedNode(own, seed=name, world=network.world(name), permissions=SMALLEST_PERMISSIONS)
        self._sendings: list[SimulatedSending] = []

    @property
    def address(self) -> str:
        """See `Lab`."""
        return self.node.address

    @property
    def rest(self) -> str:
        """See `Lab`."""
        return self.node.rest

    async def open(self) -> None:
        """Start the node, and write the files for the exporter."""
        await self.node.start()
        await self.publish_certificate()
        await self.bake_macaroon()

    async def close(self) -> None:
        """Stop the node, and cancel payments that haven't ended."""
        for sending in self._sendings:
            sending.cancel()
        await self.node.stop()

    async def apply(self, mutation: Mutation, delay_s: float) -> None:
        """Apply a mutation after a delay, and after the node is up."""
        await self.node.clock.sleep(delay_s)
        await self.node.wait_until_serving()
        self.node.database.apply(mutation)

    # Invoices.

    async def invoice(self, sat: int, *, at: str, hold: bool = False) -> Invoice:
        """See `Lab`."""
        network, preimage = self.network, self.network.rng.randbytes(32)
        digest = hashlib.sha256(preimage)
        network.preimages[digest.hexdigest()] = preimage
        if hold:
            network.settled[digest.hexdigest()] = asyncio.get_running_loop().create_future()
        now_s = self.node.clock.now_ns() // 1_000_000_000
        request = self.node.world.payment_request(network.nodes[at], digest.digest(), sat * 1000, now_s)
        return Invoice(digest.hexdigest(), request, sat, at, hold)

    async def unknown_hash(self, sat: int, *, at: str) -> Invoice:
        """See `Lab`."""
        return Invoice(self.network.rng.randbytes(32).hex(), "", sat, at)

    async def settle(self, invoice: Invoice) -> None:
        """See `Lab`."""
        self.network.settled[invoice.payment_hash].set_result(True)

    async def cancel(self, invoice: Invoice) -> None:
        """See `Lab`."""
        self.network.settled[invoice.payment_hash].set_result(False)

    # Payments.

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
    ) -> SimulatedSending:
        """See `Lab`."""
        kind = Kind.REBALANCE if invoice.at == self.name else Kind.INVOICE if invoice.request else Kind.PROBE
        create = Create(invoice.payment_hash, invoice.sat * 1000, kind, invoice.request)
        usable = {name: sat for name, sat in self._sendable().items() if via in (None, name)}
        number = 1 if max_shard_sat is None else -(-invoice.sat // max_shard_sat)
        assert number <= max_parts
        first = via or (invoice.at if invoice.at != "dave" else "bob")
        if first not in usable:
            first = next(iter(usable), first)
        failing: tuple[pb.Route, ...] = ()
        if via is None and invoice.at == "dave" and invoice.sat >= TOO_MUCH_FOR_BOB:
            failing, first = (self._route(invoice.at, "bob", create.value_msat),), "carol"
        part_msat = create.value_msat // number
        parts = tuple(self._route(invoice.at, first, part_msat, total_msat=create.value_msat) for _ in range(number))
        if invoice.sat > sum(usable.values()):
            plan = Plan(create, pb.FAILURE_REASON_INSUFFICIENT_BALANCE)
        elif invoice.sat > max(usable.values()) * max_parts:
            plan = Plan(create, pb.FAILURE_REASON_NO_ROUTE)
        elif invoice.at in self.network.offline:
            ways = tuple(self._route(invoice.at, name, create.value_msat) for name in ("bob", "carol"))
            plan = Plan(create, pb.FAILURE_REASON_NO_ROUTE, ways, pb.Failure.UNKNOWN_NEXT_PEER)
        elif sum(part.total_fees_msat for part in parts) > fee_limit_sat * 1000:
            plan = Plan(create, pb.FAILURE_REASON_NO_ROUTE)
        elif via == "bob" and invoice.at == "dave" and invoice.sat >= TOO_MUCH_FOR_BOB:
            plan = Plan(
                create,
                part_route=lambda msat: self._route("dave", "bob", msat, total_msat=create.value_msat),
                max_parts=max_parts,
            )
        else:
            plan = Plan(create, failing=failing, parts=parts)
        return self._send(plan, cancelable=cancelable)

    async def keysend(self, sat: int, *, to: str, via: str) -> SimulatedSending:
        """See `Lab`."""
        preimage = self.network.rng.randbytes(32)
        payment_hash = hashlib.sha256(preimage).hexdigest()
        route = self._route(to, via, sat * 1000, records={KEYSEND_RECORD: preimage}, total_msat=0)
        self.network.preimages[payment_hash] = preimage
        return self._send(Plan(Create(payment_hash, sat * 1000, Kind.KEYSEND), parts=(route,)))

    async def amp(self, sat: int, *, to: str, via: str) -> SimulatedSending:
        """See `Lab`."""
        set_id = self.network.rng.randbytes(32)
        route = self._route(to, via, sat * 1000, amp=set_id)
        return self._send(Plan(Create(set_id.hex(), sat * 1000, Kind.AMP), parts=(route,)))

    async def probe(self, invoice: Invoice) -> None:
        """See `Lab`."""
        create = Create(self.network.rng.randbytes(32).hex(), invoice.sat * 1000, Kind.PROBE)
        route = self._route(invoice.at, invoice.at, create.value_msat)
        await self._send(Plan(create, parts=(route,))).ended()

    async def send_to_route(
        self,
        invoice: Invoice,
        *,
        via: str,
        through: tuple[str, ...] = (),
        offline: bool = False,
        garbled: bool = False,
    ) -> None:
        """See `Lab`. Without a lifecycle in lnd, so its failed attempt isn't deleted."""
        key, route = invoice.payment_hash, self._route(invoice.at, via, invoice.sat * 1000, through=through)
        path = [self.name, via, *through, invoice.at]
        gone = next((hop for hop, name in enumerate(path[1:]) if name in self.network.offline), None)
        known = self.network.preimages.get(key)
        await self.apply(Create(key, invoice.sat * 1000, Kind.OTHER if known else Kind.PROBE), 0)
        await self.apply(Register(key, route), HOP_S)
        if offline:
            await self.disconnect(via)
            await self.apply(Fail(key, 0, pb.Failure.UNKNOWN_NEXT_PEER, 0), HOP_S)
            await self.apply(GiveUp(key, pb.FAILURE_REASON_ERROR), 0)
        elif garbled:
            await self.apply(Fail(key, 0, pb.Failure.INVALID_ONION_PAYLOAD, len(route.hops)), HOP_S)
            await self.apply(GiveUp(key, pb.FAILURE_REASON_ERROR), 0)
        elif gone is not None:
            await self.apply(Fail(key, 0, pb.Failure.UNKNOWN_NEXT_PEER, gone), HOP_S)
            await self.apply(GiveUp(key, pb.FAILURE_REASON_ERROR), 0)
        elif path[1:3] == ["bob", "dave"] and invoice.sat >= TOO_MUCH_FOR_BOB:
            await self.apply(Fail(key, 0, pb.Failure.TEMPORARY_CHANNEL_FAILURE, 1), HOP_S)
            await self.apply(GiveUp(key, pb.FAILURE_REASON_ERROR), 0)
        elif known:
            await self.apply(Settle(key, 0, known), HOP_S)
        else:
            await self.apply(GiveUp(key, pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS), HOP_S)
            await self.apply(Fail(key, 0, DETAILS, len(route.hops)), 0)

    def _send(self, plan: Plan, *, cancelable: bool = False) -> SimulatedSending:
        self.node.database.mission_control.reset()
        sending = SimulatedSending(self, plan, cancelable=cancelable)
        self._sendings.append(sending)
        return sending

    def _route(
        self,
        at: str,
        via: str,
        amount_msat: int,
        *,
        records: dict[int, bytes] | None = None,
        amp: bytes | None = None,
        total_msat: int | None = None,
        through: tuple[str, ...] = (),
    ) -> pb.Route:
        """Return the route over `via` and `through`; a rebalance returns through the third node of the ring."""
        if at == self.name:
            [back] = set(RING) - {self.name, via}
            path = [via, back, at]
        else:
            path = [at] if via == at else [via, *through, at]
        fees: list[int] = []
        for forwarder in reversed(path[:-1]):
            fees.insert(0, fee_msat(forwarder, amount_msat + sum(fees)))
        keys = [self.pubkeys[name] for name in path]
        total = amount_msat if total_msat is None else total_msat
        return self.node.world.route(keys, amount_msat, fees, records=records, amp=amp, mpp_total_msat=total)

    # The node's database.

    async def list_payments(self) -> list[Listed]:
        """See `Lab`."""
        page = self.node.database.page(pb.ListPaymentsRequest(include_incomplete=True, max_payments=1 << 30))
        return [
            Listed(
                payment.payment_hash,
                Status(pb.Payment.PaymentStatus.Name(payment.status).lower()),
                reason(payment.failure_reason),
                payment.value_msat,
                payment.fee_msat,
            )
            for payment in pb.ListPaymentsResponse.FromString(page).payments
        ]

    async def blocks_left(self, payment_hash: str) -> int:
        """See `Lab`."""
        page = self.node.database.page(pb.ListPaymentsRequest(include_incomplete=True, max_payments=1 << 30))
        payments = pb.ListPaymentsResponse.FromString(page).payments
        (payment,) = (one for one in payments if one.payment_hash == payment_hash)
        expiries = (htlc.route.total_time_lock for htlc in payment.htlcs if htlc.status == pb.HTLCAttempt.IN_FLIGHT)
        return min(expiries) - self.node.world.height

    async def delete_payment(self, payment_hash: str) -> None:
        """See `Lab`."""
        self.node.database.apply(Delete(payment_hash))

    async def delete_payments(self) -> None:
        """See `Lab`."""
        self.node.database.delete_all()

    # The node.

    async def stop(self) -> None:
        """See `Lab`."""
        await self.node.stop()

    async def kill(self) -> None:
        """See `Lab`."""
        await self.node.kill()

    async def start(self) -> None:
        """See `Lab`."""
        self.starts += 1
        await self.node.start()

    async def lock(self) -> None:
        """See `Lab`."""
        self.starts += 1
        await self.node.start(pb.LOCKED)

    async def unlock(self) -> None:
        """See `Lab`."""
        await self.node.unlock()

    async def disconnect(self, *peers: str) -> None:
        """See `Lab`."""
        world = self.node.world
        world.peers = tuple(peer._replace(active=peer.active and peer.node.alias not in peers) for peer in world.peers)

    async def connect(self) -> None:
        """See `Lab`."""
        world = self.node.world
        world.peers = tuple(peer._replace(active=True) for peer in world.peers)

    async def stop_other(self, name: str) -> None:
        """See `Lab`."""
        self.network.offline.add(name)

    async def start_other(self, name: str) -> None:
        """See `Lab`."""
        self.network.offline.discard(name)

    def _sendable(self) -> dict[str, int]:
        """Return the balance of each active channel by its peer, in sat."""
        return {peer.node.alias: peer.local_sat for peer in self.node.world.peers if peer.active}

    async def balances(self) -> dict[str, tuple[int, int]]:
        """See `Lab`."""
        return {
            peer.node.alias: ((peer.local_sat - peer.reserve_sat) * 1000, (peer.remote_sat - peer.reserve_sat) * 1000)
            for peer in self.node.world.peers
        }

    async def refill(self) -> None:
        """See `Lab`. Balances never change here."""

    async def revoke_macaroon(self) -> None:
        """See `Lab`."""
        self.node.revoke_macaroons()

    async def bake_macaroon(self) -> None:
        """See `Lab`."""
        self.node.renew_macaroon(SMALLEST_PERMISSIONS)
        replace_file(self.macaroon, self.node.macaroon.read_bytes())

    async def bake_smaller_macaroon(self, target: Path) -> None:
        """See `Lab`."""
        replace_file(target, self.node.add_macaroon(SMALLEST_PERMISSIONS - {METHOD_PATHS[Method.TRACK_PAYMENTS]}))

    async def readonly_macaroon(self) -> Path:
        """See `Lab`."""
        path = self.macaroon.with_name("readonly.macaroon")
        replace_file(path, self.node.add_macaroon(READONLY_PERMISSIONS))
        return path

    async def renew_certificate(self) -> None:
        """See `Lab`."""
        self.node.renew_certificate()

    async def publish_certificate(self) -> None:
        """See `Lab`."""
        replace_file(self.tls_cert, self.node.tls_cert.read_bytes())
