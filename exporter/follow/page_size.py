"""How many payments to request per page: as many as lnd lists in a few seconds, measured page by page."""

from exporter.lnd.client import PAGE_S

TARGET_S = 5.0
"""Seconds that listing a page should take, on top of the time that any call takes however little it requests."""
FIRST = 50
"""Payments in the very first page."""


class PageSize:
    """The number of payments to request per page, between 1 and `most`.

    It is kept from one connection to the next, except what is known of the size of messages. lnd goes on working on a
    call that nobody waits for any more, so time-outs are avoided, not relied on.
    """

    def __init__(self, most: int) -> None:
        """Start with a small page: nothing is known of the node."""
        self.most = most
        self.fitting = most
        """How many payments fit into one message, as far as this connection has shown."""
        self.wanted = min(FIRST, most)
        """How many payments lnd lists in `TARGET_S`, as measured."""
        self.call_s = 0.0
        """How long the last page of at most one payment took: the time of the call itself, seconds."""

    def connected(self) -> None:
        """Forget how many payments fit into a message: another connection may accept larger ones."""
        self.fitting = self.most

    def of(self, limit: int) -> int:
        """Return how many payments to request when `limit` are wanted."""
        return min(limit, self.wanted, self.fitting)

    def took(self, payments: int, seconds: float) -> None:
        """Learn from a page that was listed. A full page that was quick at most doubles the next one."""
        if payments <= 1:
            self.call_s = seconds
        if not payments:
            return
        work_s = seconds - self.call_s
        right = payments * TARGET_S / work_s if work_s > 0 else self.most
        # If the whole time grows with the number of payments after all, half of the time-out is safe.
        safe = payments * PAGE_S / 2 / seconds if seconds > 0 else self.most
        size = max(1, int(min(right, safe, 2 * self.wanted, self.most)))
        if size < self.wanted or payments >= self.wanted:
            self.wanted = size

    def timed_out(self, requested: int) -> None:
        """Learn that a page of that many payments took too long."""
        self.wanted = max(1, requested // 8)

    def too_large(self, requested: int) -> None:
        """Learn that a page of that many payments didn't fit into a message."""
        self.fitting = max(1, requested // 2)
