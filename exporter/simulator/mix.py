"""Lives by lot: what a busy node pays in a day, in believable proportions."""

import random
from bisect import bisect
from collections.abc import Callable, Iterator

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.draft import amount_msat
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Life
from exporter.simulator.timeline import stretched
from exporter.simulator.world import World, generator

# The more, the less likely to arrive: chance of success below each amount, in sat.
_AMOUNTS_SAT = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_CHANCES = (0.98, 0.96, 0.92, 0.8, 0.6, 0.4)
_LARGE_MSAT = 200_000_000  # what goes in parts, and what a node may not have

_FAILURES = (
    # Code, source, and how often compared with the others.
    ((pb.Failure.TEMPORARY_CHANNEL_FAILURE, 2), 50),
    ((pb.Failure.TEMPORARY_CHANNEL_FAILURE, 1), 18),
    ((pb.Failure.TEMPORARY_CHANNEL_FAILURE, 0), 4),
    ((pb.Failure.FEE_INSUFFICIENT, 2), 8),
    ((pb.Failure.UNKNOWN_NEXT_PEER, 2), 6),
    ((pb.Failure.UNKNOWN_NEXT_PEER, 0), 3),
    ((pb.Failure.CHANNEL_DISABLED, 1), 4),
    ((pb.Failure.INCORRECT_CLTV_EXPIRY, 2), 2),
    ((pb.Failure.TEMPORARY_NODE_FAILURE, 2), 3),
    ((pb.Failure.UNREADABLE_FAILURE, 0), 2),
)


class Mix:
    """An endless stream of lives for the node of `world`; the same for the same seed."""

    def __init__(self, world: World, seed: object = 0, *, now_s: int = 1_780_000_000) -> None:
        """`now_s` is when invoices were made."""
        self._lives = Lives(world, seed, now_s=now_s)
        self._chance = generator("mix", seed)
        lives, chance = self._lives, self._chance
        self._table: tuple[tuple[Callable[[], Life], float], ...] = (
            (self._payment, 72),
            (lives.keysend, 8),
            (lives.probe, 6),
            (lives.amp, 3),
            (lives.rebalance, 3),
            (lives.rebalance_without_route, 3),
            (lambda: lives.rebalance(fails=True), 1.5),
            (lambda: lives.held_then_settled(chance.uniform(5, 240)), 1.2),
            (lambda: lives.held_then_cancelled(chance.uniform(5, 180)), 0.5),
            (lambda: lives.cancelled_by_caller(chance.uniform(2, 60)), 0.3),
            (lambda: lives.send_to_route(fails=chance.random() < 0.5), 0.8),  # noqa: PLR2004
            (lives.retried_hash, 0.5),
            (lives.storm, 0.2),
        )

    def __iter__(self) -> Iterator[Life]:
        """For ever."""
        makers, weights = zip(*self._table, strict=True)
        while True:
            yield stretched(self._chance.lognormvariate(0, 0.4), self._chance.choices(makers, weights)[0]())

    def _payment(self) -> Life:
        """One with an invoice."""
        chance, lives, value = self._chance, self._lives, amount_msat(self._chance)
        if chance.random() > _CHANCES[bisect(_AMOUNTS_SAT, value // 1000)]:
            return self._failure(value)
        if value > _LARGE_MSAT and chance.random() < 0.6:  # noqa: PLR2004
            return lives.multi_part(value, parts=chance.randint(2, 6))
        if chance.random() < 0.3:  # noqa: PLR2004
            return lives.retry(value, failures=_failures(chance), hops=chance.randint(2, 6))
        return lives.success(value, hops=chance.randint(1, 6))

    def _failure(self, value: int) -> Life:
        lives, chance = self._lives, self._chance
        makers: list[Callable[[], Life]] = [
            lambda: lives.route_fails(value, failures=_failures(chance)),
            lambda: lives.no_route(value),
            lambda: lives.refused(value),
        ]
        if value > _LARGE_MSAT:
            makers.append(lambda: lives.insufficient_balance(value))
        return chance.choices(makers, (5, 2, 1, 2)[: len(makers)])[0]()


def _failures(chance: random.Random) -> list[tuple[int, int]]:
    """Some attempts that fail before lnd finds a way, or gives up."""
    failures, weights = zip(*_FAILURES, strict=True)
    return chance.choices(failures, weights, k=min(1 + int(chance.expovariate(0.8)), 12))
