"""Random traffic: the payments of a busy node, in realistic proportions."""

import random
from bisect import bisect
from collections.abc import Callable, Iterator

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenario_builder import random_amount_msat
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.timeline import slowed
from exporter.simulator.world import World, generator

# Probability of success below each amount, and above the last.
_AMOUNTS_SAT = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_SUCCESS_RATES = (0.98, 0.96, 0.92, 0.8, 0.6, 0.4)
_LARGE_MSAT = 200_000_000  # above this a payment may go in parts, or exceed the balance

_FAILURES = (
    # (code, failure source), weight.
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


class RandomTraffic:
    """An endless iterator of random scenarios for the node of `world`; the same for the same seed."""

    def __init__(self, world: World, seed: object = 0, *, now_s: int = 1_780_000_000) -> None:
        """`now_s` is the creation time of invoices, seconds since 1970."""
        self._scenarios = Scenarios(world, seed, now_s=now_s)
        self._rng = generator("mix", seed)
        scenarios, rng = self._scenarios, self._rng
        self._table: tuple[tuple[Callable[[], Scenario], float], ...] = (
            (self._payment, 72),
            (scenarios.keysend, 8),
            (scenarios.probe, 6),
            (scenarios.amp, 3),
            (scenarios.rebalance, 3),
            (scenarios.rebalance_without_route, 3),
            (lambda: scenarios.rebalance(fails=True), 1.5),
            (lambda: scenarios.held_then_settled(rng.uniform(5, 240)), 1.2),
            (lambda: scenarios.held_then_cancelled(rng.uniform(5, 180)), 0.5),
            (lambda: scenarios.cancelled_by_caller(rng.uniform(2, 60)), 0.3),
            (lambda: scenarios.send_to_route(fails=rng.random() < 0.5), 0.8),  # noqa: PLR2004
            (scenarios.retried_hash, 0.5),
            (scenarios.storm, 0.2),
        )

    def __iter__(self) -> Iterator[Scenario]:
        """Iterate for ever."""
        makers, weights = zip(*self._table, strict=True)
        while True:
            yield slowed(self._rng.lognormvariate(0, 0.4), self._rng.choices(makers, weights)[0]())

    def _payment(self) -> Scenario:
        """Return a payment of an invoice."""
        rng, scenarios, value = self._rng, self._scenarios, random_amount_msat(self._rng)
        if rng.random() > _SUCCESS_RATES[bisect(_AMOUNTS_SAT, value // 1000)]:
            return self._failure(value)
        if value > _LARGE_MSAT and rng.random() < 0.6:  # noqa: PLR2004
            return scenarios.multi_part(value, parts=rng.randint(2, 6))
        if rng.random() < 0.3:  # noqa: PLR2004
            return scenarios.retry(value, failures=_failures(rng), hops=rng.randint(2, 6))
        return scenarios.success(value, hops=rng.randint(1, 6))

    def _failure(self, value: int) -> Scenario:
        scenarios, rng = self._scenarios, self._rng
        makers: list[Callable[[], Scenario]] = [
            lambda: scenarios.route_fails(value, failures=_failures(rng)),
            lambda: scenarios.no_route(value),
            lambda: scenarios.refused(value),
        ]
        if value > _LARGE_MSAT:
            makers.append(lambda: scenarios.insufficient_balance(value))
        return rng.choices(makers, (5, 2, 1, 2)[: len(makers)])[0]()


def _failures(rng: random.Random) -> list[tuple[int, int]]:
    """Return (code, failure source) of some attempts that fail before lnd finds a route or gives up."""
    failures, weights = zip(*_FAILURES, strict=True)
    return rng.choices(failures, weights, k=min(1 + int(rng.expovariate(0.8)), 12))
