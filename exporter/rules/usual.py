"""Recorded series of how many payments are usual at this time: the least of yesterday and a week ago."""

from typing import NamedTuple

from exporter.rules.recording import FINISHED, present
from exporter.rules.rule import Recording, Selector

_HOUR, _DAY = 60, 1440
"""Minutes."""


class Window(NamedTuple):
    """A window of `TrafficGone`, and where it looks for what is usual; minutes."""

    minutes: int
    part: int
    """The usual number is scaled up from the fewest payments in so many minutes: the rest is for delays."""
    around: int
    """So long before and after the same time of another day it looks for them."""

    def __str__(self) -> str:
        """Return it as PromQL has it."""
        return f"{self.minutes // _HOUR}h" if self.minutes >= _HOUR else f"{self.minutes}m"

    @property
    def counted(self) -> str:
        """The name of the recorded number of payments in a part."""
        return f"instance_node:lnd_payments_finished:delta{self.part}m"

    @property
    def usual(self) -> str:
        """The name of the recorded number of payments that are usual in the window."""
        return f"instance_node:lnd_payments_finished:usual{self}"


WINDOWS = (Window(5, 3, 60), Window(15, 10, 60), Window(60, 45, 60), Window(180, 135, 120))
_DAYS = (1, 7)


def usually_finished(s: Selector) -> list[Recording]:
    """Return the recordings of how many payments are usual now: they read yesterday and a week ago, so seldom.

    Usual is the fewest payments that finished within a part of the window, anywhere near this time of yesterday or a
    week ago, whichever is less; scaled up to the window. If payments come in batches, some part has none, so nothing is
    usual, and only a longer window can tell. Batches may also come late by as much as the part is shorter.
    """
    found = []
    for window in WINDOWS:
        span = 2 * window.around + window.minutes - window.part
        yesterday, week_ago = (
            f"min_over_time({s(window.counted)}[{span}m] offset {_DAY * days - window.around}m)" for days in _DAYS
        )
        counted = f"{number_finished(s, window.part)} {present(s, f'{window.part}m')}"
        least = f"({yesterday} <= {week_ago} or {week_ago} < {yesterday})"
        found += [
            Recording(window.counted, counted),
            Recording(window.usual, f"{least} * {window.minutes / window.part:.6g}"),
        ]
    return found


def number_finished(s: Selector, minutes: int) -> str:
    """Return how many payments finished within the last minutes: nothing if that isn't known.

    The exact difference, also where samples are missing; a counter that began anew gives none.
    """
    return f"({s(FINISHED)} - {s(FINISHED)} offset {minutes}m >= 0)"
