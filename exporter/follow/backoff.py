"""How long to wait before a node is tried again: delays that neither sleep nor know the network."""

from dataclasses import dataclass, field
from random import Random

LONG_LIVED_S = 60.0
"""After a stream that lived longer the node is tried again at once, the first time."""
FIRST_S = 1.0
LAST_S = 60.0
PAYMENTS_PER_S = 50_000
"""Every subscription makes a key-value lnd scan its whole table of payments, even if nobody waits for the answer."""
MOST_FOR_SCAN_S = 300.0


def scan_s(table: int) -> float:
    """Seconds that lnd may take to read so many payments."""
    return min(table / PAYMENTS_PER_S, MOST_FOR_SCAN_S)


@dataclass
class Backoff:
    """Exponential backoff with full jitter: each delay is drawn below a bound that doubles from 1 s to 60 s.

    A session that lived twice as long as the bound begins anew with 1 s.
    """

    random: Random = field(default_factory=Random)
    failures: int = 0
    """Sessions lost in a row."""
    last_s: float | None = None
    """The largest bound, if it isn't 60 s: where a person looks on."""

    def delay_s(self, lived_s: float, table: int) -> float:
        """Seconds to wait after a session that lived `lived_s`, 0 if it never got as far as a subscription.

        `payment_count` is how many payments lnd had to scan for the subscription, 0 if there was none.
        """
        scan = scan_s(table)
        if lived_s >= max(LONG_LIVED_S, scan):
            self.failures = 0
            return 0.0
        bound_s = min(FIRST_S * 2**self.failures, self.last_s or LAST_S)
        if lived_s >= 2 * bound_s:
            self.failures, bound_s = 0, FIRST_S
        self.failures = min(self.failures + 1, 16)
        return scan + max(FIRST_S, self.random.uniform(0, bound_s))
