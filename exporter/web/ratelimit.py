"""A token bucket: how many requests are answered in a time."""

from collections.abc import Callable

from exporter.config.webmodel import RateLimit


class TokenBucket:
    """Full in the beginning; each request takes a token, and one comes back after each interval."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._counted_s = clock()

    def take(self) -> bool:
        """Take a token; return False if there is none."""
        now_s = self._clock()
        came = (now_s - self._counted_s) / self.limit.interval_s
        self._tokens = min(self._tokens + came, float(self.limit.burst))
        self._counted_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
