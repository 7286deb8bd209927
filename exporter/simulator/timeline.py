"""Merges scenarios by time; slows and delays them."""

import heapq
from collections.abc import Iterable, Iterator

from exporter.simulator.mutation import Mutation, Scenario, Step


def timeline(scenarios: Iterable[Scenario]) -> Iterator[tuple[float, Mutation]]:
    """Yield each mutation with its time in seconds; all scenarios begin at 0. Equal times keep the given order."""
    merged = heapq.merge(*map(_with_times, range(1 << 62), scenarios), key=_time_and_place)
    return ((at_s, mutation) for at_s, _, mutation in merged)


def _with_times(place: int, scenario: Scenario) -> Iterator[tuple[float, int, Mutation]]:
    at_s = 0.0
    for delay_s, mutation in scenario.steps:
        at_s += delay_s
        yield at_s, place, mutation


def _time_and_place(entry: tuple[float, int, Mutation]) -> tuple[float, int]:
    return entry[:2]


def slowed(factor: float, scenario: Scenario) -> Scenario:
    """Return the scenario with all delays multiplied by a factor."""
    return scenario._replace(steps=tuple(Step(step.delay_s * factor, step.mutation) for step in scenario.steps))


def delayed(delay_s: float, scenario: Scenario) -> Scenario:
    """Return the scenario with a later beginning."""
    first, *rest = scenario.steps
    return scenario._replace(steps=(Step(first.delay_s + delay_s, first.mutation), *rest))
