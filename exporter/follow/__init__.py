"""One node's life: wait until lnd accepts calls, subscribe, catch up, record; on loss wait and start again."""

from exporter.follow.backoff import Backoff
from exporter.follow.follower import Follower, Pace

__all__ = ["Backoff", "Follower", "Pace"]
