"""What is in flight at one instant, counted from the open runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from exporter.payments.labels import Age, BlocksLeft, Purpose
from exporter.payments.payment import US_PER_NS, Attempt, Moment
from exporter.payments.run import OpenRun

_SECOND_NS = 1_000_000_000
STALLED_NS = 600 * _SECOND_NS
"""Without an HTLC outstanding and without news for so long, a payment is stalled."""
HELD_NS = 1800 * _SECOND_NS
"""An HTLC outstanding for longer is held; a fresh one always has few blocks left to a direct peer."""

_AGES_S: tuple[tuple[int, Age], ...] = (
    (60, Age.UNDER_1M),
    (600, Age.UNDER_10M),
    (3600, Age.UNDER_1H),
    (86400, Age.UNDER_1D),
)
_BLOCKS: tuple[tuple[int, BlocksLeft], ...] = (
    (1, BlocksLeft.EXPIRED),
    (36, BlocksLeft.UNDER_36),
    (144, BlocksLeft.UNDER_144),
)


def age(age_ns: int) -> Age:
    """The band of an age; a lower bound belongs to the older band."""
    return next((band for below_s, band in _AGES_S if age_ns < below_s * _SECOND_NS), Age.OVER)


def blocks_left(blocks: int) -> BlocksLeft:
    """The band of a number of blocks; at 0 and below an HTLC has expired."""
    return next((band for below, band in _BLOCKS if blocks < below), BlocksLeft.OVER)


@dataclass(slots=True)
class InFlight:
    """The gauges; amounts in msat."""

    runs: dict[tuple[Purpose, Age], int] = field(
        default_factory=lambda: {(purpose, band): 0 for purpose in Purpose for band in Age}
    )
    msat: int = 0
    given_up: int = 0
    given_up_msat: int = 0
    stalled: int = 0
    oldest_us: int | None = None
    """Creation of the oldest, microseconds since 1970; None if nothing is in flight."""
    htlcs: int = 0
    htlcs_msat: int = 0
    held: dict[BlocksLeft, tuple[int, int]] | None = None
    """HTLCs held and their amount, by blocks left; None while the block height isn't known."""
    earliest_expiry_height: int | None = None
    """Of the held HTLCs; None if none is held."""
    peers: dict[str, tuple[int, int]] = field(default_factory=dict)
    """HTLCs outstanding and their amount, by key of the first hop; bounded by the node's channels."""


def count(runs: Iterable[OpenRun], now: Moment, block_height: int | None) -> InFlight:
    """Count what is in flight now. A run on hold is in flight, but neither given up nor stalled."""
    result = InFlight()
    if block_height is not None:
        result.held = dict.fromkeys(BlocksLeft, (0, 0))
    for run in runs:
        created_ns = run.run.created_us * US_PER_NS
        result.runs[run.purpose, age(now.wall_ns - created_ns)] += 1
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
    """True if an outstanding HTLC is held, and lnd has said when it expires."""
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
