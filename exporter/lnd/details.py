"""Decodes a payment for the command `track`: a snapshot, its routes, and secrets only if they are wanted."""

from exporter.lnd import errors
from exporter.lnd.rpc import track_pb2
from exporter.payments.detail import Hop, PaymentDetail, RoutedAttempt
from exporter.payments.payment import Attempt, Payment

_UNKNOWN = "0" * 64  # lnd sends this for a preimage that isn't known yet


def to_detail(payment: Payment, message: track_pb2.Payment, *, secrets: bool, request: bool = False) -> PaymentDetail:
    """Add the routes in `message` to `payment`, the snapshot of the same message; and secrets only with `secrets`.

    With `request` alone only the payment request is kept, for `why`, which asks lnd what is in it.

    Raises `LndError` if the snapshot is malformed: lnd didn't send it.
    """
    if payment.malformed:
        raise errors.not_lnd()
    return PaymentDetail(
        payment=payment,
        attempts=tuple(
            _attempt(htlc, attempt, secrets=secrets)
            for htlc, attempt in zip(message.htlcs, payment.attempts, strict=True)
        ),
        preimage=_preimage(message.payment_preimage) if secrets else "",
        payment_request=message.payment_request if secrets or request else "",
    )


def _attempt(message: track_pb2.HTLCAttempt, attempt: Attempt, *, secrets: bool) -> RoutedAttempt:
    hops = (
        Hop(hop.pub_key, hop.chan_id, hop.amt_to_forward_msat, hop.fee_msat, hop.expiry) for hop in message.route.hops
    )
    has_failure = attempt.code is not None and message.HasField("failure")
    return RoutedAttempt(
        attempt=attempt,
        hops=tuple(hops),
        source_index=message.failure.failure_source_index if has_failure else None,
        preimage=_preimage(message.preimage.hex()) if secrets else "",
    )


def _preimage(digits: str) -> str:
    return "" if digits == _UNKNOWN else digits
