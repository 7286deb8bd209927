"""Decoding a payment for `track`: routes, and secrets only if they are requested."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd import decode, json_messages
from exporter.lnd.client import LndError
from exporter.lnd.details import to_detail
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2
from exporter.lnd.rpc import track_pb2 as rpc
from exporter.payments.detail import Hop, PaymentDetail
from exporter.payments.labels import Code, FailureSource, Reason, Status

HASH = "ab" * 32
PREIMAGE, OTHER_PREIMAGE = "5e" * 32, "6e" * 32
REQUEST = "lnbcrt1secret"
KEYS = tuple(f"0{n}" + "11" * 32 for n in (2, 3))


def message(**changes: Any) -> rpc.Payment:
    """Return a payment with one attempt that failed at its first hop and one that was settled."""
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
    fields: dict[str, Any] = {
        "payment_hash": HASH,
        "creation_time_ns": 5000,
        "value_msat": 1000,
        "fee_msat": 7,
        "status": rpc.Payment.SUCCEEDED,
        "payment_preimage": PREIMAGE,
        "payment_request": REQUEST,
        "htlcs": htlcs,
    }
    return rpc.Payment(**fields | changes)


def detail(message: rpc.Payment, *, secrets: bool, request: bool = False) -> PaymentDetail:
    """Decode a message as `PaymentStreams.details` does."""
    payment = decode.payment(lnd_pb2.Payment.FromString(message.SerializeToString()), "")
    return to_detail(payment, message, secrets=secrets, request=request)


def test_details_have_the_snapshot_and_the_routes() -> None:
    """The snapshot is the one that the exporter would count."""
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
    assert lost.failing_hop == lost.hops[0]
    assert (won.source_index, won.failing_hop, won.duration_ns) == (None, None, 2)


def test_secrets_are_kept_only_on_request() -> None:
    """Otherwise not even in memory. A preimage of zeros means that it isn't known yet."""
    without = detail(message(), secrets=False)
    assert (without.preimage, without.payment_request, [one.preimage for one in without.attempts]) == ("", "", ["", ""])
    found = detail(message(), secrets=True)
    assert (found.preimage, found.payment_request) == (PREIMAGE, REQUEST)
    assert [one.preimage for one in found.attempts] == ["", OTHER_PREIMAGE]
    assert detail(message(payment_preimage="0" * 64), secrets=True).preimage == ""
    for_why = detail(message(), secrets=False, request=True)
    assert for_why == replace(without, payment_request=REQUEST), "no preimage"
    assert REQUEST not in repr(for_why)


@pytest.mark.parametrize("change", [{"payment_hash": "ab"}, {"creation_time_ns": 0}, {"value_msat": -1}])
def test_malformed_payment_is_an_error(change: dict[str, Any]) -> None:
    """lnd didn't send it."""
    with pytest.raises(LndError, match="the answer is not one of lnd's"):
        detail(message(**change), secrets=True)


def test_unknown_enum_values_are_other() -> None:
    """A newer lnd may add some; an unknown status isn't terminal."""
    attempt = rpc.HTLCAttempt(status=2, failure=rpc.Failure(code=77, failure_source_index=9))  # type: ignore[arg-type]
    found = detail(message(status=9, failure_reason=9, htlcs=[attempt]), secrets=False)
    assert (found.payment.status, found.payment.reason) == (Status.IN_FLIGHT, Reason.OTHER)
    (one,) = found.attempts
    assert (one.attempt.code, one.attempt.source, one.failing_hop) == (Code.OTHER, FailureSource.UNKNOWN, None)


def test_json_gives_the_same_detail() -> None:
    """Over REST bytes are base64, and numbers are strings."""
    value = json_format.MessageToDict(
        message(), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    value["htlcs"][1]["failure"] = None
    received = json_messages.message(rpc.Payment, json_messages.parse(json.dumps(value)))
    assert detail(received, secrets=True) == detail(message(), secrets=True)


@given(st.binary())
def test_any_bytes_give_a_detail_or_an_error(data: bytes) -> None:
    """Nothing but `LndError` is raised, whatever the bytes are."""
    assert_detail_or_error(data)


def test_bytes_that_only_one_of_the_two_messages_accepts_are_an_error() -> None:
    """`lnd.proto` declares the AMP record, which is truncated here; `track.proto` doesn't."""
    hop = bytes([12 << 3 | 2, 1, 0xFF])
    route = rpc.Route(hops=[rpc.Hop.FromString(hop)])
    data = message(htlcs=[rpc.HTLCAttempt(route=route)]).SerializeToString()
    rpc.Payment.FromString(data)
    with pytest.raises(DecodeError):
        lnd_pb2.Payment.FromString(data)
    assert_detail_or_error(data)


def assert_detail_or_error(data: bytes) -> None:
    """Decode bytes as `PaymentStreams.details` does over gRPC."""
    client = GrpcClient("localhost:10009", None, Path("macaroon"))
    try:
        payment = decode.payment(client._parse(lnd_pb2.Payment, data), "")
        to_detail(payment, client._parse(rpc.Payment, data), secrets=True)
    except LndError:
        return
