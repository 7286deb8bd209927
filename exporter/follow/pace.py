"""How long a follower waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, and one count."""

    first_info_s: float = 10.0
    """`GetInfo` before a subscription: some nodes take minutes, and payments must not wait for it."""
    info_s: float = 300.0
    """`GetInfo` otherwise, also before counting begins, when the node's key isn't known yet."""
    state_s: float = 30.0
    """The first word of `SubscribeState`."""
    lasting_s: float = 2.0
    """A session that lasts as long is no refusal."""
    again_s: float = 5.0
    """From the first catch-up to the second: lnd never says when a subscription has begun; the first may be early."""
    look_s: float = 1.0
    """Between two looks for new payments, where there is no stream of all, while there are new ones."""
    look_longest_s: float = 10.0
    """The same where there are none."""
    beat_s: float = 60.0
    """Between two cheap calls to an idle node."""
    audit_s: float = 300.0
    """Between two looks of the audit, each at a page of `audit.PAGE` payments."""
    channels_every: int = 5
    """Every so many beats one asks `ListChannels` instead of `GetInfo`."""
