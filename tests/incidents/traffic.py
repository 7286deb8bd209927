"""The payments of a node; times are minutes since the beginning of the story."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.event import StreamInterrupted
from exporter.payments.labels import AmountBand, Interruption, Kind, NodeState, amount_band
from exporter.payments.totals import Counter
from exporter.rules.values import read
from exporter.simulator.mutation import GiveUp, Register, Scenario
from exporter.simulator.scenario_builder import random_amount_msat
from tests.incidents.node import SPENDABLE_MSAT, VirtualNode

MINUTE = 60.0
_TARGETS = read()["home"].target_percent
_SHARE_OF_BUDGET = 0.3
"""Share of the targets' allowance that a healthy node fails."""
_DAY_MIN = 1440

TEMPORARY = pb.Failure.TEMPORARY_CHANNEL_FAILURE
SELF, FIRST_HOP, BEYOND = 0, 1, 2
OTHER_REASON = 77
"""A failure reason that no current lnd sends."""


def moments(
    node: VirtualNode, begin_min: float, end_min: float, per_min: float, *, rhythm: bool = False
) -> Iterator[float]:
    """Return random seconds at which payments begin; with `rhythm` three times as many by day as by night."""
    at_min = begin_min
    while True:
        now = per_min * (1 + 0.5 * math.sin(2 * math.pi * at_min / _DAY_MIN)) if rhythm else per_min
        at_min += node.chance.expovariate(now)
        if at_min >= end_min:
            return
        yield at_min * MINUTE


def ordinary(node: VirtualNode) -> Scenario:
    """Return a payment of a healthy node: it may need a second attempt, and rarely fails."""
    value = random_amount_msat(node.chance)
    budget = 1 - _TARGETS[amount_band(value)] / 100
    lot = node.chance.random()
    if lot < _SHARE_OF_BUDGET * budget:
        return node.scenarios.route_fails(value)
    if lot < 0.2:
        return node.scenarios.retry(value)
    if lot < 0.22:
        return node.scenarios.refused(value)
    return node.scenarios.success(value)


def drained(node: VirtualNode) -> Scenario:
    """Return a payment that finds no balance in the node's own channels."""
    return node.scenarios.route_fails(failures=((TEMPORARY, SELF),) * 2)


def strange(node: VirtualNode) -> Scenario:
    """Return a payment that fails with an unknown reason."""
    scenario = node.scenarios.no_route()
    steps = tuple(
        step._replace(mutation=step.mutation._replace(reason=OTHER_REASON))
        if isinstance(step.mutation, GiveUp)
        else step
        for step in scenario.steps
    )
    return scenario._replace(steps=steps)


def pays(
    node: VirtualNode,
    begin_min: float,
    end_min: float,
    per_min: float = 3,
    scenario: Callable[[VirtualNode], Scenario] = ordinary,
    *,
    rhythm: bool = False,
) -> None:
    """Schedule such payments from one minute to another."""
    for at_s in moments(node, begin_min, end_min, per_min, rhythm=rhythm):
        node.play(at_s, scenario(node))


def counted(
    node: VirtualNode, begin_min: int, end_min: int, number: Callable[[int], float], *, every_min: int = 1
) -> None:
    """Count succeeded payments without playing them, for millions of them: `number` a minute on average, at random."""

    def count(at_min: int) -> None:
        mean = number(at_min) * every_min
        found = max(0, round(node.chance.gauss(mean, math.sqrt(mean))))
        node.ledger.count(Counter.SUCCEEDED, Kind.INVOICE, AmountBand.UNDER_10K, by=found)

    for at_min in range(begin_min, end_min, every_min):
        node.at(at_min * MINUTE + 1, lambda at_min=at_min: count(at_min))  # type: ignore[misc]


def balance(
    node: VirtualNode, begin_min: int, end_min: int, sat: Callable[[int], float], inactive: Callable[[int], float]
) -> None:
    """Set the spendable balance and that of inactive channels, in sat, every five minutes."""

    def put(at_min: int) -> None:
        spendable_msat, inactive_msat = (max(0, int(of(at_min))) * 1000 for of in (sat, inactive))
        assert node.status.channels is not None
        node.set(channels=replace(node.status.channels, spendable_msat=spendable_msat, inactive_msat=inactive_msat))

    for at_min in range(begin_min, end_min, 5):
        node.at(at_min * MINUTE + 1, lambda at_min=at_min: put(at_min))  # type: ignore[misc]


def sends(node: VirtualNode, begin_min: int, end_min: int, sat: Callable[[int], float]) -> None:
    """Count what is sent, `sat` an hour, every five minutes, without playing the payments."""

    def count(at_min: int) -> None:
        node.ledger.count(Counter.SENT, Kind.INVOICE, AmountBand.UNDER_100K, by=int(sat(at_min) / 12) * 1000)

    for at_min in range(begin_min, end_min, 5):
        node.at(at_min * MINUTE + 1, lambda at_min=at_min: count(at_min))  # type: ignore[misc]


def over_peer(scenario: Scenario) -> str:
    """Return the peer of its first HTLC."""
    return next(step.mutation.route.hops[0].pub_key for step in scenario.steps if isinstance(step.mutation, Register))


def down(node: VirtualNode, at_min: float, state: NodeState, until_min: float = 10_000) -> None:
    """Put the node into another state, in which the exporter receives no updates."""

    def fall() -> None:
        node.stream_works = False
        node.tracker.stream_lost()
        node.ledger.apply([StreamInterrupted(Interruption.UNREACHABLE)])
        node.set(state=state, stream_up=False)

    def rise() -> None:
        node.stream_works = True
        node.tracker.stream_started()
        node.set(state=NodeState.READY, stream_up=True)
        node.list_all()

    node.at(at_min * MINUTE, fall)
    node.at(until_min * MINUTE, rise)
    node.at(
        (until_min + 1) * MINUTE, node.list_all
    )  # once more, as the follower does: lnd may have overwritten the reason


def away(node: VirtualNode, at_min: float, until_min: float, catches_up_min: float = 0.5) -> None:
    """Take the exporter away; back, it shows its old counts at once, and missed payments half a minute later."""

    def stop() -> None:
        node.stream_works = False
        node.answer_scrapes(False)
        node.tracker.stream_lost()

    def start() -> None:
        node.answer_scrapes(True)
        node.set(stream_up=False, catching_up=True)

    def follow() -> None:
        node.stream_works = True
        node.tracker.stream_started()
        node.set(stream_up=True, catching_up=False)
        node.list_all()

    node.at(at_min * MINUTE, stop)
    node.at(until_min * MINUTE, start)
    node.at((until_min + catches_up_min) * MINUTE, follow)
    node.at((until_min + catches_up_min + 0.1) * MINUTE, node.list_all)  # once more, as the follower does


def offline(node: VirtualNode, at_min: float, until_min: float) -> None:
    """Take all peers offline from one minute to another."""

    def channels(active: int, inactive: int) -> None:
        assert node.status.info is not None
        assert node.status.channels is not None
        spendable_msat, inactive_msat = (SPENDABLE_MSAT if number else 0 for number in (active, inactive))
        node.set(
            info=replace(node.status.info, channels_active=active, channels_inactive=inactive),
            channels=replace(node.status.channels, spendable_msat=spendable_msat, inactive_msat=inactive_msat),
        )

    number = len(node.world.peers)
    node.at(at_min * MINUTE, lambda: channels(0, number))
    node.at(until_min * MINUTE, lambda: channels(number, 0))


def held(node: VirtualNode, blocks: int, at_min: float = 60, scenario: Scenario | None = None) -> None:
    """Schedule an HTLC that is held, by default for ever, with this many blocks left."""
    scenario = scenario or node.scenarios.held_then_settled(10_000 * MINUTE)
    height = node.world.height + int(at_min / 10)

    for step in scenario.steps:
        if isinstance(step.mutation, Register):
            step.mutation.route.total_time_lock = height + blocks
    node.play(at_min * MINUTE, scenario)
