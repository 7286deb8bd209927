"""What the command `track` is told of a payment: our snapshot of it, its routes, and secrets if they are wanted."""

from exporter.lnd import decode, trouble
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.rpc import track_pb2
from exporter.payments.detail import Detail, Hop, RoutedAttempt
from exporter.payments.payment import Attempt

_UNKNOWN = "0" * 64  # what lnd sends for a preimage that nobody knows yet


def detail(message: track_pb2.Payment, *, secrets: bool) -> Detail:
    """One update; without `secrets` nothing secret is in it. Raises `LndError` for what is no payment of lnd's."""
    payment = decode.payment(rpc.Payment.FromString(message.SerializeToString()), "")
    if payment.malformed:
        raise trouble.foreign()
    return Detail(
        payment=payment,
        attempts=tuple(
            _try(htlc, attempt, secrets=secrets) for htlc, attempt in zip(message.htlcs, payment.attempts, strict=True)
        ),
        preimage=_preimage(message.payment_preimage) if secrets else "",
        payment_request=message.payment_request if secrets else "",
    )


def _try(message: track_pb2.HTLCAttempt, attempt: Attempt, *, secrets: bool) -> RoutedAttempt:
    hops = (
        Hop(hop.pub_key, hop.chan_id, hop.amt_to_forward_msat, hop.fee_msat, hop.expiry) for hop in message.route.hops
    )
    told = attempt.code is not None and message.HasField("failure")
    return RoutedAttempt(
        attempt=attempt,
        hops=tuple(hops),
        source_index=message.failure.failure_source_index if told else None,
        preimage=_preimage(message.preimage.hex()) if secrets else "",
    )


def _preimage(told: str) -> str:
    return "" if told == _UNKNOWN else told
