"""Many lives in one order of time."""

import heapq
from collections.abc import Iterable, Iterator

from exporter.simulator.mutation import Life, Mutation, Step


def timeline(lives: Iterable[Life]) -> Iterator[tuple[float, Mutation]]:
    """Each mutation with its time in seconds, of lives that all begin at 0; at the same time in the order given."""
    return ((at_s, mutation) for at_s, _, mutation in heapq.merge(*map(_absolute, range(1 << 62), lives), key=_when))


def _absolute(place: int, life: Life) -> Iterator[tuple[float, int, Mutation]]:
    at_s = 0.0
    for delay_s, mutation in life.steps:
        at_s += delay_s
        yield at_s, place, mutation


def _when(entry: tuple[float, int, Mutation]) -> tuple[float, int]:
    return entry[:2]


def stretched(factor: float, life: Life) -> Life:
    """The same life, slower or faster."""
    return life._replace(steps=tuple(Step(step.delay_s * factor, step.mutation) for step in life.steps))


def later(delay_s: float, life: Life) -> Life:
    """The same life, begun later."""
    first, *rest = life.steps
    return life._replace(steps=(Step(first.delay_s + delay_s, first.mutation), *rest))
