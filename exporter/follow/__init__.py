"""Join `lnd` and `payments` for one node: subscribe, catch up, record, audit; reconnect after a loss."""

from exporter.follow.account import Account
from exporter.follow.audit import Counted
from exporter.follow.backoff import Backoff
from exporter.follow.follower import Follower
from exporter.follow.overdue import tell_overdue
from exporter.follow.pace import Pace

__all__ = ["Account", "Backoff", "Counted", "Follower", "Pace", "tell_overdue"]
