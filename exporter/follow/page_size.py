"""How many payments to ask for at once: as many as lnd lists in a few seconds, measured page by page."""

from exporter.lnd.client import PAGE_S

AIM_S = 5.0
"""A page should take as long as this, apart from what each call takes however little it asks for."""
FIRST = 50
"""Payments in the first page of all."""


class PageSize:
    """The number of payments in a page, between 1 and `most`.

    It is kept from one connection to the next, but for what is known of the size of messages. lnd goes on working on
    a call that nobody waits for any more, so time-outs are avoided, not relied on.
    """

    def __init__(self, most: int) -> None:
        """Nothing is known of the node: begin with a small page."""
        self.most = most
        self.fitting = most
        """So many fit into one message, as far as this connection has shown."""
        self.wanted = min(FIRST, most)
        """So many are right by the time that they take."""
        self.call_s = 0.0
        """What a page of one took, or an empty one, the last time: so long the call itself takes."""

    def connected(self) -> None:
        """Forget what didn't fit into a message: another connection may take more."""
        self.fitting = self.most

    def of(self, limit: int) -> int:
        """How many to ask for where `limit` would do."""
        return min(limit, self.wanted, self.fitting)

    def took(self, payments: int, seconds: float) -> None:
        """Learn from a page of so many payments. A full page that was quick makes the next twice as large at most."""
        if payments <= 1:
            self.call_s = seconds
        if not payments:
            return
        work_s = seconds - self.call_s
        right = payments * AIM_S / work_s if work_s > 0 else self.most
        safe = payments * PAGE_S / 2 / seconds if seconds > 0 else self.most  # if time goes with the number after all
        size = max(1, int(min(right, safe, 2 * self.wanted, self.most)))
        if size < self.wanted or payments >= self.wanted:
            self.wanted = size

    def timed_out(self, asked: int) -> None:
        """A page of so many took too long."""
        self.wanted = max(1, asked // 8)

    def too_large(self, asked: int) -> None:
        """A page of so many didn't fit into a message."""
        self.fitting = max(1, asked // 2)
