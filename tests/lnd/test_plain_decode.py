"""Decoding is written for speed: on any message it must give what the plainest way to write it gives."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd import decode
from exporter.lnd.bolt11 import PayeeCheck, PayeeSearch
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Kind, Reason, Status
from exporter.payments.payment import Attempt, Payment
from tests.lnd.test_decode import BOLT11_DONATION, FAR, HASH, OWN, PEER, payments


def plain_hex(text: str, digits: int) -> str:
    """Return the text in lower case if it consists of that many hex digits."""
    return text.lower() if len(text) == digits and set(text.lower()) <= set("0123456789abcdef") else ""


def plain_payment(message: rpc.Payment, own_key: str) -> Payment:
    """Decode a payment."""
    status = decode._STATUS.get(message.status, Status.IN_FLIGHT)
    over = status in (Status.SUCCEEDED, Status.FAILED)
    asks = over and not message.htlcs and message.payment_request != ""
    return Payment(
        payment_hash=plain_hex(message.payment_hash, 64),
        created_ns=message.creation_time_ns or message.creation_date * 10**9,
        payment_index=message.payment_index,
        status=status,
        reason=decode._REASON.get(message.failure_reason, Reason.OTHER),
        value_msat=message.value_msat,
        fee_msat=message.fee_msat,
        invoice=message.payment_request != "",
        pays_self=PayeeCheck(message.payment_request, own_key) if asks and own_key else None,
        payee_among=PayeeSearch(message.payment_request) if asks else None,
        attempts=tuple(plain_attempt(htlc, own_key) for htlc in message.htlcs),
        destination=plain_destination(message.htlcs[-1]) if message.htlcs else "",
    )


def plain_destination(message: rpc.HTLCAttempt) -> str:
    """Return the key of the recipient."""
    hops = message.route.hops
    return plain_hex(hops[-1].pub_key, 66) if hops and hops[-1].encrypted_data == b"" else ""


def plain_attempt(message: rpc.HTLCAttempt, own_key: str) -> Attempt:
    """Decode an attempt."""
    hops = list(message.route.hops)
    is_failed = message.status == rpc.HTLCAttempt.FAILED
    return Attempt(
        attempt_id=message.attempt_id,
        status=decode._ATTEMPT_STATUS.get(message.status, AttemptStatus.IN_FLIGHT),
        attempt_ns=message.attempt_time_ns,
        resolve_ns=message.resolve_time_ns,
        amount_msat=message.route.total_amt_msat,
        fee_msat=message.route.total_fees_msat,
        hops=len(hops),
        peer=plain_hex(hops[0].pub_key, 66) if hops else "",
        expiry_height=message.route.total_time_lock,
        hint=plain_hint(hops[-1], own_key) if hops else None,
        code=plain_code(message) if is_failed else None,
        source=plain_source(message) if is_failed else None,
        before_recipient=is_failed and plain_before_recipient(message),
        failed_by=plain_failed_by(message) if is_failed else "",
        back_peer=plain_hex(hops[-2].pub_key, 66)
        if len(hops) > 1 and plain_hint(hops[-1], own_key) is Kind.REBALANCE
        else "",
        channel_id=hops[0].chan_id if hops and not hops[-1].HasField("amp_record") else 0,
    )


def plain_failed_by(message: rpc.HTLCAttempt) -> str:
    """Return the key of the node between first hop and recipient that failed an attempt."""
    if plain_source(message) is not FailureSource.INTERMEDIATE:
        return ""
    return plain_hex(message.route.hops[message.failure.failure_source_index - 1].pub_key, 66)


def plain_hint(last: rpc.Hop, own_key: str) -> Kind | None:
    """Return the kind that the last hop shows."""
    if own_key != "" and plain_hex(last.pub_key, 66) == own_key:
        return Kind.REBALANCE
    if last.HasField("amp_record"):
        return Kind.AMP
    return Kind.KEYSEND if 5482373484 in list(last.custom_records) else None


def plain_code(message: rpc.HTLCAttempt) -> Code:
    """Return why an attempt failed."""
    return decode._CODE.get(message.failure.code, Code.OTHER) if message.HasField("failure") else Code.OTHER


def plain_source(message: rpc.HTLCAttempt) -> FailureSource:
    """Return who failed an attempt."""
    index, hops = message.failure.failure_source_index, len(message.route.hops)
    if not message.HasField("failure") or index > hops:
        return FailureSource.UNKNOWN
    if index == 0:
        sourceless = (Code.INTERNAL_FAILURE, Code.UNKNOWN_FAILURE, Code.UNREADABLE_FAILURE)
        return FailureSource.UNKNOWN if plain_code(message) in sourceless else FailureSource.SELF
    if index == hops:
        return FailureSource.RECIPIENT
    return FailureSource.FIRST_HOP if index == 1 else FailureSource.INTERMEDIATE


def plain_before_recipient(message: rpc.HTLCAttempt) -> bool:
    """Return whether another node failed an attempt, and only the recipient comes after it."""
    index, hops = message.failure.failure_source_index, len(message.route.hops)
    return message.HasField("failure") and index != 0 and index + 1 == hops


hexes = st.text(alphabet="0123456789abcdefABCDEF -_x\tg\u0660", min_size=62, max_size=67) | st.sampled_from(
    [
        HASH,
        HASH.upper(),
        f" {HASH[1:]}",
        f"{HASH[:-1]} ",
        f"{HASH} ",
        f"{HASH[:30]}  {HASH[32:]}",
        OWN,
        OWN.upper(),
        PEER,
        FAR,
        "",
    ]
)
hop = st.builds(
    rpc.Hop,
    chan_id=st.integers(0, 2),
    pub_key=hexes,
    amp_record=st.none() | st.just(rpc.AMPRecord()),
    encrypted_data=st.sampled_from([b"", b"path"]),
    custom_records=st.dictionaries(st.sampled_from([5482373484, 1]), st.just(b""), max_size=2),
)
failure = st.builds(
    rpc.Failure,
    code=st.sampled_from([0, 1, 12, 15, 23, 26, 997, 998, 999]),
    failure_source_index=st.integers(0, 4),
)
htlc = st.builds(
    rpc.HTLCAttempt,
    attempt_id=st.integers(0, 3),
    status=st.integers(0, 3),
    route=st.none() | st.builds(rpc.Route, hops=st.lists(hop, max_size=4), total_amt_msat=st.integers(-1, 2)),
    failure=st.none() | failure,
)
likely = st.builds(
    rpc.Payment,
    payment_hash=hexes,
    creation_date=st.integers(0, 2),
    creation_time_ns=st.integers(0, 2),
    status=st.integers(0, 5),
    failure_reason=st.integers(0, 8),
    payment_request=st.sampled_from(["", BOLT11_DONATION]),
    htlcs=st.lists(htlc, max_size=3),
)


@given(payments() | likely, st.sampled_from([OWN, ""]))
def test_decoding_is_the_plain_way(message: rpc.Payment, own_key: str) -> None:
    """Every field of the snapshot and of its attempts."""
    assert decode.payment(message, own_key) == plain_payment(message, own_key)


@given(payments() | likely)
def test_derived_values_are_the_plain_ones(message: rpc.Payment) -> None:
    """Whether it is malformed, and lnd's newest time of its attempts."""
    payment = decode.payment(message, OWN)
    times = [0, *(a.attempt_ns for a in payment.attempts), *(a.resolve_ns for a in payment.attempts)]
    assert payment.latest_ns == max(times)
    amounts = [payment.value_msat, payment.fee_msat]
    amounts += [msat for a in payment.attempts for msat in (a.amount_msat, a.fee_msat)]
    stored = 1000 <= payment.created_ns < 2**63 and 0 <= payment.payment_index < 2**63
    assert payment.malformed is (not payment.payment_hash or not stored or min(amounts) < 0)
