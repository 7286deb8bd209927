"""Why a payment failed, in terms of what an operator can do about it: the table behind the label `cause`."""

from collections.abc import Mapping

from exporter.payments.labels import Cause, Code, FailureSource, Reason

# Reasons that determine the cause by themselves.
_BY_REASON: dict[Reason, Cause] = {
    Reason.CANCELED: Cause.CALLER,
    Reason.INCORRECT_PAYMENT_DETAILS: Cause.RECIPIENT,
    Reason.INSUFFICIENT_BALANCE: Cause.OWN_LIQUIDITY,
    Reason.NONE: Cause.OTHER,
    Reason.OTHER: Cause.OTHER,
}

# `timeout`, `no_route` and `error` only mean that lnd stopped trying: the failures of the HTLCs show why. Without any:
_WITHOUT_ATTEMPTS: dict[Reason, Cause] = {
    Reason.TIMEOUT: Cause.NO_ROUTE,  # the time was spent in path finding
    Reason.NO_ROUTE: Cause.NO_ROUTE,
    Reason.ERROR: Cause.OTHER,
}

# The failure of an HTLC, if it comes from another node ...
_BY_CODE: dict[Code, Cause] = {
    Code.TEMPORARY_CHANNEL_FAILURE: Cause.ROUTE_LIQUIDITY,
    Code.MPP_TIMEOUT: Cause.ROUTE_LIQUIDITY,  # the recipient waited for parts that never arrived
    Code.UNKNOWN_NEXT_PEER: Cause.ROUTE_POLICY,
    Code.CHANNEL_DISABLED: Cause.ROUTE_POLICY,
    Code.PERMANENT_CHANNEL_FAILURE: Cause.ROUTE_POLICY,
    Code.TEMPORARY_NODE_FAILURE: Cause.ROUTE_POLICY,
    Code.PERMANENT_NODE_FAILURE: Cause.ROUTE_POLICY,
    Code.FEE_INSUFFICIENT: Cause.ROUTE_POLICY,
    Code.INCORRECT_CLTV_EXPIRY: Cause.ROUTE_POLICY,
    Code.AMOUNT_BELOW_MINIMUM: Cause.ROUTE_POLICY,
    Code.EXPIRY_TOO_SOON: Cause.ROUTE_POLICY,
    Code.EXPIRY_TOO_FAR: Cause.ROUTE_POLICY,
    Code.REQUIRED_NODE_FEATURE_MISSING: Cause.ROUTE_POLICY,
    Code.REQUIRED_CHANNEL_FEATURE_MISSING: Cause.ROUTE_POLICY,
    Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS: Cause.RECIPIENT,
    Code.INCORRECT_PAYMENT_AMOUNT: Cause.RECIPIENT,
    Code.FINAL_INCORRECT_CLTV_EXPIRY: Cause.RECIPIENT,
    Code.FINAL_INCORRECT_HTLC_AMOUNT: Cause.RECIPIENT,
    Code.FINAL_EXPIRY_TOO_SOON: Cause.RECIPIENT,
    Code.INVALID_ONION_BLINDING: Cause.ROUTE_POLICY,  # the only code that a blinded route returns
    Code.UNKNOWN_FAILURE: Cause.UNREADABLE,
    Code.UNREADABLE_FAILURE: Cause.UNREADABLE,
}

# ... if it comes from the node before the recipient, so that it is about a channel of the recipient ...
_BY_LAST_CODE: dict[Code, Cause] = {
    Code.TEMPORARY_CHANNEL_FAILURE: Cause.RECIPIENT_LIQUIDITY,
    Code.UNKNOWN_NEXT_PEER: Cause.RECIPIENT_UNREACHABLE,  # the recipient is offline, or has closed the channel
    Code.CHANNEL_DISABLED: Cause.RECIPIENT_UNREACHABLE,
    Code.PERMANENT_CHANNEL_FAILURE: Cause.RECIPIENT_UNREACHABLE,
}

# ... and if it comes from one of this node's own channels.
_BY_OWN_CODE: dict[Code, Cause] = {
    Code.TEMPORARY_CHANNEL_FAILURE: Cause.OWN_LIQUIDITY,
    Code.UNKNOWN_NEXT_PEER: Cause.OWN_CHANNEL,
    Code.CHANNEL_DISABLED: Cause.OWN_CHANNEL,
    Code.PERMANENT_CHANNEL_FAILURE: Cause.OWN_CHANNEL,
    Code.TEMPORARY_NODE_FAILURE: Cause.OWN_CHANNEL,
}


def attempt_cause(code: Code, source: FailureSource, *, before_recipient: bool = False) -> Cause:
    """Return why one HTLC attempt failed; `before_recipient` is that of the `Attempt`."""
    near = _BY_OWN_CODE if source is FailureSource.SELF else _BY_LAST_CODE if before_recipient else _BY_CODE
    return near.get(code) or _BY_CODE.get(code, Cause.OTHER)


def payment_cause(reason: Reason, failures: Mapping[Cause, int], *, held: bool, lacked_inactive: bool = False) -> Cause:
    """Return why a payment failed.

    `failures` counts its failed attempts by cause: the most frequent decides, on a tie the first in `Cause`. `held` is
    True if one HTLC was outstanding for most of the payment's life, or if the recipient refused one: had it refused in
    time, that would be the reason instead of `timeout`. `lacked_inactive` is True if the balance of inactive channels
    is known to have been what it lacked.
    """
    if reason is Reason.INSUFFICIENT_BALANCE and lacked_inactive:
        return Cause.OWN_INACTIVE
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if reason is Reason.TIMEOUT and held:
        return Cause.HELD
    if not failures:
        return _WITHOUT_ATTEMPTS[reason]
    return max(Cause, key=lambda cause: failures.get(cause, 0))
