"""One colour for each word, on every panel that shows it; and what helps against each cause.

Red is what is bad by itself: channels of this node that are down, errors inside lnd. Orange is this node's balance,
blue and purple are the network, yellow is the recipient, grey is what isn't known.
"""

from collections.abc import Mapping
from types import MappingProxyType

from dashboards.panel import BLUE, GREEN, GREY, ORANGE, RED, YELLOW
from dashboards.presence import STATES
from exporter.payments.labels import Cause, FailureSource, Interruption, Kind, Outcome, Reason

_PURPLE, _LIGHT_GREY, _TEAL, _PINK = "purple", "#b0b0b0", "#4fb3a9", "#d16ba5"
_DARK_YELLOW = "dark-yellow"  # also legible as a text on white

CAUSES: Mapping[str, str] = {
    Cause.OWN_LIQUIDITY: ORANGE,
    Cause.OWN_CHANNEL: "light-red",
    Cause.OWN_INACTIVE: RED,
    Cause.ROUTE_LIQUIDITY: BLUE,
    Cause.ROUTE_POLICY: "light-blue",
    Cause.NO_ROUTE: _PURPLE,
    Cause.RECIPIENT: _DARK_YELLOW,
    Cause.RECIPIENT_LIQUIDITY: "#a8782f",
    Cause.RECIPIENT_UNREACHABLE: YELLOW,
    Cause.HELD: "light-purple",
    Cause.CALLER: _TEAL,
    Cause.UNREADABLE: _PINK,
    Cause.OTHER: GREY,
}
REASONS: Mapping[str, str] = {
    Reason.TIMEOUT: "dark-blue",
    Reason.NO_ROUTE: _PURPLE,
    Reason.ERROR: RED,
    Reason.INCORRECT_PAYMENT_DETAILS: _DARK_YELLOW,
    Reason.INSUFFICIENT_BALANCE: ORANGE,
    Reason.CANCELED: _TEAL,
    Reason.NONE: _LIGHT_GREY,
    Reason.OTHER: GREY,
}
KINDS: Mapping[str, str] = {
    Kind.INVOICE: BLUE,
    Kind.KEYSEND: "light-blue",
    Kind.AMP: "dark-blue",
    Kind.REBALANCE: _PURPLE,
    Kind.PROBE: YELLOW,
    Kind.OTHER: GREY,
    Kind.UNKNOWN: _LIGHT_GREY,
}
SOURCES: Mapping[str, str] = {
    FailureSource.SELF: ORANGE,
    FailureSource.FIRST_HOP: "light-orange",
    FailureSource.INTERMEDIATE: BLUE,
    FailureSource.RECIPIENT: _DARK_YELLOW,
    FailureSource.UNKNOWN: _LIGHT_GREY,
}
OUTCOMES: Mapping[str, str] = {Outcome.SUCCEEDED: GREEN, Outcome.FAILED: RED}
INTERRUPTIONS: Mapping[str, str] = {
    **{word: color for word, color in STATES.values() if word in {*Interruption}},
    Interruption.TIMEOUT: REASONS[Reason.TIMEOUT],
    Interruption.OTHER: GREY,
}
"""Those that are words elsewhere, too; the others have colours of Grafana's."""

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        Cause.OWN_LIQUIDITY: "receive, rebalance, or open channels",
        Cause.OWN_CHANNEL: "look at the peer of the channel",
        Cause.OWN_INACTIVE: "bring peers back: they are offline",
        Cause.ROUTE_LIQUIDITY: "smaller parts, better connected peers",
        Cause.ROUTE_POLICY: "usually nothing: lnd tries the next route",
        Cause.NO_ROUTE: "higher fee limit, more channels: why tells which",
        Cause.RECIPIENT: "a new invoice",
        Cause.RECIPIENT_LIQUIDITY: "pay less; the recipient needs inbound balance",
        Cause.RECIPIENT_UNREACHABLE: "nothing from here: tell the recipient",
        Cause.HELD: "nothing: normal for hold invoices",
        Cause.CALLER: "nothing: the caller cancelled",
        Cause.UNREADABLE: "nothing: nobody could read the failure",
        Cause.OTHER: "read lnd's log",
    }
)
"""What helps against each cause, in a few words."""
