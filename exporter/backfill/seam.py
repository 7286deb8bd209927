"""Where history ends and live counting begins: which runs are in the live counters of a node, or will be."""

from dataclasses import dataclass
from pathlib import Path

from exporter.payments.history import MAX_AHEAD_US
from exporter.payments.payment import NS_PER_S, NS_PER_US, Run
from exporter.store import StoredCounting, read_counting

BEFORE_NS = 60 * NS_PER_S
"""The series of history end so long before counting began, nanoseconds."""


@dataclass(frozen=True, slots=True)
class Seam:
    """How an exporter counts a node, as its state file said at one instant."""

    counting: StoredCounting
    """What was read."""
    far_us: int
    """Where the far future began at that time, microseconds since 1970."""

    @property
    def ends_ns(self) -> int:
        """Return when the series of history end, nanoseconds since 1970; some of its runs may have ended later.

        An older exporter didn't note when it began to count: then it is the creation of the newest run of history.
        """
        state = self.counting.state
        if state.began_ns:
            return state.began_ns - BEFORE_NS
        return min(state.history_us * NS_PER_US, state.at.wall_ns)

    @property
    def adopted(self) -> bool:
        """Return whether the live counters began with the sums of history: then they must not be added again."""
        return self.counting.state.adopted

    @property
    def running(self) -> bool:
        """Return whether an exporter had the state open and followed the node."""
        return self.counting.running

    @property
    def saved_ns(self) -> int:
        """Return when the exporter wrote the state, nanoseconds since 1970."""
        return self.counting.state.at.wall_ns

    @property
    def began(self) -> tuple[int, int]:
        """Return what tells one beginning of counting from another."""
        return self.counting.state.began_ns, self.counting.state.history_us

    @property
    def old_runs(self) -> set[Run]:
        """Return the runs that existed when counting began and are live's all the same: they were in flight then."""
        return {run for run in (*self.counting.state.survivors, *self.counting.open) if not self._is_younger(run)}

    def is_live(self, run: Run, payment_index: int) -> bool:
        """Return True if the run is in the live counters, or will be when the exporter learns of it.

        `payment_index` is the one under which lnd shows it. A run of before that was in flight when counting began, and
        that no stream has shown yet, is not live's yet: see `Border`.
        """
        counting = self.counting
        if self._is_younger(run):
            if run.created_us <= self.far_us:
                return True
            # From a time when lnd's clock was wrong. If the exporter hasn't counted it by now, it was over before.
            return run in counting.open or counting.is_listed(run)
        if run in counting.state.survivors or run in counting.open or counting.is_listed(run):
            return True
        return self._is_above_floor(run, payment_index)

    def is_surely_history(self, run: Run) -> bool:
        """Return True if a run that isn't live's was over when counting began: the exporter remembers it as such."""
        return run in self.counting.finished

    def _is_younger(self, run: Run) -> bool:
        return run.created_us > self.counting.state.history_us

    def _is_above_floor(self, run: Run, payment_index: int) -> bool:
        """Return True if the exporter takes the run for a new one though it is as old as history by its creation.

        That happens if lnd's clock has been put back since. All runs above the floor that existed when counting began
        are remembered: see `FinishedRuns`.
        """
        state = self.counting.state
        if run in self.counting.finished:
            return False
        return run.created_us > state.floor_us if state.by_time else payment_index > state.floor_index


def read_seam(path: Path, node: str, now_ns: int) -> Seam | None:
    """Read how a node is counted; an exporter may be running. `now_ns` is our time, nanoseconds since 1970.

    Returns None if there is no such file, if it lacks the node, or if counting hasn't begun. Raises `StoreError`.
    """
    far_us = now_ns // NS_PER_US + MAX_AHEAD_US
    counting = read_counting(path, node, far_us)
    return Seam(counting, far_us) if counting is not None and counting.state.begun else None
