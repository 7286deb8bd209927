"""A life in the making: hash, invoice and routes are invented here, the story is told by `lives`."""

import hashlib
import random
from typing import NamedTuple, Self

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.simulator.mutation import Create, Fail, Finish, GiveUp, Life, Mutation, Register, Settle, Step
from exporter.simulator.world import KEYSEND_RECORD, Node, World

_EXPONENTS = (4.0, 10.3, 6.5)  # amounts from 10 sat to 0.2 BTC, most of them around 3000 sat
_BASE_FEE_MSAT = 1000
_MAX_PPM = 800


def amount_msat(chance: random.Random) -> int:
    """What somebody might pay."""
    return round(10 ** chance.triangular(*_EXPONENTS))


class _Subject(NamedTuple):
    """What a draft is about."""

    payment_hash: str
    preimage: bytes
    value_msat: int
    kind: Kind
    payee: Node
    request: str = ""


class Draft:
    """Steps, one after the other, each with the time since the one before."""

    def __init__(self, world: World, chance: random.Random, subject: _Subject) -> None:
        """Begins with the creation of the payment."""
        self._world = world
        self._chance = chance
        self._subject = subject
        self._steps: list[Step] = []
        self._routes: list[pb.Route] = []
        self.create()

    @property
    def preimage(self) -> bytes:
        """What settles it."""
        return self._subject.preimage

    def _add(self, delay_s: float, mutation: Mutation) -> Self:
        self._steps.append(Step(delay_s, mutation))
        return self

    def create(self, delay_s: float = 0.0) -> Self:
        """A run begins; also a second one."""
        subject = self._subject
        self._routes.clear()
        return self._add(delay_s, Create(subject.payment_hash, subject.value_msat, subject.kind, subject.request))

    def attempt(self, *, hops: int = 3, parts: int = 1, delay_s: float = 0.1) -> int:
        """Send an HTLC, or one of so many equal parts; returns which one it is."""
        self._routes.append(self._route(hops, parts))
        self._add(delay_s, Register(self._subject.payment_hash, self._routes[-1]))
        return len(self._routes) - 1

    def settle(self, attempt: int, delay_s: float = 1.0, *, preimage: bytes = b"") -> Self:
        """It succeeds."""
        return self._add(delay_s, Settle(self._subject.payment_hash, attempt, preimage or self._subject.preimage))

    def fail(self, attempt: int, code: int, source: int, delay_s: float = 0.8) -> Self:
        """It fails at hop `source`, at most the last that forwards; 0 is this node, -1 the recipient."""
        hops = len(self._routes[attempt].hops)
        at = hops if source < 0 else min(source, hops - 1)
        return self._add(delay_s, Fail(self._subject.payment_hash, attempt, code, at))

    def give_up(self, reason: int, delay_s: float = 0.05) -> Self:
        """A reason is written."""
        return self._add(delay_s, GiveUp(self._subject.payment_hash, reason))

    def refuse(self, attempt: int, delay_s: float = 0.8) -> Self:
        """The recipient refuses: lnd first writes the reason, then fails the attempt."""
        self.give_up(pb.FAILURE_REASON_INCORRECT_PAYMENT_DETAILS, delay_s)
        return self.fail(attempt, pb.Failure.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, -1, 0.001)

    def finish(self) -> Self:
        """The life cycle of the payment in lnd is over."""
        return self._add(0.0, Finish(self._subject.payment_hash))

    def life(self, name: str, *, finish: bool = True) -> Life:
        """Done. What has no life cycle in lnd, as SendToRoute, is not finished."""
        if finish:
            self.finish()
        return Life(name, self._subject.payment_hash, tuple(self._steps))

    def _route(self, hops: int, parts: int) -> pb.Route:
        """Over a peer and some of those beyond to the payee, of `hops` hops."""
        chance, subject = self._chance, self._subject
        if hops == 1:
            path = [subject.payee.pubkey]
        else:
            beyond = chance.sample(self._world.far, hops - 2)
            path = [chance.choice(self._world.peers).node.pubkey, *(n.pubkey for n in beyond), subject.payee.pubkey]
        value = subject.value_msat // parts
        fees = [_BASE_FEE_MSAT + value * chance.randrange(_MAX_PPM) // 1_000_000 for _ in path[1:]]
        return self._world.route(
            path,
            value,
            fees,
            records={KEYSEND_RECORD: subject.preimage} if subject.kind is Kind.KEYSEND else None,
            amp=bytes.fromhex(subject.payment_hash) if subject.kind is Kind.AMP else None,
            mpp_total_msat=subject.value_msat if subject.request or subject.kind is Kind.AMP else 0,
        )


class Purse:
    """Begins payments of each kind."""

    def __init__(self, world: World, chance: random.Random, now_s: int) -> None:
        """`now_s` is when invoices were made."""
        self._world = world
        self._chance = chance
        self._now_s = now_s

    def invoice(self, value_msat: int | None) -> Draft:
        """Of somebody beyond the peers."""
        return self._request(value_msat, self._chance.choice(self._world.far), Kind.INVOICE)

    def rebalance(self, value_msat: int | None) -> Draft:
        """The node's own invoice."""
        return self._request(value_msat, self._world.me, Kind.REBALANCE)

    def keysend(self, value_msat: int | None) -> Draft:
        """No invoice."""
        return self.bare(Kind.KEYSEND, value_msat)

    def amp(self, value_msat: int | None) -> Draft:
        """No invoice; the hash is a set id."""
        return self.bare(Kind.AMP, value_msat)

    def bare(self, kind: Kind, value_msat: int | None) -> Draft:
        """To somebody, without an invoice."""
        preimage = self._chance.randbytes(32)
        subject = _Subject(_hash(preimage).hex(), preimage, self._value(value_msat), kind, self._somebody())
        return Draft(self._world, self._chance, subject)

    def _request(self, value_msat: int | None, payee: Node, kind: Kind) -> Draft:
        preimage, value = self._chance.randbytes(32), self._value(value_msat)
        request = self._world.request(payee, _hash(preimage), value, self._now_s)
        subject = _Subject(_hash(preimage).hex(), preimage, value, kind, payee, request)
        return Draft(self._world, self._chance, subject)

    def _somebody(self) -> Node:
        return self._chance.choice(self._world.far)

    def _value(self, value_msat: int | None) -> int:
        return value_msat or amount_msat(self._chance)


def _hash(preimage: bytes) -> bytes:
    return hashlib.sha256(preimage).digest()
