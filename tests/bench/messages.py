"""Prepared updates of payments in the shapes that lnd sends: failures without an attempt, with 4 attempts, with 200."""

import hashlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import cycle, islice
from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.payments.payment import NS_PER_S
from exporter.simulator.mutation import Create
from exporter.simulator.record import Record, Update
from exporter.simulator.world import World, generator

START_NS = 1_780_000_000 * NS_PER_S
"""When the first prepared payment begins, nanoseconds since 1970; `shifted` moves messages to another time."""
MSAT = 100_000_000
"""Value of each payment."""
HOPS = 4


class Shape(StrEnum):
    """What each payment of a load is like."""

    STORM = "storm"
    """It fails without an attempt: two updates of about 430 bytes, the second one ends it."""
    PAID = "paid"
    """It succeeds in 4 parts over 4 hops each: three updates of about 2.3 kB, each with all attempts."""
    LARGE = "large"
    """It has 200 attempts over 4 hops, all in flight at first; each further update fails one, the last gives up."""
    STEADY = "steady"
    """An ordinary one: 3 updates, every sixth payment 5, so that 6 payments make 20."""


ATTEMPTS = {Shape.STORM: 0, Shape.PAID: 4, Shape.LARGE: 200}
_PARALLEL = {Shape.STORM: 8, Shape.PAID: 50, Shape.LARGE: 3, Shape.STEADY: 12}
"""Payments in flight at the same time; fewer where there are few updates."""
_LARGE_UPDATES = 50
"""Updates of a payment with 200 attempts."""


class Prepared(NamedTuple):
    """One update, and the index of its payment."""

    payment_index: int
    update: Update


def prepare(shape: Shape, updates: int, every_ns: int, first_index: int = 1) -> list[Prepared]:
    """Return at least this many updates, up to the end of the last payment; one every `every_ns` from `START_NS`."""
    clock, world = [START_NS], World.random("bench")
    made: list[Prepared] = []
    coming = (_payment(shape, world, index, lambda: clock[0]) for index in _count(first_index))
    running = list(islice(coming, min(_PARALLEL[shape], 1 + updates // _LARGE_UPDATES)))
    while running:
        for payment in list(running):
            sent = next(payment, None)
            if sent is not None:
                made.append(sent)
                clock[0] += every_ns
                continue
            running.remove(payment)
            if len(made) < updates:
                running.append(next(coming))
    return made


def shifted(message: bytes, by_ns: int) -> bytes:
    """Return a message whose times are later by `by_ns`."""
    payment = pb.Payment.FromString(message)
    payment.creation_time_ns += by_ns
    payment.creation_date = payment.creation_time_ns // NS_PER_S
    for attempt in payment.htlcs:
        attempt.attempt_time_ns += by_ns
        if attempt.resolve_time_ns:
            attempt.resolve_time_ns += by_ns
    return payment.SerializeToString()


def _count(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def new_record(world: World, index: int, now_ns: int) -> tuple[Record, str]:
    """Return a new payment of an invoice, and its payee's key."""
    payment_hash = hashlib.sha256(b"bench %d" % index).digest()
    payee = world.far[index % len(world.far)]
    request = world.payment_request(payee, payment_hash, MSAT, START_NS // NS_PER_S)
    create = Create(payment_hash=payment_hash.hex(), kind=Kind.INVOICE, value_msat=MSAT, payment_request=request)
    return Record(create, index, now_ns, initiated=False), payee.pubkey


def _payment(shape: Shape, world: World, index: int, now_ns: Callable[[], int]) -> Iterator[Prepared]:
    """Yield the updates of one payment, each at the time of the clock."""
    record, payee = new_record(world, index, now_ns())
    for _ in _STEPS[shape](record, world, payee, now_ns):
        yield Prepared(index, record.write())


def _storm(record: Record, _world: World, _payee: str, _now_ns: Callable[[], int]) -> Iterator[None]:
    yield
    record.give_up(pb.FAILURE_REASON_NO_ROUTE)
    yield


def _paid(record: Record, world: World, payee: str, now_ns: Callable[[], int]) -> Iterator[None]:
    add_attempts(record, world, payee, now_ns(), ATTEMPTS[Shape.PAID])
    yield
    for places in ((0, 1), (2, 3)):
        for place in places:
            record.settle(place, hashlib.sha256(record.payment_hash.encode()).digest(), now_ns())
        yield


def _large(record: Record, world: World, payee: str, now_ns: Callable[[], int]) -> Iterator[None]:
    add_attempts(record, world, payee, now_ns(), ATTEMPTS[Shape.LARGE])
    yield
    for place in range(_LARGE_UPDATES - 2):
        record.fail(place, pb.Failure.TEMPORARY_CHANNEL_FAILURE, 2, now_ns())
        yield
    for place in range(_LARGE_UPDATES - 2, ATTEMPTS[Shape.LARGE]):
        record.fail(place, pb.Failure.TEMPORARY_CHANNEL_FAILURE, 2, now_ns())
    record.give_up(pb.FAILURE_REASON_TIMEOUT)
    yield


def _steady(record: Record, world: World, payee: str, now_ns: Callable[[], int]) -> Iterator[None]:
    yield
    place = 0
    if record.index % 6 == 0:
        add_attempts(record, world, payee, now_ns(), 1)
        yield
        record.fail(place, pb.Failure.TEMPORARY_CHANNEL_FAILURE, 2, now_ns())
        place = 1
        yield
    add_attempts(record, world, payee, now_ns(), 1)
    yield
    record.settle(place, hashlib.sha256(record.payment_hash.encode()).digest(), now_ns())
    yield


_STEPS = {Shape.STORM: _storm, Shape.PAID: _paid, Shape.LARGE: _large, Shape.STEADY: _steady}


def add_attempts(record: Record, world: World, payee: str, now_ns: int, attempts: int) -> None:
    """Add attempts in flight, over different peers."""
    rng = generator("route", record.payment_hash, attempts)
    peers = cycle(peer.node.pubkey for peer in world.peers)
    for number, peer in enumerate(islice(peers, attempts)):
        middle = rng.sample([node.pubkey for node in world.far if node.pubkey != payee], HOPS - 2)
        route = world.route([peer, *middle, payee], MSAT // attempts, [1000] * (HOPS - 1))
        record.register(record.index * 1000 + len(record.message.htlcs) + number, route, now_ns)
