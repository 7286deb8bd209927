"""lnd's JSON says what the same message says over gRPC, and whatever else it says is malformed, never an error."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd import decode, gateway
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import AttemptStatus, Code, Kind, NodeState, Reason, Status
from tests.lnd.test_decode import HASH, OWN, payments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def spoken(message: rpc.Payment) -> dict[str, Any]:
    """A message as lnd's REST writes it."""
    said = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    for attempt in said["htlcs"]:
        attempt.setdefault("failure", None)
    return said


def heard(said: object) -> rpc.Payment:
    """The message that JSON stands for, as it comes over the wire."""
    return gateway.message(rpc.Payment, gateway.parse(json.dumps(said).encode()))


@given(payments())
def test_the_same_as_over_grpc(message: rpc.Payment) -> None:
    """One message, two ways: the same snapshot, to the last field. protobuf's own reader of JSON agrees."""
    said = spoken(message)
    assert heard(said) == message == json_format.ParseDict(said, rpc.Payment())
    assert decode.payment(heard(said), OWN) == decode.payment(message, OWN)


def test_what_a_real_lnd_said() -> None:
    """64-bit numbers as strings, bytes in base64, enums as words, null for what is absent, and much that isn't read."""
    hop = {"pub_key": OWN, "amp_record": None, "custom_records": {"5482373484": "AAAA"}, "tlv_payload": True}
    route = {"total_time_lock": 530, "total_amt_msat": "5000010", "total_fees_msat": "10", "hops": [hop]}
    failure = {"code": "TEMPORARY_CHANNEL_FAILURE", "channel_update": None, "failure_source_index": 1}
    said = {
        "payment_hash": HASH, "value": "5000", "creation_date": "1795438948", "fee": "0", "payment_preimage": "00",
        "value_msat": "5000000", "payment_request": "lnbcrt1", "status": "FAILED", "fee_msat": "0",
        "creation_time_ns": "1795438948148295104", "payment_index": "7", "failure_reason": "FAILURE_REASON_NO_ROUTE",
        "first_hop_custom_records": {"106823": "AA=="},
        "htlcs": [{"attempt_id": "9", "status": "FAILED", "preimage": "", "failure": failure, "route": route}],
    }  # fmt: skip
    payment = decode.payment(heard(said), "")
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


def test_words_that_a_newer_lnd_invents() -> None:
    """They are `other`, as unknown numbers are over gRPC, and never the first word of the list."""
    said = {
        "status": "PAUSED",
        "failure_reason": "FAILURE_REASON_MOON",
        "htlcs": [{"status": "PONDERED"}, {"status": "FAILED", "failure": {"code": "TOO_LATE"}}],
    }
    payment = decode.payment(heard(said), OWN)
    assert (payment.status, payment.reason) == (Status.IN_FLIGHT, Reason.OTHER)
    assert [attempt.status for attempt in payment.attempts] == [AttemptStatus.IN_FLIGHT, AttemptStatus.FAILED]
    assert payment.attempts[1].code is Code.OTHER
    state = gateway.message(rpc.SubscribeStateResponse, {"state": "DREAMING"}).state
    assert decode.state(state) is NodeState.STARTING


def test_what_is_there_though_it_is_empty() -> None:
    """An empty object is a message; null is none."""
    empty: dict[str, object] = {}
    attempts = [{"failure": empty, "route": {"hops": [{"amp_record": empty}]}}, {"failure": None, "route": None}]
    there, absent = heard({"htlcs": attempts}).htlcs
    assert there.HasField("failure")
    assert there.route.hops[0].HasField("amp_record")
    assert not absent.HasField("failure")


@pytest.mark.parametrize(
    "said",
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
def test_what_is_no_message(said: object) -> None:
    """A value of another kind than lnd's makes it malformed, as it does over gRPC."""
    with pytest.raises(gateway.Malformed):
        heard(said)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_text(text: bytes) -> None:
    """JSON, or malformed."""
    try:
        gateway.message(rpc.Payment, gateway.parse(text))
    except gateway.Malformed:
        return


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"1" * 10_000, b"NaN"])
def test_hostile_text(text: bytes) -> None:
    """However deep, long or strange."""
    try:
        gateway.message(rpc.Payment, gateway.parse(text))
    except gateway.Malformed:
        return
    raise AssertionError


@given(payments(), JSON, st.data())
def test_garbage_within_a_payment(message: rpc.Payment, garbage: object, data: st.DataObject) -> None:
    """Anything in the place of any value, or no value: a snapshot, or malformed."""
    said: Any = spoken(message)
    place = said
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
        decode.payment(gateway.message(rpc.Payment, gateway.parse(json.dumps(said))), OWN)
    except gateway.Malformed:
        return
