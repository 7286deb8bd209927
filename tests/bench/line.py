"""One line of the table of `make bench`: a figure, what it is compared with in the same run, and its goal."""

import statistics
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Limit(StrEnum):
    """What a goal limits."""

    VALUE = "at most"
    RATIO = "at most, times what it is compared with"
    ABOVE = "at most, above what it is compared with"
    LEAST = "at least"


class Goal(NamedTuple):
    """A goal; `limit` is in the line's unit, or a factor."""

    what: Limit
    limit: float


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured, once for each repetition."""

    group: str
    name: str
    unit: str
    values: Sequence[float]
    compared_with: str = ""
    baselines: Sequence[float] = ()
    """In the same unit, each measured next to the value at the same place."""
    goal: Goal | None = None
    note: str = ""
    """What differs from run to run, such as a number of series."""

    @property
    def value(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def baseline(self) -> float | None:
        """The median of what it is compared with."""
        return statistics.median(self.baselines) if self.baselines else None

    @property
    def ratio(self) -> float | None:
        """How many times what it is compared with."""
        return self.value / self.baseline if self.baseline else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.goal is None:
            return None
        what, limit = self.goal
        if what is Limit.LEAST:
            return self.value >= limit
        if what is Limit.VALUE:
            return self.value <= limit
        if self.baseline is None or self.ratio is None:
            raise ValueError(f"{self.name} has a goal that compares it, and nothing to compare it with")
        return self.ratio <= limit if what is Limit.RATIO else self.value - self.baseline <= limit


class Scale(NamedTuple):
    """How much is measured."""

    repetitions: int
    factor: float
    """Of the number of updates and seconds: 1 is what the table shows, less is only a test that it works."""
    full: bool
    """Whether the long lines have the size of the goal instead of a tenth or so."""
    only: str = ""
    """Measure only lines whose name contains this."""

    def wants(self, *names: str) -> bool:
        """Return whether one of these lines is to be measured."""
        return any(self.only in name for name in names)

    def wait_s(self, seconds: float) -> float:
        """Return how long to wait until something is over; where figures mean nothing, not that long."""
        return seconds if self.factor >= 1 else 0.2

    def of(self, number: float, least: int = 1) -> int:
        """Return a number of things to measure."""
        return max(least, int(number * self.factor))


NORMAL = Scale(3, 1.0, full=False)
QUICK = Scale(1, 0.02, full=False)

Measure = Callable[[Scale], AsyncIterator[Line]]
"""Measures a group, line by line."""


def as_json(line: Line) -> dict[str, object]:
    """Return everything about a line."""
    return {
        "group": line.group,
        "name": line.name,
        "note": line.note,
        "unit": line.unit,
        "value": line.value,
        "values": list(line.values),
        "compared_with": line.compared_with,
        "baseline": line.baseline,
        "baselines": list(line.baselines),
        "ratio": line.ratio,
        "goal": goal_text(line),
        "goal_limits": line.goal and line.goal.what.name,
        "goal_limit": line.goal and line.goal.limit,
        "met": line.met,
    }


def from_json(content: Mapping[str, Any]) -> Line:
    """Return the line that was written so."""
    kind = content["goal_limits"]
    return Line(
        group=content["group"],
        name=content["name"],
        unit=content["unit"],
        values=content["values"],
        compared_with=content["compared_with"],
        baselines=content["baselines"],
        goal=Goal(Limit[kind], content["goal_limit"]) if kind else None,
        note=content["note"],
    )


def full_name(line: Line) -> str:
    """Return the name with the note."""
    return f"{line.name} ({line.note})" if line.note else line.name


def number(value: float) -> str:
    """Return a number with three significant digits, or all digits before the point."""
    places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{places}f}"


def value_text(line: Line) -> str:
    """Return the value with its spread, smallest to largest."""
    spread = f" ({number(min(line.values))}-{number(max(line.values))})" if len(line.values) > 1 else ""
    return f"{number(line.value)} {line.unit}{spread}"


def baseline_text(line: Line) -> str:
    """Return what the line is compared with."""
    if line.baseline is None:
        return ""
    return f"{line.compared_with}: {number(line.baseline)}"


def ratio_text(line: Line) -> str:
    """Return the ratio."""
    return "" if line.ratio is None else f"{number(line.ratio)} x"


def goal_text(line: Line) -> str:
    """Return the goal in words; empty without one."""
    if line.goal is None:
        return ""
    what, limit = line.goal
    texts = {
        Limit.VALUE: f"<= {limit:g} {line.unit}",
        Limit.RATIO: f"<= {limit:g} x",
        Limit.ABOVE: f"<= {limit:g} {line.unit} more",
        Limit.LEAST: f">= {limit:,.0f} {line.unit}",
    }
    return texts[what]


def met_text(line: Line) -> str:
    """Return whether the goal is met."""
    return {True: "yes", False: "no", None: ""}[line.met]
