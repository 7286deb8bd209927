"""The closed sets of values that labels have, and the tables by which a payment gets some of them.

The values are our own, in lower snake case. They never grow because of what a node sends: an enum value that is new in
lnd becomes `other`. Members are in the order in which they appear on a page.
"""

from bisect import bisect_right
from enum import StrEnum

MSAT_PER_SAT = 1000


class Status(StrEnum):
    """Status of a payment (`Payment.status`). An unknown one becomes `in_flight`, for it isn't known to be terminal."""

    INITIATED = "initiated"
    IN_FLIGHT = "in_flight"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """True for a terminal status."""
        return self in _ENDED


_ENDED = frozenset((Status.SUCCEEDED, Status.FAILED))


class AttemptStatus(StrEnum):
    """Status of an HTLC attempt (`HTLCAttempt.status`). An unknown one becomes `in_flight`."""

    IN_FLIGHT = "in_flight"
    SETTLED = "settled"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a payment or an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Reason(StrEnum):
    """Why lnd gave up a payment (`Payment.failure_reason`)."""

    TIMEOUT = "timeout"
    NO_ROUTE = "no_route"
    ERROR = "error"
    INCORRECT_PAYMENT_DETAILS = "incorrect_payment_details"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    CANCELED = "canceled"
    NONE = "none"
    OTHER = "other"


class Code(StrEnum):
    """Why an HTLC attempt failed (`Failure.code`), as in BOLT 4."""

    TEMPORARY_CHANNEL_FAILURE = "temporary_channel_failure"
    UNKNOWN_NEXT_PEER = "unknown_next_peer"
    CHANNEL_DISABLED = "channel_disabled"
    FEE_INSUFFICIENT = "fee_insufficient"
    INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS = "incorrect_or_unknown_payment_details"
    MPP_TIMEOUT = "mpp_timeout"
    TEMPORARY_NODE_FAILURE = "temporary_node_failure"
    INCORRECT_CLTV_EXPIRY = "incorrect_cltv_expiry"
    AMOUNT_BELOW_MINIMUM = "amount_below_minimum"
    EXPIRY_TOO_SOON = "expiry_too_soon"
    EXPIRY_TOO_FAR = "expiry_too_far"
    PERMANENT_CHANNEL_FAILURE = "permanent_channel_failure"
    PERMANENT_NODE_FAILURE = "permanent_node_failure"
    REQUIRED_NODE_FEATURE_MISSING = "required_node_feature_missing"
    REQUIRED_CHANNEL_FEATURE_MISSING = "required_channel_feature_missing"
    INCORRECT_PAYMENT_AMOUNT = "incorrect_payment_amount"
    FINAL_INCORRECT_CLTV_EXPIRY = "final_incorrect_cltv_expiry"
    FINAL_INCORRECT_HTLC_AMOUNT = "final_incorrect_htlc_amount"
    FINAL_EXPIRY_TOO_SOON = "final_expiry_too_soon"
    INVALID_REALM = "invalid_realm"
    INVALID_ONION_VERSION = "invalid_onion_version"
    INVALID_ONION_HMAC = "invalid_onion_hmac"
    INVALID_ONION_KEY = "invalid_onion_key"
    INVALID_ONION_PAYLOAD = "invalid_onion_payload"
    INVALID_ONION_BLINDING = "invalid_onion_blinding"
    INTERNAL_FAILURE = "internal_failure"
    UNKNOWN_FAILURE = "unknown_failure"
    UNREADABLE_FAILURE = "unreadable_failure"
    RESERVED = "reserved"
    OTHER = "other"


class Mode(StrEnum):
    """How a node's payments are followed."""

    FIREHOSE = "firehose"
    """All by one stream, `TrackPayments` (lnd >= 0.16)."""
    FINAL = "final"
    """By the same stream, which sends a payment only when it has ended (`no_inflight_updates`)."""
    TRACK = "track"
    """Each by a stream of its own, `TrackPaymentV2`; new ones are found with `ListPayments`."""


class FailureSource(StrEnum):
    """Where on the route an HTLC attempt failed (`Failure.failure_source_index`)."""

    SELF = "self"
    FIRST_HOP = "first_hop"
    INTERMEDIATE = "intermediate"
    RECIPIENT = "recipient"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """The kind of a payment: the first that matches. A finished one is counted by all that was known when it ended."""

    REBALANCE = "rebalance"
    AMP = "amp"
    KEYSEND = "keysend"
    INVOICE = "invoice"
    PROBE = "probe"
    OTHER = "other"
    UNKNOWN = "unknown"


REPAYABLE = frozenset((Kind.REBALANCE, Kind.INVOICE, Kind.OTHER, Kind.UNKNOWN))
"""The kinds whose hash may be paid again. A keysend, an AMP payment and a probe have a new hash each time."""


class Purpose(StrEnum):
    """Three groups of kinds, for metrics that would have too many series by kind."""

    PAYMENT = "payment"
    REBALANCE = "rebalance"
    OTHER = "other"


PURPOSE: dict[Kind, Purpose] = {
    Kind.REBALANCE: Purpose.REBALANCE,
    Kind.AMP: Purpose.PAYMENT,
    Kind.KEYSEND: Purpose.PAYMENT,
    Kind.INVOICE: Purpose.PAYMENT,
    Kind.PROBE: Purpose.OTHER,
    Kind.OTHER: Purpose.OTHER,
    Kind.UNKNOWN: Purpose.OTHER,
}


class AmountBand(StrEnum):
    """Band of the amount without fees (`Payment.value_msat`), on which the chance of success depends."""

    UNDER_1K = "under_1k_sat"
    UNDER_10K = "1k_to_10k_sat"
    UNDER_100K = "10k_to_100k_sat"
    UNDER_1M = "100k_to_1m_sat"
    UNDER_10M = "1m_to_10m_sat"
    OVER = "10m_sat_and_over"


_AMOUNT_BANDS = tuple(AmountBand)
_AMOUNT_EDGES_MSAT = tuple(10**digits * MSAT_PER_SAT for digits in range(3, 8))


def amount_band(msat: int) -> AmountBand:
    """Return the band of an amount in msat. A boundary belongs to the band above it."""
    return _AMOUNT_BANDS[bisect_right(_AMOUNT_EDGES_MSAT, msat)]


class Cause(StrEnum):
    """Why a payment failed, in terms of what an operator can do about it; `cause.py` has the table."""

    OWN_LIQUIDITY = "own_liquidity"
    OWN_CHANNEL = "own_channel"
    OWN_INACTIVE = "own_inactive"
    ROUTE_LIQUIDITY = "route_liquidity"
    ROUTE_POLICY = "route_policy"
    NO_ROUTE = "no_route"
    RECIPIENT = "recipient"
    RECIPIENT_LIQUIDITY = "recipient_liquidity"
    RECIPIENT_UNREACHABLE = "recipient_unreachable"
    HELD = "held"
    CALLER = "caller"
    UNREADABLE = "unreadable"
    OTHER = "other"


class RouteCheck(StrEnum):
    """What lnd finds when it is asked why a payment has found no route. All but the last three are guesses."""

    FEE_LIMIT = "fee_limit"
    TOO_LARGE = "too_large"
    OWN_LIQUIDITY = "own_liquidity"
    OWN_INACTIVE = "own_inactive"
    RECIPIENT_AVOIDED = "recipient_avoided"
    ROUTE_AVOIDED = "route_avoided"
    NO_ROUTE = "no_route"
    TIMEOUT = "timeout"
    """There is a route, and its time was over before lnd tried one."""
    UNKNOWN = "unknown"
    """What lnd answers doesn't explain it."""
    DENIED = "denied"
    """The macaroon doesn't allow to ask."""
    FAILED = "failed"
    """lnd didn't answer, or not in time."""


class FromStatus(StrEnum):
    """Status before a transition; `new` if it is the first one seen of the run."""

    NEW = "new"
    INITIATED = "initiated"
    IN_FLIGHT = "in_flight"


class ToStatus(StrEnum):
    """Status after a transition."""

    INITIATED = "initiated"
    IN_FLIGHT = "in_flight"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


class Lost(StrEnum):
    """Why a payment that was open here is lost: lnd doesn't know it any more."""

    DELETED = "deleted"
    RETRIED = "retried"
    DATABASE_RENEWED = "database_renewed"


OTHER_DESTINATIONS = "other"
"""The destination of all payments whose recipient is in no group, or isn't known."""
FORMER_DESTINATIONS = "former"
"""The destination of the totals of groups that have left the configuration."""


class EndCause(StrEnum):
    """Why a run ended as it did: a `Cause` if it failed, a `Lost` if it was lost, `none` if it succeeded."""

    NONE = "none"
    OWN_LIQUIDITY = Cause.OWN_LIQUIDITY
    OWN_CHANNEL = Cause.OWN_CHANNEL
    OWN_INACTIVE = Cause.OWN_INACTIVE
    ROUTE_LIQUIDITY = Cause.ROUTE_LIQUIDITY
    ROUTE_POLICY = Cause.ROUTE_POLICY
    NO_ROUTE = Cause.NO_ROUTE
    RECIPIENT = Cause.RECIPIENT
    RECIPIENT_LIQUIDITY = Cause.RECIPIENT_LIQUIDITY
    RECIPIENT_UNREACHABLE = Cause.RECIPIENT_UNREACHABLE
    HELD = Cause.HELD
    CALLER = Cause.CALLER
    UNREADABLE = Cause.UNREADABLE
    OTHER = Cause.OTHER
    DELETED = Lost.DELETED
    RETRIED = Lost.RETRIED
    DATABASE_RENEWED = Lost.DATABASE_RENEWED


class Unresolved(StrEnum):
    """Why it isn't known how an attempt ended."""

    DELETED = "deleted"
    """The payment ended, and lnd has deleted the attempt."""
    LOST = "lost"
    """The payment is lost."""


class Source(StrEnum):
    """How a snapshot was received: from a stream, as the answer about one payment (TrackPaymentV2), in a list."""

    STREAM = "stream"
    TRACK = "track"
    LIST = "list"


class Ignored(StrEnum):
    """Why a snapshot was ignored: the first that matches."""

    MALFORMED = "malformed"
    AFTER_TERMINAL = "after_terminal"
    STALE = "stale"
    DUPLICATE = "duplicate"


class Age(StrEnum):
    """Band of the age of a payment in flight."""

    UNDER_1M = "under_1m"
    UNDER_10M = "1m_to_10m"
    UNDER_1H = "10m_to_1h"
    UNDER_1D = "1h_to_1d"
    OVER = "1d_and_over"


class BlocksLeft(StrEnum):
    """Band of the number of blocks until lnd must resolve a held HTLC on chain."""

    EXPIRED = "expired"
    UNDER_36 = "under_36"
    UNDER_144 = "36_to_144"
    OVER = "144_and_over"


class PeerOutcome(StrEnum):
    """How an attempt through a direct peer ended. Failures beyond the peer are apart: they aren't its fault."""

    SETTLED = "settled"
    FAILED_HERE = "failed_here"
    FAILED_AT_PEER = "failed_at_peer"
    FAILED_BEYOND = "failed_beyond"


class NodeState(StrEnum):
    """State of a node as seen by the exporter."""

    UNREACHABLE = "unreachable"
    NO_WALLET = "no_wallet"
    LOCKED = "locked"
    STARTING = "starting"
    READY = "ready"
    DENIED = "denied"
    WRONG_NODE = "wrong_node"


class Interruption(StrEnum):
    """Why a session ended: the stream of updates was lost."""

    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    NO_WALLET = "no_wallet"
    LOCKED = "locked"
    STARTING = "starting"
    SHUTTING_DOWN = "shutting_down"
    DENIED = "denied"
    UNIMPLEMENTED = "unimplemented"
    ENDED = "ended"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    WRONG_NODE = "wrong_node"
    RELOAD = "reload"
    """The exporter ended it itself: its configuration was reloaded, and this node was changed or removed."""
    OTHER = "other"


class Method(StrEnum):
    """Calls to lnd that are counted."""

    SUBSCRIBE_STATE = "subscribe_state"
    GET_INFO = "get_info"
    LIST_CHANNELS = "list_channels"
    LIST_PAYMENTS = "list_payments"
    TRACK_PAYMENT = "track_payment"
    TRACK_PAYMENTS = "track_payments"
    DECODE_PAY_REQ = "decode_pay_req"
    QUERY_ROUTES = "query_routes"


class CallOutcome(StrEnum):
    """How a call ended. A stream is one call, counted when it ends."""

    OK = "ok"
    ERROR = "error"


class Reset(StrEnum):
    """Why counters began again at zero, or at an older value."""

    CORRUPT = "corrupt"
    """The state file could not be read and was set aside, or was gone."""
    OLDER = "older"
    """The state file was an older copy, or another one, than the one last written."""


class PeerChannelState(StrEnum):
    """State of an open channel with a peer."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class ChannelState(StrEnum):
    """State of a channel."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"
