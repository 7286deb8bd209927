"""What lnd says of the one payment that is followed: routes, and secrets only for who asks for them."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd import gateway
from exporter.lnd.client import LndError
from exporter.lnd.details import detail
from exporter.lnd.rpc import track_pb2 as rpc
from exporter.payments.detail import Hop
from exporter.payments.labels import Code, FailureSource, Reason, Status

HASH = "ab" * 32
PREIMAGE, OTHER_PREIMAGE = "5e" * 32, "6e" * 32
REQUEST = "lnbcrt1secret"
KEYS = tuple(f"0{n}" + "11" * 32 for n in (2, 3))


def message(**changes: Any) -> rpc.Payment:
    """A payment with one attempt that failed at its first hop and one that was settled."""
    hops = [
        rpc.Hop(chan_id=2**63, expiry=640, amt_to_forward_msat=1000, fee_msat=7, pub_key=KEYS[0]),
        rpc.Hop(chan_id=9, expiry=640, amt_to_forward_msat=1000, pub_key=KEYS[1]),
    ]
    route = rpc.Route(total_time_lock=680, hops=hops, total_fees_msat=7, total_amt_msat=1007)
    failure = rpc.Failure(code=rpc.Failure.CHANNEL_DISABLED, failure_source_index=1)
    htlcs = [
        rpc.HTLCAttempt(
            attempt_id=1,
            status=rpc.HTLCAttempt.FAILED,
            route=route,
            attempt_time_ns=5,
            resolve_time_ns=6,
            failure=failure,
        ),
        rpc.HTLCAttempt(
            attempt_id=2,
            status=rpc.HTLCAttempt.SUCCEEDED,
            route=route,
            attempt_time_ns=7,
            resolve_time_ns=9,
            preimage=bytes.fromhex(OTHER_PREIMAGE),
        ),
    ]
    said: dict[str, Any] = {
        "payment_hash": HASH,
        "creation_time_ns": 5000,
        "value_msat": 1000,
        "fee_msat": 7,
        "status": rpc.Payment.SUCCEEDED,
        "payment_preimage": PREIMAGE,
        "payment_request": REQUEST,
        "htlcs": htlcs,
    }
    return rpc.Payment(**said | changes)


def test_a_whole_payment() -> None:
    """The snapshot that the exporter would count, and the routes."""
    found = detail(message(), secrets=False)
    payment = found.payment
    assert (payment.payment_hash, payment.status, payment.reason) == (HASH, Status.SUCCEEDED, Reason.NONE)
    assert (payment.value_msat, payment.fee_msat, payment.created_ns) == (1000, 7, 5000)
    lost, won = found.attempts
    assert lost.hops == won.hops == (Hop(KEYS[0], 2**63, 1000, 7, 640), Hop(KEYS[1], 9, 1000, 0, 640))
    assert (lost.attempt.code, lost.attempt.source, lost.source_index) == (
        Code.CHANNEL_DISABLED,
        FailureSource.FIRST_HOP,
        1,
    )
    assert lost.culprit == lost.hops[0]
    assert (won.source_index, won.culprit, won.duration_ns) == (None, None, 2)


def test_secrets() -> None:
    """Not even in memory, unless they are wanted; a preimage of zeros is none."""
    kept = detail(message(), secrets=False)
    assert (kept.preimage, kept.payment_request, [one.preimage for one in kept.attempts]) == ("", "", ["", ""])
    shown = detail(message(), secrets=True)
    assert (shown.preimage, shown.payment_request) == (PREIMAGE, REQUEST)
    assert [one.preimage for one in shown.attempts] == ["", OTHER_PREIMAGE]
    assert detail(message(payment_preimage="0" * 64), secrets=True).preimage == ""


@pytest.mark.parametrize("change", [{"payment_hash": "ab"}, {"creation_time_ns": 0}, {"value_msat": -1}])
def test_what_is_no_payment(change: dict[str, Any]) -> None:
    """What answers so is no lnd."""
    with pytest.raises(LndError, match="doesn't speak as lnd does"):
        detail(message(**change), secrets=True)


def test_words_of_a_newer_lnd() -> None:
    """They end nothing."""
    attempt = rpc.HTLCAttempt(status=2, failure=rpc.Failure(code=77, failure_source_index=9))  # type: ignore[arg-type]
    found = detail(message(status=9, failure_reason=9, htlcs=[attempt]), secrets=False)
    assert (found.payment.status, found.payment.reason) == (Status.IN_FLIGHT, Reason.OTHER)
    (one,) = found.attempts
    assert (one.attempt.code, one.attempt.source, one.culprit) == (Code.OTHER, FailureSource.UNKNOWN, None)


def test_json_says_the_same() -> None:
    """Over REST, where bytes are base64 and numbers are strings."""
    said = json_format.MessageToDict(
        message(), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    said["htlcs"][1]["failure"] = None
    heard = gateway.message(rpc.Payment, gateway.parse(json.dumps(said)))
    assert detail(heard, secrets=True) == detail(message(), secrets=True)


@given(st.binary())
def test_bytes_of_any_kind(data: bytes) -> None:
    """Whatever protobuf can parse is a payment or `LndError`, and nothing else."""
    try:
        parsed = rpc.Payment.FromString(data)
    except Exception:  # noqa: BLE001 - not what is looked at here
        return
    try:
        detail(parsed, secrets=True)
    except LndError:
        return
