"""The intervals and time-outs of a follower."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals and time-outs in seconds; `channels_every` is a number of polls."""

    first_info_s: float = 10.0
    """Time-out of `GetInfo` before a subscription: some nodes take minutes, and payments must not wait for it."""
    info_s: float = 300.0
    """Time-out of `GetInfo` otherwise, also before counting begins, when the node's key isn't known yet."""
    state_s: float = 30.0
    """Time-out of the first message of `SubscribeState`."""
    accepted_s: float = 2.0
    """A session that lasts this long has not been refused by lnd."""
    second_catch_up_s: float = 5.0
    """From the first catch-up to the second: lnd never reports when a subscription begins, the first may be early."""
    list_s: float = 1.0
    """Between two lists of new payments, without a stream of all payments, while there are new ones."""
    list_longest_s: float = 10.0
    """The same while there are none."""
    poll_s: float = 60.0
    """Between two cheap calls to an idle node."""
    audit_s: float = 300.0
    """Between two steps of the audit, each of which checks `audit.BATCH` payments."""
    channels_every: int = 5
    """Every nth of the cheap calls is `ListChannels` instead of `GetInfo`; after one that failed also the next."""
    shown_s: float = 600.0
    """While `ListChannels` fails its last answer is shown for so long after it was requested, and not later."""
