"""Whether a payment lacked balance only because channels were inactive, as their peers were offline."""

from typing import NamedTuple

from exporter.payments.node import Channels
from exporter.payments.payment import NS_PER_S, Moment

NEAR_NS = 10 * NS_PER_S
"""An answer of `ListChannels` tells about payments that ended at most this long before or after it was requested."""


class Balance(NamedTuple):
    """What the node could send, and what it could send if all its peers were online, when lnd was asked."""

    asked_mono_ns: int
    """When `ListChannels` was requested, monotonic clock."""
    active_msat: int
    """`Channels.spendable_msat`."""
    inactive_msat: int
    """`Channels.inactive_msat`."""

    @classmethod
    def of(cls, channels: Channels, asked: Moment) -> "Balance":
        """Return the balance in an answer that was requested at `asked`."""
        return cls(asked.mono_ns, channels.spendable_msat, channels.inactive_msat)

    def lacked_inactive(self, value_msat: int, ended_mono_ns: int) -> bool:
        """Return True if a payment of `value_msat` that lacked balance when it ended would have had it with all peers.

        False if too much time lies between the end and the answer.
        """
        if abs(ended_mono_ns - self.asked_mono_ns) > NEAR_NS:
            return False
        return lacks_inactive(value_msat, self.active_msat, self.inactive_msat)


def lacks_inactive(value_msat: int, active_msat: int, inactive_msat: int) -> bool:
    """Return True if active channels have too little for a payment, and would have enough with the inactive ones."""
    return active_msat < value_msat <= active_msat + inactive_msat
