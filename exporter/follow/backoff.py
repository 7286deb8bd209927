"""How long to wait before a node is tried again: pure delays, without sleeping or network."""

from dataclasses import dataclass, field
from random import Random

LONG_LIVED_S = 60.0
"""After a stream that lived longer than this, the node is tried again at once, the first time."""
FIRST_S = 1.0
"""The first bound of a delay, and the shortest delay, seconds."""
MAX_S = 60.0
"""The largest bound of a delay, seconds."""
PAYMENTS_PER_S = 50_000
"""Payments that an lnd with a key-value database scans per second.

Every subscription makes it scan its whole table of payments, even if nobody waits for the answer any more.
"""
MAX_SCAN_S = 300.0


def scan_s(payment_count: int) -> float:
    """Return how long lnd may take to read that many payments, seconds."""
    return min(payment_count / PAYMENTS_PER_S, MAX_SCAN_S)


@dataclass
class Backoff:
    """Exponential backoff with full jitter: each delay is drawn below a bound that doubles from 1 s to 60 s.

    After a session that lived twice as long as the bound, the bound starts at 1 s again.
    """

    random: Random = field(default_factory=Random)
    failures: int = 0
    """Sessions lost in a row."""
    max_s: float | None = None
    """The largest bound, if it is not 60 s; a command that a person watches sets it lower."""

    def delay_s(self, lived_s: float, payment_count: int) -> float:
        """Return the seconds to wait after a session.

        `lived_s` is how long its subscription lived and `payment_count` how many payments lnd had to scan for it; both
        are 0 if it never got as far as a subscription.
        """
        scan = scan_s(payment_count)
        if lived_s >= max(LONG_LIVED_S, scan):
            self.failures = 0
            return 0.0
        bound_s = min(FIRST_S * 2**self.failures, self.max_s or MAX_S)
        if lived_s >= 2 * bound_s:
            self.failures, bound_s = 0, FIRST_S
        self.failures = min(self.failures + 1, 16)
        return scan + max(FIRST_S, self.random.uniform(0, bound_s))
