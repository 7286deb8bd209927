"""Prepared updates of lnd: a storm of failures, and the steady traffic of a busy node."""

from random import Random
from typing import NamedTuple

from exporter.lnd.rpc import track_pb2 as track
from exporter.payments.payment import NS_PER_S
from exporter.simulator.world import World

START_NS = 1_780_000_000 * NS_PER_S
_FINAL = (track.Payment.SUCCEEDED, track.Payment.FAILED)
_FAILURE = track.Failure(code=track.Failure.TEMPORARY_CHANNEL_FAILURE, failure_source_index=2)


class Sent(NamedTuple):
    """One update."""

    at_s: float
    """Seconds after the first one."""
    payment_index: int
    payment_hash: str
    final: bool
    message: bytes


def storm(payments: int, rate: float) -> tuple[World, list[Sent]]:
    """Return updates of payments with a signed invoice that fail without an attempt, `rate` a second.

    One in twenty has a second terminal update with another reason.
    """
    world, random = World.random("storm"), Random("storm")
    order: list[tuple[float, int, track.Payment]] = []
    for number in range(payments):
        payee = random.choice(world.far)
        payment_hash = random.randbytes(32)
        created_ns = START_NS + int(2 * number / min(rate, 10_000) * NS_PER_S)
        payment = track.Payment(
            payment_hash=payment_hash.hex(),
            value_msat=random.randrange(1_000, 10_000_000),
            creation_date=created_ns // NS_PER_S,
            creation_time_ns=created_ns,
            payment_request=world.payment_request(payee, payment_hash, 50_000, created_ns // NS_PER_S),
            status=track.Payment.IN_FLIGHT,
            payment_index=number + 1,
        )
        order.append((2.0 * number, number, payment))
        failed = track.Payment()
        failed.CopyFrom(payment)
        failed.status, failed.failure_reason = track.Payment.FAILED, track.FAILURE_REASON_NO_ROUTE
        end = 2.0 * number + random.uniform(1, 200)
        order.append((end, number, failed))
        if random.random() < 0.05:
            second = track.Payment()
            second.CopyFrom(failed)
            second.failure_reason = track.FAILURE_REASON_TIMEOUT
            order.append((end + 20, number, second))
    order.sort(key=lambda item: item[0])
    return world, [_sent(position / rate, payment) for position, (_, _, payment) in enumerate(order)]


def steady(seconds: float) -> tuple[World, list[Sent]]:
    """Return six payments a second with up to four attempts of four hops: some 20 updates a second of up to 3 kB."""
    world, random = World.random("steady"), Random("steady")
    sent: list[Sent] = []
    for number in range(int(seconds * 6)):
        begin_s, payee = number / 6, random.choice(world.far)
        created_ns = START_NS + int(begin_s * NS_PER_S)
        payment_hash = random.randbytes(32)
        payment = track.Payment(
            payment_hash=payment_hash.hex(),
            value_msat=50_000_000,
            creation_date=created_ns // NS_PER_S,
            creation_time_ns=created_ns,
            payment_request=world.payment_request(payee, payment_hash, 50_000, created_ns // NS_PER_S),
            status=track.Payment.IN_FLIGHT,
            payment_index=number + 1,
        )
        for step in range(3):
            first_id = 8 * number + len(payment.htlcs) + 1
            payment.htlcs.extend(_attempt(world, random, first_id + n, created_ns) for n in (0, 1))
            if step == 1:
                for htlc in payment.htlcs:
                    htlc.status, htlc.resolve_time_ns = track.HTLCAttempt.FAILED, created_ns + NS_PER_S // 10
                    htlc.failure.CopyFrom(_FAILURE)
            if step == 2:
                del payment.htlcs[4:]
                payment.htlcs[-1].status, payment.htlcs[-1].preimage = track.HTLCAttempt.SUCCEEDED, bytes(32)
                payment.status = track.Payment.SUCCEEDED
            sent.append(_sent(begin_s + step * 0.15, payment))
    return world, sorted(sent, key=lambda one: one.at_s)


def _attempt(world: World, random: Random, attempt_id: int, created_ns: int) -> track.HTLCAttempt:
    nodes = [random.choice(world.peers).node, *random.choices(world.far, k=3)]
    hops = [
        track.Hop(
            chan_id=random.getrandbits(60),
            expiry=840_100,
            amt_to_forward_msat=50_000_000,
            fee_msat=random.randrange(5000),
            pub_key=node.pubkey,
        )
        for node in nodes
    ]
    route = track.Route(total_time_lock=840_200, hops=hops, total_fees_msat=9_000, total_amt_msat=50_009_000)
    return track.HTLCAttempt(attempt_id=attempt_id, attempt_time_ns=created_ns + 50_000_000, route=route)


def _sent(at_s: float, payment: track.Payment) -> Sent:
    final = payment.status in _FINAL
    return Sent(at_s, payment.payment_index, payment.payment_hash, final, payment.SerializeToString())
