"""Endless believable traffic on a simulated node, for people who want to see the exporter at work."""

import asyncio
import time
from pathlib import Path

from exporter.simulator.clock import WallClock
from exporter.simulator.lives import Lives
from exporter.simulator.mix import Mix
from exporter.simulator.mutation import Life, Register
from exporter.simulator.server import SimulatedNode
from exporter.simulator.world import World, generator

_HELD_SINCE_S = 45 * 60
_BLOCKS_SINCE = 150  # how much closer its expiry came meanwhile
_BLOCK_S = 180.0  # on average; quicker than the real chain, so that a person sees it move
_PAUSE_S = 5.0  # a new run of a failed hash must not begin at once, or nobody sees the failed one


def node(directory: Path, seed: object = "demo") -> SimulatedNode:
    """A node with a past: it has been holding an HTLC for most of an hour."""
    clock = WallClock()
    made = SimulatedNode(directory, seed=seed, world=World.random(seed, network="simnet"), clock=clock)
    clock.behind_s = _HELD_SINCE_S
    for step in Lives(made.world, "past", now_s=int(time.time()) - _HELD_SINCE_S).held_then_settled().steps:
        made.database.apply(step.mutation)
        if isinstance(step.mutation, Register):
            break
    clock.behind_s = 0.0
    made.world.height += _BLOCKS_SINCE
    return made


async def traffic(node: SimulatedNode, pace: float = 1.0) -> None:
    """About `pace` payments a second, until cancelled; begins with one of each kind, a quarter of a second apart."""
    seed = time.time_ns()
    chance = generator("traffic", seed)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_blocks(node, seed))
        for life in _showcase(node, seed):
            tasks.create_task(node.play(life))
            await node.clock.sleep(0.25 / pace)
        for life in Mix(node.world, seed, now_s=int(time.time())):
            tasks.create_task(node.play(life))
            await node.clock.sleep(chance.expovariate(pace))


def _showcase(node: SimulatedNode, seed: object) -> list[Life]:
    """One of each, so that nobody has to wait for the rare ones."""
    lives = Lives(node.world, ("showcase", seed), now_s=int(time.time()))
    return [
        lives.held_then_settled(240),
        lives.held_then_cancelled(75),
        lives.cancelled_by_caller(15),
        lives.storm(),
        lives.multi_part(),
        lives.retry(),
        lives.retried_hash(pause_s=_PAUSE_S),
        lives.no_route(),
        lives.insufficient_balance(),
        lives.route_fails(),
        lives.refused(),
        lives.rebalance(),
        lives.rebalance_without_route(),
        lives.probe(),
        lives.keysend(),
        lives.amp(),
        lives.send_to_route(),
        lives.send_to_route(fails=True),
        lives.success(),
    ]


async def _blocks(node: SimulatedNode, seed: object) -> None:
    """The chain grows."""
    chance = generator("blocks", seed)
    while True:
        await node.clock.sleep(chance.expovariate(1 / _BLOCK_S))
        node.world.height += 1
