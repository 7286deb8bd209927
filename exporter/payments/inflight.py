"""The payments and HTLCs in flight at one instant, counted from the open runs."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from exporter.payments.labels import Age, BlocksLeft, Purpose
from exporter.payments.payment import NS_PER_S, NS_PER_US, Attempt, Moment, Run
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


def held(attempt: Attempt, now: Moment) -> bool:
    """Return True if an outstanding HTLC is held, and its expiry height is known."""
    return now.wall_ns - attempt.attempt_ns > HELD_NS and attempt.expiry_height > 0


@dataclass(slots=True)
class _Share:
    """What a run adds to the gauges, until it changes or a time has come; only its age is replaced before."""

    created_us: int
    group: tuple[Purpose, Age]
    ages_wall_ns: int
    """From then on, by our clock, its age is in the next band; `_NEVER` if at no time."""
    msat: int
    given_up: bool
    stalled: bool
    outstanding: tuple[Attempt, ...]
    held: tuple[Attempt, ...]
    """Those of the outstanding HTLCs that are held."""
    until_wall_ns: int
    """From then on, by our clock, another HTLC is held; `_NEVER` if at no time."""
    until_mono_ns: int
    """From then on, by the monotonic clock, the run is stalled."""


_NEVER = 1 << 64


class InFlightCounter:
    """Keeps the gauges of the open runs of a node, and counts again only the runs that changed, or whose time has come.

    It has as many shares as there are open runs, and looks at each of them (0.3 us) when the time of one has come. A
    run that only becomes older is put into the next band of ages (0.5 us): thousands may do so at the same time.
    """

    def __init__(self, runs: Mapping[Run, OpenRun]) -> None:
        """Start without any run counted; `runs` are the open runs, which change."""
        self._runs = runs
        self._stale: set[Run] = set()  # open runs that have changed since they were counted, or never were
        self._shares: dict[Run, _Share] = {}
        self._sums = InFlight()  # of the shares; what depends on the block height is added when it is asked for
        self._with_held: set[Run] = set()  # few: an HTLC is held after half an hour
        self._last = InFlight()
        self._fresh = False  # whether `_last` is of the present shares
        self._last_height: int | None = None
        self._last_ns = 0  # our clock at the last count
        self._next_wall_ns = self._next_mono_ns = _NEVER  # no share ends before

    def changed(self, run: Run) -> None:
        """Note that something of an open run has changed."""
        self._stale.add(run)

    def closed(self, run: Run) -> None:
        """Note that a run isn't open any more."""
        self._stale.discard(run)
        if (share := self._shares.pop(run, None)) is not None:
            self._sum(share, -1)
            self._with_held.discard(run)
            if share.created_us == self._sums.oldest_us:
                self._sums.oldest_us = None

    def count(self, now: Moment, block_height: int | None) -> InFlight:
        """Return the gauges, the same object if nothing has changed.

        A run on hold is in flight, but neither given up nor stalled.
        """
        if now.wall_ns < self._last_ns:  # our clock was set back: ages have become less
            self._stale.update(self._shares)
        elif now.wall_ns >= self._next_wall_ns or now.mono_ns >= self._next_mono_ns:
            self._note_ended(now)
        self._last_ns = now.wall_ns
        for run in self._stale:
            self._replace(run, _share(self._runs[run], now))
        self._stale.clear()
        if not self._fresh or block_height != self._last_height:
            self._last, self._last_height, self._fresh = self._at_height(block_height), block_height, True
        return self._last

    def _note_ended(self, now: Moment) -> None:
        """Put runs into the next band of ages, note the others whose time has come, and when the next time comes."""
        wall_ns, mono_ns = now
        next_wall_ns = next_mono_ns = _NEVER
        for run, share in self._shares.items():
            if share.until_wall_ns <= wall_ns or share.until_mono_ns <= mono_ns:
                self._stale.add(run)
                continue
            if share.ages_wall_ns <= wall_ns:
                self._age(share, wall_ns)
            next_wall_ns = min(next_wall_ns, share.ages_wall_ns, share.until_wall_ns)
            next_mono_ns = min(next_mono_ns, share.until_mono_ns)
        self._next_wall_ns, self._next_mono_ns = next_wall_ns, next_mono_ns

    def _age(self, share: _Share, wall_ns: int) -> None:
        """Put a run that is older now into its band of ages: nothing else of its share changes."""
        self._fresh = False
        runs = self._sums.runs
        runs[share.group] -= 1
        age, share.ages_wall_ns = _age(share.created_us, wall_ns)
        share.group = (share.group[0], age)
        runs[share.group] += 1

    def _replace(self, run: Run, share: _Share) -> None:
        """Put a share in the place of the one that the run has, if it has one."""
        if (before := self._shares.get(run)) is not None:
            self._sum(before, -1)
        elif not self._shares:
            self._sums.oldest_us = share.created_us
        elif self._sums.oldest_us is not None:  # else it isn't known which one is the oldest
            self._sums.oldest_us = min(share.created_us, self._sums.oldest_us)
        self._shares[run] = share
        self._sum(share, 1)
        self._next_wall_ns = min(self._next_wall_ns, share.ages_wall_ns, share.until_wall_ns)
        self._next_mono_ns = min(self._next_mono_ns, share.until_mono_ns)
        if share.held:
            self._with_held.add(run)
        else:
            self._with_held.discard(run)

    def _sum(self, share: _Share, sign: Literal[1, -1]) -> None:
        """Add a share to the sums, or take it off."""
        self._fresh = False
        sums = self._sums
        sums.runs[share.group] += sign
        sums.msat += sign * share.msat
        if share.given_up:
            sums.given_up += sign
            sums.given_up_msat += sign * share.msat
        sums.stalled += sign * share.stalled
        for attempt in share.outstanding:
            sums.htlcs += sign
            sums.htlcs_msat += sign * attempt.amount_msat
            htlcs, msat = sums.peers.get(attempt.peer, (0, 0))
            sums.peers[attempt.peer] = (htlcs + sign, msat + sign * attempt.amount_msat)
            if htlcs + sign == 0:
                del sums.peers[attempt.peer]

    def _at_height(self, block_height: int | None) -> InFlight:
        """Return the gauges as they are now."""
        sums, shares = self._sums, self._shares
        if sums.oldest_us is None:
            sums.oldest_us = min((share.created_us for share in shares.values()), default=None)
        attempts = [attempt for run in self._with_held for attempt in shares[run].held]
        by_band: dict[BlocksLeft, tuple[int, int]] | None = None
        if block_height is not None:
            by_band = dict.fromkeys(BlocksLeft, (0, 0))
            for attempt in attempts:
                band = blocks_left(attempt.expiry_height - block_height)
                htlcs, msat = by_band[band]
                by_band[band] = (htlcs + 1, msat + attempt.amount_msat)
        earliest = min((attempt.expiry_height for attempt in attempts), default=None)
        runs, peers = {**sums.runs}, {**sums.peers}
        return replace(sums, runs=runs, peers=peers, held=by_band, earliest_expiry_height=earliest)


def _age(created_us: int, wall_ns: int) -> tuple[Age, int]:
    """Return the band of a run's age, and from when on, by our clock, it will be in the next one."""
    created_ns = created_us * NS_PER_US
    band = bisect_right(_AGE_EDGES_NS, wall_ns - created_ns)
    return _AGES[band], created_ns + _AGE_EDGES_NS[band] if band < len(_AGE_EDGES_NS) else _NEVER


def _share(run: OpenRun, now: Moment) -> _Share:
    created_us = run.run.created_us
    age, ages_wall_ns = _age(created_us, now.wall_ns)
    until_wall_ns, held_now = _NEVER, tuple[Attempt, ...]()
    outstanding = tuple(run.outstanding.values())
    for attempt in outstanding:
        if held(attempt, now):
            held_now += (attempt,)
        elif attempt.expiry_height > 0:
            until_wall_ns = min(until_wall_ns, attempt.attempt_ns + HELD_NS + 1)
    until_mono_ns, stalled = _NEVER, False
    if run.terminal is None and not outstanding:
        stalls_ns = run.news_mono_ns + STALLED_NS
        stalled = now.mono_ns >= stalls_ns
        until_mono_ns = _NEVER if stalled else stalls_ns
    return _Share(
        created_us,
        (run.purpose, age),
        ages_wall_ns,
        run.value_msat,
        run.given_up,
        stalled,
        outstanding,
        held_now,
        until_wall_ns,
        until_mono_ns,
    )


def count(runs: Iterable[OpenRun], now: Moment, block_height: int | None) -> InFlight:
    """Count runs from scratch."""
    by_run = {run.run: run for run in runs}
    counter = InFlightCounter(by_run)
    for run in by_run:
        counter.changed(run)
    return counter.count(now, block_height)
