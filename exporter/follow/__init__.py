"""One node's life: wait until lnd accepts calls, subscribe, catch up, record; on loss wait and start again."""

from exporter.follow.account import Account
from exporter.follow.audit import Counted
from exporter.follow.backoff import Backoff
from exporter.follow.follower import Follower
from exporter.follow.overdue import tell_overdue
from exporter.follow.pace import Pace

__all__ = ["Account", "Backoff", "Counted", "Follower", "Pace", "tell_overdue"]
