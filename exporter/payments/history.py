"""The runs that existed when counting began: those that were over then are history, and never counted."""

from collections.abc import Sequence

from exporter.payments.payment import NS_PER_US, Payment, Run

MAX_AHEAD_US = 7 * 86_400_000_000
"""A run created further in the future when counting begins is from a time when lnd's clock was wrong."""
MAX_SURVIVORS = 5_000
"""More than any node has in flight when counting begins. If lnd's clock was ahead then, new runs count as old, too."""


class History:
    """Where history ends, and which runs from before were started nevertheless, because they were in flight."""

    def __init__(self) -> None:
        """Start without any history."""
        self.newest_us = 0
        """Creation of the newest run that existed when counting began, microseconds since 1970."""
        self.began_ns = 0
        """When counting began, our clock, nanoseconds since 1970; 0 if it isn't known: an older exporter began it."""
        self.adopted = False
        """True if the totals began with the sums of history instead of zero."""
        self.survivors: dict[Run, None] = {}
        """Runs as old as that which have been started here, at most `MAX_SURVIVORS`; the values are unused.

        They are not forgotten with the other finished runs, or a stream that shows one late would start it again.
        """

    def end_with(self, newest: Sequence[Payment], now_ns: int) -> list[int]:
        """End with the newest of these payments, and return when those of them were created that have a credible time.

        One created far in the future must not make all new runs old. If it is less far, our clock may be behind.
        """
        self.began_ns, now_us = now_ns, now_ns // NS_PER_US
        credible_us = [payment.run.created_us for payment in newest if payment.run.created_us < now_us + MAX_AHEAD_US]
        self.newest_us = max(credible_us, default=now_us if newest else 0)
        return credible_us

    def is_old(self, run: Run) -> bool:
        """Return True if the run existed when counting began."""
        return run.created_us <= self.newest_us

    def note_start(self, run: Run) -> None:
        """Note that a run is started, in case that it is old."""
        if self.is_old(run):
            self.survivors[run] = None
            if len(self.survivors) > MAX_SURVIVORS:
                del self.survivors[next(iter(self.survivors))]
