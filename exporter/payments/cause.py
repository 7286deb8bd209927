"""Why a payment failed, said in terms of what one can do about it: the table behind the label `cause`."""

from collections.abc import Mapping

from exporter.payments.labels import Cause, Code, FailureSource, Reason

# The reasons that say it all by themselves.
_BY_REASON: dict[Reason, Cause] = {
    Reason.CANCELED: Cause.CALLER,
    Reason.INCORRECT_PAYMENT_DETAILS: Cause.RECIPIENT,
    Reason.INSUFFICIENT_BALANCE: Cause.OWN_LIQUIDITY,
    Reason.NONE: Cause.OTHER,
    Reason.OTHER: Cause.OTHER,
}

# `timeout`, `no_route` and `error` only say that lnd stopped trying; what stopped the HTLCs says why.
_WITHOUT_ATTEMPTS: dict[Reason, Cause] = {
    Reason.TIMEOUT: Cause.NO_ROUTE,  # the time was spent in path finding
    Reason.NO_ROUTE: Cause.NO_ROUTE,
    Reason.ERROR: Cause.OTHER,
}

# What an HTLC's failure says when it comes from another node ...
_BY_CODE: dict[Code, Cause] = {
    Code.TEMPORARY_CHANNEL_FAILURE: Cause.ROUTE_LIQUIDITY,
    Code.MPP_TIMEOUT: Cause.ROUTE_LIQUIDITY,  # the recipient waited for parts that never got through
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
    Code.INVALID_ONION_BLINDING: Cause.ROUTE_POLICY,  # all that a blinded route ever tells
    Code.UNKNOWN_FAILURE: Cause.UNREADABLE,
    Code.UNREADABLE_FAILURE: Cause.UNREADABLE,
}

# ... and when it comes from this node's own channel.
_BY_OWN_CODE: dict[Code, Cause] = {
    Code.TEMPORARY_CHANNEL_FAILURE: Cause.OWN_LIQUIDITY,
    Code.UNKNOWN_NEXT_PEER: Cause.OWN_CHANNEL,
    Code.CHANNEL_DISABLED: Cause.OWN_CHANNEL,
    Code.PERMANENT_CHANNEL_FAILURE: Cause.OWN_CHANNEL,
    Code.TEMPORARY_NODE_FAILURE: Cause.OWN_CHANNEL,
}


def attempt_cause(code: Code, source: FailureSource) -> Cause:
    """What stopped one HTLC attempt."""
    own = _BY_OWN_CODE.get(code) if source is FailureSource.SELF else None
    return own or _BY_CODE.get(code, Cause.OTHER)


def payment_cause(reason: Reason, failures: Mapping[Cause, int], *, held: bool) -> Cause:
    """What stopped a payment.

    `failures` counts its failed attempts by what stopped them: the most frequent decides, on a tie the first of
    `Cause`. `held` says that one HTLC was outstanding for most of the payment's life, or that the recipient refused
    one: had it refused in time, that would be the reason and not `timeout`.
    """
    if reason in _BY_REASON:
        return _BY_REASON[reason]
    if reason is Reason.TIMEOUT and held:
        return Cause.HELD
    if not failures:
        return _WITHOUT_ATTEMPTS[reason]
    return max(Cause, key=lambda cause: failures.get(cause, 0))
