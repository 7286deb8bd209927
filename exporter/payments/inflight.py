"""The payments and HTLCs in flight at one instant, counted from the open runs."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.payments.labels import Age, BlocksLeft, Purpose
from exporter.payments.payment import NS_PER_S, NS_PER_US, Attempt, Moment
from exporter.payments.run import OpenRun

STALLED_NS = 600 * NS_PER_S
"""A payment is stalled if it has no HTLC outstanding, and no snapshot has contained anything new for this long."""
HELD_NS = 1800 * NS_PER_S
"""An HTLC outstanding for longer is held. A new one to a direct peer isn't: it always has few blocks left."""

_AGES = (Age.UNDER_1M, Age.UNDER_10M, Age.UNDER_1H, Age.UNDER_1D, Age.OVER)
_AGE_EDGES_NS = tuple(seconds * NS_PER_S for seconds in (60, 600, 3600, 86400))
_BLOCKS: tuple[tuple[int, BlocksLeft], ...] = (
    (1, BlocksLeft.EXPIRED),
    (36, BlocksLeft.UNDER_36),
    (144, BlocksLeft.UNDER_144),
)


def age_band(age_ns: int) -> Age:
    """Return the band of an age. A boundary belongs to the older band."""
    return _AGES[bisect_right(_AGE_EDGES_NS, age_ns)]


def blocks_left(blocks: int) -> BlocksLeft:
    """Return the band of a number of blocks left. At 0 and below an HTLC has expired."""
    return next((band for below, band in _BLOCKS if blocks < below), BlocksLeft.OVER)


@dataclass(slots=True)
class InFlight:
    """The gauges of one node at one instant; amounts in msat."""

    runs: dict[tuple[Purpose, Age], int] = field(
        default_factory=lambda: {(purpose, band): 0 for purpose in Purpose for band in Age}
    )
    """Number of runs by purpose and age."""
    msat: int = 0
    """Amount of all runs, without fees."""
    given_up: int = 0
    given_up_msat: int = 0
    stalled: int = 0
    oldest_us: int | None = None
    """Creation of the oldest run, microseconds since 1970; None if nothing is in flight."""
    htlcs: int = 0
    """Number of HTLCs outstanding."""
    htlcs_msat: int = 0
    held: dict[BlocksLeft, tuple[int, int]] | None = None
    """Number and amount of the held HTLCs, by blocks left; None while the block height isn't known."""
    earliest_expiry_height: int | None = None
    """The lowest expiry height of the held HTLCs; None if none is held."""
    peers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Number and amount of HTLCs outstanding, by key of the first hop; at most as many as the node has channels."""


def count(runs: Iterable[OpenRun], now: Moment, block_height: int | None) -> InFlight:
    """Count the runs and HTLCs in flight. A run on hold is in flight, but neither given up nor stalled."""
    result = InFlight()
    if block_height is not None:
        result.held = dict.fromkeys(BlocksLeft, (0, 0))
    for run in runs:
        created_ns = run.run.created_us * NS_PER_US
        result.runs[run.purpose, age_band(now.wall_ns - created_ns)] += 1
        result.msat += run.value_msat
        result.oldest_us = min(run.run.created_us, result.oldest_us or run.run.created_us)
        if run.given_up:
            result.given_up += 1
            result.given_up_msat += run.value_msat
        if not run.terminal and not run.outstanding and now.mono_ns - run.news_mono_ns >= STALLED_NS:
            result.stalled += 1
        for attempt in run.outstanding.values():
            _add_attempt(result, attempt, now, block_height)
    return result


def held(attempt: Attempt, now: Moment) -> bool:
    """Return True if an outstanding HTLC is held, and its expiry height is known."""
    return now.wall_ns - attempt.attempt_ns > HELD_NS and attempt.expiry_height > 0


def _add_attempt(result: InFlight, attempt: Attempt, now: Moment, block_height: int | None) -> None:
    result.htlcs += 1
    result.htlcs_msat += attempt.amount_msat
    htlcs, msat = result.peers.get(attempt.peer, (0, 0))
    result.peers[attempt.peer] = (htlcs + 1, msat + attempt.amount_msat)
    if not held(attempt, now):
        return
    earliest = result.earliest_expiry_height
    result.earliest_expiry_height = min(attempt.expiry_height, earliest or attempt.expiry_height)
    if result.held is not None and block_height is not None:
        band = blocks_left(attempt.expiry_height - block_height)
        htlcs, msat = result.held[band]
        result.held[band] = (htlcs + 1, msat + attempt.amount_msat)
