"""The node of the demo and its endless random traffic."""

import asyncio
import time
from pathlib import Path

from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import Register, Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import READONLY_PERMISSIONS
from exporter.simulator.world import World, generator

_HELD_S = 45 * 60  # age of the HTLC that is held when the demo starts
_HELD_BLOCKS = 150  # blocks mined since, so that its expiry is near
_BLOCK_S = 180.0  # on average; faster than the real chain, so that a person sees the height change
_PAUSE_S = 5.0  # between the runs of a hash, so that the failed run is seen before it is erased


def node(directory: Path, seed: object = "demo") -> SimulatedNode:
    """Return a node with one payment, whose HTLC has been held for 45 minutes."""
    clock = WallClock()
    world = World.random(seed, network="simnet")
    node = SimulatedNode(directory, seed=seed, world=world, clock=clock, permissions=READONLY_PERMISSIONS)
    clock.behind_s = _HELD_S
    for step in Scenarios(node.world, "past", now_s=int(time.time()) - _HELD_S).held_then_settled().steps:
        node.database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            break
    clock.behind_s = 0.0
    node.world.height += _HELD_BLOCKS
    return node


def destinations(node: SimulatedNode) -> dict[str, str]:
    """Return groups of recipients, as a configuration names them: the name of the group of each key."""
    names = ["exchange-a"] * 4 + ["swap-service"] * 2
    return {far.pubkey: name for far, name in zip(node.world.far, names, strict=False)}


async def traffic(node: SimulatedNode, pace: float = 1.0) -> None:
    """Make about `pace` payments per second until cancelled; the first are one of each scenario, at four times that."""
    seed = time.time_ns()
    rng = generator("traffic", seed)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_mine(node, seed))
        for scenario in _one_of_each(node, seed):
            tasks.create_task(node.play(scenario))
            await node.clock.sleep(0.25 / pace)
        for scenario in RandomTraffic(node.world, seed, now_s=int(time.time())):
            tasks.create_task(node.play(scenario))
            await node.clock.sleep(rng.expovariate(pace))


def _one_of_each(node: SimulatedNode, seed: object) -> list[Scenario]:
    """Return one of each scenario, so that a person doesn't wait for the rare ones."""
    scenarios = Scenarios(node.world, ("showcase", seed), now_s=int(time.time()))
    return [
        scenarios.held_then_settled(240),
        scenarios.held_then_cancelled(75),
        scenarios.cancelled_by_caller(15),
        scenarios.storm(),
        scenarios.multi_part(),
        scenarios.retry(),
        scenarios.retried_hash(pause_s=_PAUSE_S),
        scenarios.no_route(),
        scenarios.insufficient_balance(),
        scenarios.route_fails(),
        scenarios.refused(),
        scenarios.rebalance(),
        scenarios.rebalance_without_route(),
        scenarios.probe(),
        scenarios.keysend(),
        scenarios.amp(),
        scenarios.send_to_route(),
        scenarios.send_to_route(fails=True),
        scenarios.success(),
    ]


async def _mine(node: SimulatedNode, seed: object) -> None:
    """Raise the height of the block chain at random intervals, until cancelled."""
    rng = generator("blocks", seed)
    while True:
        await node.clock.sleep(rng.expovariate(1 / _BLOCK_S))
        node.world.height += 1
