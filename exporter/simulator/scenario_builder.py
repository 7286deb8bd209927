"""Builds scenarios step by step, with random hashes, invoices and routes."""

import hashlib
import random
from typing import NamedTuple, Self

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.simulator.mutation import Create, Fail, Finish, GiveUp, Mutation, Register, Scenario, Settle, Step
from exporter.simulator.world import KEYSEND_RECORD, Node, World

_EXPONENTS = (4.0, 10.3, 6.5)  # amounts from 10 sat to 0.2 BTC, most of them around 3000 sat
_BASE_FEE_MSAT = 1000
_MAX_PPM = 800


def random_amount_msat(rng: random.Random) -> int:
    """Return a random amount."""
    return round(10 ** rng.triangular(*_EXPONENTS))


class _Payment(NamedTuple):
    """The constants of a scenario's payment."""

    payment_hash: str
    preimage: bytes
    value_msat: int
    kind: Kind
    payee: Node
    request: str = ""


class ScenarioBuilder:
    """Builds the scenario of one payment: each method adds a step, `delay_s` seconds after the one before."""

    def __init__(self, world: World, rng: random.Random, payment: _Payment) -> None:
        """Add the first step, the creation of the payment."""
        self._world = world
        self._rng = rng
        self._payment = payment
        self._steps: list[Step] = []
        self._routes: list[pb.Route] = []
        self.create()

    @property
    def preimage(self) -> bytes:
        """The preimage of the payment hash."""
        return self._payment.preimage

    def _add(self, delay_s: float, mutation: Mutation) -> Self:
        self._steps.append(Step(delay_s, mutation))
        return self

    def create(self, delay_s: float = 0.0) -> Self:
        """Start a run; again, after one that failed."""
        payment = self._payment
        self._routes.clear()
        return self._add(delay_s, Create(payment.payment_hash, payment.value_msat, payment.kind, payment.request))

    def attempt(self, *, hops: int = 3, parts: int = 1, delay_s: float = 0.1) -> int:
        """Send an HTLC over a random route, of the amount divided by `parts`; return the number of the attempt."""
        self._routes.append(self._route(hops, parts))
        self._add(delay_s, Register(self._payment.payment_hash, self._routes[-1]))
        return len(self._routes) - 1

    def settle(self, attempt: int, delay_s: float = 1.0, *, preimage: bytes = b"") -> Self:
        """Settle an attempt, by default with the preimage of the payment hash."""
        return self._add(delay_s, Settle(self._payment.payment_hash, attempt, preimage or self._payment.preimage))

    def fail(self, attempt: int, code: int, source: int, delay_s: float = 0.8) -> Self:
        """Fail an attempt at hop `source`, at most at the last forwarding one; 0 is this node, -1 the recipient."""
        hops = len(self._routes[attempt].hops)
        at = hops if source < 0 else min(source, hops - 1)
        return self._add(delay_s, Fail(self._payment.payment_hash, attempt, code, at))

    def give_up(self, reason: int, delay_s: float = 0.05) -> Self:
        """Write a failure reason."""
        return self._add(delay_s, GiveUp(self._payment.payment_hash, reason))

    def refuse(self, attempt: int, delay_s: float = 0.8) -> Self:
        """Fail an attempt because the recipient refuses it: lnd writes the reason first, then fails the attempt."""
        self.give_up(pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS, delay_s)
        return self.fail(attempt, pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, -1, 0.001)

    def finish(self) -> Self:
        """End the payment's lifecycle in lnd."""
        return self._add(0.0, Finish(self._payment.payment_hash))

    def scenario(self, name: str, *, finish: bool = True) -> Scenario:
        """Return the scenario. `finish` is False for payments without a lifecycle in lnd, such as SendToRoute."""
        if finish:
            self.finish()
        return Scenario(name, self._payment.payment_hash, tuple(self._steps))

    def _route(self, hops: int, parts: int) -> pb.Route:
        """Return a random route of `hops` hops: a peer, nodes beyond, the payee; back to the node by another peer."""
        rng, payment = self._rng, self._payment
        if hops == 1:
            path = [payment.payee.pubkey]
        else:
            beyond = rng.sample(self._world.far, hops - 2)
            first = rng.choice(self._world.peers).node
            others = [peer.node for peer in self._world.peers if peer.node != first]
            if beyond and others and payment.kind is Kind.REBALANCE:
                beyond[-1] = rng.choice(others)
            path = [first.pubkey, *(n.pubkey for n in beyond), payment.payee.pubkey]
        value = payment.value_msat // parts
        fees = [_BASE_FEE_MSAT + value * rng.randrange(_MAX_PPM) // 1_000_000 for _ in path[1:]]
        return self._world.route(
            path,
            value,
            fees,
            records={KEYSEND_RECORD: payment.preimage} if payment.kind is Kind.KEYSEND else None,
            amp=bytes.fromhex(payment.payment_hash) if payment.kind is Kind.AMP else None,
            mpp_total_msat=payment.value_msat if payment.request or payment.kind is Kind.AMP else 0,
        )


class PaymentFactory:
    """Creates random payments of each kind, of a given amount or (None) a random one."""

    def __init__(self, world: World, rng: random.Random, now_s: int) -> None:
        """`now_s` is the creation time of invoices, seconds since 1970."""
        self._world = world
        self._rng = rng
        self._now_s = now_s

    def invoice(self, value_msat: int | None) -> ScenarioBuilder:
        """Pay an invoice of a node beyond the peers."""
        return self._request(value_msat, self._random_payee(), Kind.INVOICE)

    def rebalance(self, value_msat: int | None) -> ScenarioBuilder:
        """Pay an invoice of the node itself."""
        return self._request(value_msat, self._world.me, Kind.REBALANCE)

    def keysend(self, value_msat: int | None) -> ScenarioBuilder:
        """Pay a node without an invoice; the last hop carries the preimage."""
        return self.bare(Kind.KEYSEND, value_msat)

    def amp(self, value_msat: int | None) -> ScenarioBuilder:
        """Pay a node without an invoice, by an atomic multi-path payment; the hash is its set id."""
        return self.bare(Kind.AMP, value_msat)

    def bare(self, kind: Kind, value_msat: int | None) -> ScenarioBuilder:
        """Pay a hash, without an invoice."""
        preimage = self._rng.randbytes(32)
        payment = _Payment(_hash(preimage).hex(), preimage, self._value(value_msat), kind, self._random_payee())
        return ScenarioBuilder(self._world, self._rng, payment)

    def _request(self, value_msat: int | None, payee: Node, kind: Kind) -> ScenarioBuilder:
        preimage, value = self._rng.randbytes(32), self._value(value_msat)
        request = self._world.payment_request(payee, _hash(preimage), value, self._now_s)
        payment = _Payment(_hash(preimage).hex(), preimage, value, kind, payee, request)
        return ScenarioBuilder(self._world, self._rng, payment)

    def _random_payee(self) -> Node:
        return self._rng.choice(self._world.far)

    def _value(self, value_msat: int | None) -> int:
        return value_msat or random_amount_msat(self._rng)


def _hash(preimage: bytes) -> bytes:
    return hashlib.sha256(preimage).digest()
