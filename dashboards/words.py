"""One colour for each word, on every panel that shows it; and what helps against each cause.

Red is what is bad by itself: channels of this node that are down, errors inside lnd. Orange is this node's balance,
blue and purple are the network, yellow is the recipient, grey is what isn't known.
"""

from collections.abc import Mapping
from types import MappingProxyType

from dashboards.panel import BLUE, GREEN, GREY, ORANGE, RED, YELLOW
from dashboards.presence import STATES
from exporter.payments.labels import (
    Cause,
    FailureSource,
    Interruption,
    Kind,
    Method,
    NodeState,
    Outcome,
    Reason,
    RouteCheck,
    Source,
)

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
    FailureSource.FIRST_HOP: _PINK,
    FailureSource.INTERMEDIATE: BLUE,
    FailureSource.RECIPIENT: _DARK_YELLOW,
    FailureSource.UNKNOWN: _LIGHT_GREY,
}
OUTCOMES: Mapping[str, str] = {Outcome.SUCCEEDED: GREEN, Outcome.FAILED: "dark-red"}
EACH_TRY, IN_THE_END = "each try", "in the end"
"""The names of the node's and of the customer's success rate."""
RATES: Mapping[str, str] = {EACH_TRY: BLUE, IN_THE_END: GREEN}
TRIES: Mapping[str, str] = {"more than 1": BLUE, "more than 2": _PURPLE, "more than 5": ORANGE}
CHECKS: Mapping[str, str] = {
    RouteCheck.FEE_LIMIT: _TEAL,
    RouteCheck.TOO_LARGE: "light-orange",
    RouteCheck.OWN_LIQUIDITY: CAUSES[Cause.OWN_LIQUIDITY],
    RouteCheck.OWN_INACTIVE: CAUSES[Cause.OWN_INACTIVE],
    RouteCheck.RECIPIENT_AVOIDED: _DARK_YELLOW,
    RouteCheck.ROUTE_AVOIDED: BLUE,
    RouteCheck.NO_ROUTE: CAUSES[Cause.NO_ROUTE],
    RouteCheck.TIMEOUT: REASONS[Reason.TIMEOUT],
    RouteCheck.UNKNOWN: _LIGHT_GREY,
    RouteCheck.DENIED: dict(STATES.values())[NodeState.DENIED],
    RouteCheck.FAILED: OUTCOMES[Outcome.FAILED],
}
"""What lnd finds when it is asked why there was no route."""
INTERRUPTIONS: Mapping[str, str] = {
    **{word: color for word, color in STATES.values() if word in {*Interruption}},
    Interruption.CERTIFICATE: _PINK,
    Interruption.SHUTTING_DOWN: BLUE,
    Interruption.UNIMPLEMENTED: "#a8782f",
    Interruption.ENDED: "light-blue",
    Interruption.TIMEOUT: REASONS[Reason.TIMEOUT],
    Interruption.TOO_LARGE: CHECKS[RouteCheck.TOO_LARGE],
    Interruption.RELOAD: _LIGHT_GREY,
    Interruption.OTHER: GREY,
}
"""Why the stream of updates was lost."""
HANGING: Mapping[str, str] = {
    "older than 10m": YELLOW,
    "older than 1h": ORANGE,
    "older than 1d": RED,
    "given up, still open": _DARK_YELLOW,
    "stalled": "dark-orange",
    "HTLCs on no channel": "dark-red",
}
"""What may hang of the payments in flight."""
UPDATES: Mapping[str, str] = {Source.STREAM: GREEN, Source.TRACK: BLUE, Source.LIST: _PURPLE}
"""How updates come."""
METHODS: Mapping[str, str] = {
    Method.SUBSCRIBE_STATE: _LIGHT_GREY,
    Method.GET_INFO: BLUE,
    Method.LIST_CHANNELS: "light-blue",
    Method.LIST_PAYMENTS: _PURPLE,
    Method.TRACK_PAYMENT: _TEAL,
    Method.TRACK_PAYMENTS: GREEN,
    Method.DECODE_PAY_REQ: _DARK_YELLOW,
    Method.QUERY_ROUTES: ORANGE,
}
"""Calls to lnd."""

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
CHECK_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        RouteCheck.FEE_LIMIT: "raise the fee limit; an unset one is 0",
        RouteCheck.TOO_LARGE: "allow more parts, pay less, larger channels",
        RouteCheck.OWN_LIQUIDITY: ADVICE[Cause.OWN_LIQUIDITY],
        RouteCheck.OWN_INACTIVE: ADVICE[Cause.OWN_INACTIVE],
        RouteCheck.RECIPIENT_AVOIDED: "tell the recipient: offline, or no room",
        RouteCheck.ROUTE_AVOIDED: "try later; better connected peers",
        RouteCheck.NO_ROUTE: "does lnd know the graph? route hints?",
        RouteCheck.TIMEOUT: "a longer timeout; is lnd slow?",
        RouteCheck.UNKNOWN: "nothing: lnd's answers don't explain it",
        RouteCheck.DENIED: "a macaroon for DecodePayReq, QueryRoutes",
        RouteCheck.FAILED: "nothing; if it is often, lnd is overloaded",
    }
)
"""What helps if lnd finds this, in a few words."""
