"""Join `lnd` and `payments` for one node: subscribe, catch up, record, audit; reconnect after a loss."""

from exporter.follow.account import Account
from exporter.follow.audit import CountedLookup
from exporter.follow.backoff import Backoff
from exporter.follow.ended_log import EndedLog
from exporter.follow.follower import Follower
from exporter.follow.intervals import Intervals
from exporter.follow.overdue import log_overdue

__all__ = ["Account", "Backoff", "CountedLookup", "EndedLog", "Follower", "Intervals", "log_overdue"]
