"""lnd's JSON is converted to the message that gRPC sends; any other JSON is malformed, and never raises otherwise."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd import decode, json_messages
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import AttemptStatus, Code, Kind, NodeState, Reason, Status
from tests.lnd.test_decode import HASH, OWN, payments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def as_json(message: rpc.Payment) -> dict[str, Any]:
    """Return a message as lnd's REST API writes it, parsed."""
    value = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for attempt in value["htlcs"]:
        attempt.setdefault("failure", None)
    return value


def received(value: object) -> rpc.Payment:
    """Serialize JSON and convert it to a message, as for an answer."""
    return json_messages.message(rpc.Payment, json_messages.parse(json.dumps(value).encode()))


@given(payments())
def test_json_gives_the_same_message_as_grpc(message: rpc.Payment) -> None:
    """And the same snapshot. protobuf's own parser of JSON agrees."""
    value = as_json(message)
    assert received(value) == message == json_format.ParseDict(value, rpc.Payment())
    assert decode.payment(received(value), OWN) == decode.payment(message, OWN)


def test_json_of_a_real_lnd() -> None:
    """64-bit integers as strings, bytes in base64, enum values as names, null for an absent message; unused fields."""
    hop = {"pub_key": OWN, "amp_record": None, "custom_records": {"5482373484": "AAAA"}, "tlv_payload": True}
    route = {"total_time_lock": 530, "total_amt_msat": "5000010", "total_fees_msat": "10", "hops": [hop]}
    failure = {"code": "TEMPORARY_CHANNEL_FAILURE", "channel_update": None, "failure_source_index": 1}
    value = {
        "payment_hash": HASH, "value": "5000", "creation_date": "1795438948", "fee": "0", "payment_preimage": "00",
        "value_msat": "5000000", "payment_request": "lnbcrt1", "status": "FAILED", "fee_msat": "0",
        "creation_time_ns": "1795438948148295104", "payment_index": "7", "failure_reason": "FAILURE_REASON_NO_ROUTE",
        "first_hop_custom_records": {"106823": "AA=="},
        "htlcs": [{"attempt_id": "9", "status": "FAILED", "preimage": "", "failure": failure, "route": route}],
    }  # fmt: skip
    payment = decode.payment(received(value), "")
    assert (payment.payment_hash, payment.payment_index, payment.value_msat) == (HASH, 7, 5_000_000)
    assert (payment.status, payment.reason) == (Status.FAILED, Reason.NO_ROUTE)
    assert payment.created_ns == 1795438948148295104
    (attempt,) = payment.attempts
    assert (attempt.attempt_id, attempt.status, attempt.hops, attempt.hint) == (
        9,
        AttemptStatus.FAILED,
        1,
        Kind.KEYSEND,
    )
    assert (attempt.code, attempt.fee_msat, attempt.expiry_height) == (Code.TEMPORARY_CHANNEL_FAILURE, 10, 530)


def test_unknown_enum_values_are_other() -> None:
    """As unknown numbers are over gRPC; they don't become the first value of the enum."""
    value = {
        "status": "PAUSED",
        "failure_reason": "FAILURE_REASON_MOON",
        "htlcs": [{"status": "PONDERED"}, {"status": "FAILED", "failure": {"code": "TOO_LATE"}}],
    }
    payment = decode.payment(received(value), OWN)
    assert (payment.status, payment.reason) == (Status.IN_FLIGHT, Reason.OTHER)
    assert [attempt.status for attempt in payment.attempts] == [AttemptStatus.IN_FLIGHT, AttemptStatus.FAILED]
    assert payment.attempts[1].code is Code.OTHER
    state = json_messages.message(rpc.SubscribeStateResponse, {"state": "DREAMING"}).state
    assert decode.state(state) is NodeState.STARTING


def test_empty_object_is_a_message_and_null_is_absent() -> None:
    """Presence matters: an empty AMP record makes a payment an AMP payment."""
    empty: dict[str, object] = {}
    attempts = [{"failure": empty, "route": {"hops": [{"amp_record": empty}]}}, {"failure": None, "route": None}]
    there, absent = received({"htlcs": attempts}).htlcs
    assert there.HasField("failure")
    assert there.route.hops[0].HasField("amp_record")
    assert not absent.HasField("failure")


@pytest.mark.parametrize(
    "value",
    [
        None, [], "text", 7,
        {"payment_hash": 7}, {"value_msat": "many"}, {"value_msat": 1.5}, {"value_msat": True},
        {"value_msat": str(2**63)}, {"payment_index": "-1"}, {"htlcs": {}}, {"htlcs": [None]}, {"htlcs": ["x"]},
        {"status": 1.5}, {"status": 2**40}, {"payment_hash": "\ud800"},
        {"htlcs": [{"route": {"hops": [{"custom_records": {"x": ""}}]}}]},
        {"htlcs": [{"route": {"hops": [{"custom_records": {"1": "A"}}]}}]},
        {"htlcs": [{"route": {"hops": [{"custom_records": {"1": "é"}}]}}]},
        {"htlcs": [{"route": {"hops": [{"custom_records": []}]}}]},
    ],
)  # fmt: skip
def test_value_of_another_type_is_malformed(value: object) -> None:
    """As it is over gRPC."""
    with pytest.raises(json_messages.Malformed):
        received(value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_text_is_converted_or_malformed(text: bytes) -> None:
    """Nothing but `Malformed` is raised."""
    try:
        json_messages.message(rpc.Payment, json_messages.parse(text))
    except json_messages.Malformed:
        return


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"1" * 10_000, b"NaN"])
def test_hostile_text_is_malformed(text: bytes) -> None:
    """However deeply nested, long or strange."""
    try:
        json_messages.message(rpc.Payment, json_messages.parse(text))
    except json_messages.Malformed:
        return
    raise AssertionError


@given(payments(), JSON, st.data())
def test_payment_with_garbage_is_converted_or_malformed(
    message: rpc.Payment, garbage: object, data: st.DataObject
) -> None:
    """Any value is replaced by anything, or removed."""
    value: Any = as_json(message)
    place = value
    while True:
        keys = list(range(len(place))) if isinstance(place, list) else list(place)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    if isinstance(place, dict) and data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = garbage
    try:
        decode.payment(json_messages.message(rpc.Payment, json_messages.parse(json.dumps(value))), OWN)
    except json_messages.Malformed:
        return
