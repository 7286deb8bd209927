"""Which open payments have passed a limit that nobody was told of yet: of their age, or of blocks left to expiry."""

from collections.abc import Iterable
from typing import NamedTuple

from exporter.payments.inflight import held
from exporter.payments.payment import US_PER_NS, Moment
from exporter.payments.run import OpenRun

_SECOND_NS = 1_000_000_000


class Limits(NamedTuple):
    """What somebody wants to be told of; no limits of a kind: nothing of that kind."""

    ages_s: tuple[int, ...] = ()
    """A payment is as old as this, seconds."""
    blocks: tuple[int, ...] = ()
    """The first of its held HTLCs to expire has fewer blocks left."""


class Overdue(NamedTuple):
    """An open payment that has passed a limit; of several limits the highest age and the fewest blocks."""

    run: OpenRun
    age_s: int
    """By lnd's time of its creation and our clock."""
    limit_s: int | None
    """The limit of its age; None if it has passed no other than before."""
    blocks_left: int | None
    """0 and below: expired. None if it has no held HTLC, or the height isn't known."""
    limit_blocks: int | None
    """The limit of blocks left; None if it has passed no other than before."""


def pass_limits(runs: Iterable[OpenRun], now: Moment, block_height: int | None, limits: Limits) -> list[Overdue]:
    """Those of the open runs that have passed another limit than before, the most urgent first.

    The runs remember it, so each limit of each run is passed once. A run on hold has ended.
    """
    found = (_look(run, now, block_height, limits) for run in runs if run.terminal is None)
    passed = [overdue for overdue in found if overdue.limit_s is not None or overdue.limit_blocks is not None]
    for overdue in passed:
        run = overdue.run
        run.told_age_s = overdue.limit_s or run.told_age_s
        run.told_blocks = run.told_blocks if overdue.limit_blocks is None else overdue.limit_blocks
    return sorted(passed, key=_urgency)


def _look(run: OpenRun, now: Moment, block_height: int | None, limits: Limits) -> Overdue:
    age_s = (now.wall_ns - run.run.created_us * US_PER_NS) // _SECOND_NS
    expiries = [attempt.expiry_height for attempt in run.outstanding.values() if held(attempt, now)]
    left = min(expiries) - block_height if expiries and block_height is not None else None
    oldest = max((limit for limit in limits.ages_s if run.told_age_s < limit <= age_s), default=None)
    known = run.told_blocks
    blocks = (limit for limit in limits.blocks if left is not None and left < limit)
    fewest = min((limit for limit in blocks if known is None or limit < known), default=None)
    return Overdue(run, age_s, oldest, left, fewest)


def _urgency(overdue: Overdue) -> tuple[bool, int, int]:
    """Those that came closer to their expiry, the closest first; then the others, the oldest first."""
    left = None if overdue.limit_blocks is None else overdue.blocks_left
    return left is None, left or 0, -overdue.age_s
