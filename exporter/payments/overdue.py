"""The open payments that have passed a limit of age, or of blocks left to expiry, that isn't in the log yet."""

from collections.abc import Iterable
from typing import NamedTuple

from exporter.payments.inflight import held
from exporter.payments.payment import NS_PER_S, NS_PER_US, Moment
from exporter.payments.run import OpenRun


class Limits(NamedTuple):
    """The limits to report; without any limit of age or of blocks, none of that kind is reported."""

    ages_s: tuple[int, ...] = ()
    """Passed when a payment is this old, seconds."""
    blocks: tuple[int, ...] = ()
    """Passed when the first of its held HTLCs to expire has fewer blocks left."""


class Overdue(NamedTuple):
    """An open payment that has passed a limit; of several limits the highest age and the fewest blocks."""

    run: OpenRun
    age_s: int
    """From its creation, lnd's clock, to now, our clock; seconds."""
    limit_s: int | None
    """The limit of age that it has passed; None if none that wasn't reported before."""
    blocks_left: int | None
    """Blocks until its first held HTLC expires; 0 and below: expired. None without one, or if the height is unknown."""
    limit_blocks: int | None
    """The limit of blocks left that it has passed; None if none that wasn't reported before."""


def mark_overdue(runs: Iterable[OpenRun], now: Moment, block_height: int | None, limits: Limits) -> list[Overdue]:
    """Return the runs in flight that have passed a limit not reported before, the most urgent first.

    The limits are marked as reported on the runs, so each is returned once for each run. Runs that ended are left out.
    """
    found = (_compare(run, now, block_height, limits) for run in runs if run.terminal is None)
    passed = [overdue for overdue in found if overdue.limit_s is not None or overdue.limit_blocks is not None]
    for overdue in passed:
        run = overdue.run
        run.told_age_s = overdue.limit_s or run.told_age_s
        run.told_blocks = run.told_blocks if overdue.limit_blocks is None else overdue.limit_blocks
    return sorted(passed, key=_urgency)


def _compare(run: OpenRun, now: Moment, block_height: int | None, limits: Limits) -> Overdue:
    age_s = (now.wall_ns - run.run.created_us * NS_PER_US) // NS_PER_S
    expiries = [attempt.expiry_height for attempt in run.outstanding.values() if held(attempt, now)]
    left = min(expiries) - block_height if expiries and block_height is not None else None
    oldest = max((limit for limit in limits.ages_s if run.told_age_s < limit <= age_s), default=None)
    known = run.told_blocks
    blocks = (limit for limit in limits.blocks if left is not None and left < limit)
    fewest = min((limit for limit in blocks if known is None or limit < known), default=None)
    return Overdue(run, age_s, oldest, left, fewest)


def _urgency(overdue: Overdue) -> tuple[bool, int, int]:
    """Return the sort key: those that passed a limit of blocks, fewest left first; then the others, oldest first."""
    left = None if overdue.limit_blocks is None else overdue.blocks_left
    return left is None, left or 0, -overdue.age_s
