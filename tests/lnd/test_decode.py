"""Decoding lnd's messages: every field, every enum value, and whatever else protobuf can parse."""

from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from exporter.lnd import bolt11, decode
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Kind, NodeState, Reason, Status
from exporter.payments.node import Channels, Info, Offered, OfferedHtlc, PeerChannels
from exporter.payments.payment import Attempt, Payment

HASH = "ab" * 32
OWN, PEER, FAR = "02" + "aa" * 32, "03" + "bb" * 32, "02" + "cc" * 32
OTHER = "03" + "dd" * 32
# BOLT 11, examples: made by this key (e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734).
BOLT11_PAYEE = "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad"
BOLT11_DONATION = (
    "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq"
    "5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnl"
    "s087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql"
)


def hop(key: str, **changes: object) -> rpc.Hop:
    """Return a hop."""
    return rpc.Hop(pub_key=key, **changes)  # type: ignore[arg-type]


def attempt(*hops: rpc.Hop, status: int = 0, failure: rpc.Failure | None = None) -> rpc.HTLCAttempt:
    """Return an attempt with every field set."""
    return rpc.HTLCAttempt(
        attempt_id=7,
        status=status,  # type: ignore[arg-type]
        attempt_time_ns=5_000,
        resolve_time_ns=9_000 if status else 0,
        route=rpc.Route(total_time_lock=800_144, total_fees_msat=10, total_amt_msat=1_010, hops=hops),
        failure=failure,
    )


def test_every_field_of_a_payment() -> None:
    """The hash becomes lower case."""
    message = rpc.Payment(
        payment_hash=HASH.upper(),
        creation_date=1,
        creation_time_ns=1_234_567_891,
        payment_index=42,
        status=rpc.Payment.IN_FLIGHT,
        failure_reason=rpc.FAILURE_REASON_TIMEOUT,
        value_msat=1_000,
        fee_msat=10,
        payment_request=BOLT11_DONATION,
        htlcs=[attempt(hop(PEER), hop(FAR), status=rpc.HTLCAttempt.SUCCEEDED)],
    )
    assert decode.payment(message, OWN) == Payment(
        payment_hash=HASH,
        created_ns=1_234_567_891,
        payment_index=42,
        status=Status.IN_FLIGHT,
        reason=Reason.TIMEOUT,
        value_msat=1_000,
        fee_msat=10,
        invoice=True,
        pays_self=None,
        attempts=(
            Attempt(
                attempt_id=7,
                status=AttemptStatus.SETTLED,
                attempt_ns=5_000,
                resolve_ns=9_000,
                amount_msat=1_010,
                fee_msat=10,
                hops=2,
                peer=PEER,
                expiry_height=800_144,
            ),
        ),
        destination=FAR,
    )


def test_destination_is_the_last_hop() -> None:
    """It is unknown without attempts, without a route, with a key that is none, and on a blinded path."""

    def destination(*attempts: rpc.HTLCAttempt) -> str:
        return decode.payment(rpc.Payment(htlcs=attempts), OWN).destination

    assert destination(attempt(hop(PEER), hop(FAR.upper()))) == FAR
    assert destination(attempt(hop(PEER))) == PEER
    assert destination(attempt(hop(PEER), hop(OWN))) == OWN
    blinded = attempt(hop(PEER), hop(FAR, encrypted_data=b"path"))
    for unknown in ([], [attempt()], [attempt(hop(PEER), hop("no key"))], [blinded]):
        assert destination(*unknown) == ""
    assert destination(blinded, attempt(hop(PEER), hop(FAR))) == FAR


def test_node_that_failed_an_attempt_on_the_way() -> None:
    """Its key is in the attempt; not that of this node, the first hop or the recipient, which are known anyway."""
    route = (hop(PEER), hop(FAR), hop(OTHER), hop(OWN))
    named = []
    for index in (0, 1, 2, 3, 4, 5):
        failure = rpc.Failure(code=rpc.Failure.TEMPORARY_CHANNEL_FAILURE, failure_source_index=index)
        message = attempt(*route, status=rpc.HTLCAttempt.FAILED, failure=failure)
        named.append(decode.payment(rpc.Payment(htlcs=[message]), OWN).attempts[0].failed_by)
    assert named == ["", "", FAR, OTHER, "", ""]


def test_creation_date_replaces_missing_nanoseconds() -> None:
    """lnd before 0.8 sends seconds only."""
    message = rpc.Payment(payment_hash=HASH, creation_date=1_600_000_000)
    assert decode.payment(message, OWN).created_ns == 1_600_000_000 * 10**9


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, HASH + "00", "0x" + "ab" * 31, f" {HASH}", f"ab {HASH[3:]}"])
def test_invalid_hash_is_empty(text: str) -> None:
    """A hash has exactly 64 hex digits."""
    assert decode.payment(rpc.Payment(payment_hash=text), OWN).payment_hash == ""


def test_every_enum_value() -> None:
    """One that a newer lnd has added becomes `other`; an unknown status isn't terminal."""
    statuses = {n: decode.payment(rpc.Payment(status=n), OWN).status for n in (0, 1, 2, 3, 4, 99)}  # type: ignore[arg-type]
    in_flight = Status.IN_FLIGHT
    assert statuses == {
        0: in_flight, 1: in_flight, 2: Status.SUCCEEDED, 3: Status.FAILED, 4: Status.INITIATED, 99: in_flight,
    }  # fmt: skip
    reasons = [decode.payment(rpc.Payment(failure_reason=n), OWN).reason for n in range(8)]  # type: ignore[arg-type]
    assert reasons == [
        Reason.NONE, Reason.TIMEOUT, Reason.NO_ROUTE, Reason.ERROR, Reason.INCORRECT_PAYMENT_DETAILS,
        Reason.INSUFFICIENT_BALANCE, Reason.CANCELED, Reason.OTHER,
    ]  # fmt: skip
    codes = {code_of(number) for number in (*range(27), 997, 998, 999)}
    assert codes == set(Code)
    assert code_of(26) is code_of(12345) is Code.OTHER
    states = {n: decode.state(n) for n in (0, 1, 2, 3, 4, 255, 77)}
    assert states == {
        0: NodeState.NO_WALLET, 1: NodeState.LOCKED, 2: NodeState.STARTING, 3: NodeState.READY, 4: NodeState.READY,
        255: NodeState.STARTING, 77: NodeState.STARTING,
    }  # fmt: skip


def failed(number: int, index: int, hops: int = 3, *, with_failure: bool = True) -> Attempt:
    """Decode an attempt over this many hops that failed with a code at an index."""
    failure = rpc.Failure(code=number, failure_source_index=index) if with_failure else None  # type: ignore[arg-type]
    message = attempt(*[hop(FAR)] * hops, status=rpc.HTLCAttempt.FAILED, failure=failure)
    (decoded,) = decode.payment(rpc.Payment(htlcs=[message]), OWN).attempts
    return decoded


def code_of(number: int) -> Code | None:
    """Decode a failure code."""
    return failed(number, 1).code


@pytest.mark.parametrize(
    ("number", "index", "hops", "source"),
    [
        (15, 0, 3, FailureSource.SELF),
        (15, 1, 3, FailureSource.FIRST_HOP),
        (15, 2, 3, FailureSource.INTERMEDIATE),
        (1, 3, 3, FailureSource.RECIPIENT),
        (1, 1, 1, FailureSource.RECIPIENT),
        (15, 4, 3, FailureSource.UNKNOWN),
        (997, 0, 3, FailureSource.UNKNOWN),
        (998, 0, 3, FailureSource.UNKNOWN),
        (999, 0, 3, FailureSource.UNKNOWN),
        (15, 0, 0, FailureSource.SELF),
    ],
)
def test_failure_source(number: int, index: int, hops: int, source: FailureSource) -> None:
    """The index counts hops from this node, and is 0 also when lnd doesn't know the source."""
    assert failed(number, index, hops).source is source


@pytest.mark.parametrize(
    ("index", "hops", "before_recipient"),
    [
        (0, 1, False),
        (1, 1, False),
        (0, 2, False),
        (1, 2, True),
        (2, 2, False),
        (1, 3, False),
        (2, 3, True),
        (4, 3, False),
    ],
)
def test_failure_before_the_recipient(index: int, hops: int, before_recipient: bool) -> None:  # noqa: FBT001
    """It is one hop before the last, and never this node."""
    assert failed(15, index, hops).before_recipient is before_recipient


def test_failed_attempt_without_failure_has_code_other() -> None:
    """Its source is unknown."""
    decoded = failed(0, 0, with_failure=False)
    assert (decoded.code, decoded.source, decoded.before_recipient) == (Code.OTHER, FailureSource.UNKNOWN, False)


@pytest.mark.parametrize(
    ("last", "hint"),
    [
        (lambda: hop(FAR), None),
        (lambda: hop(OWN), Kind.REBALANCE),
        (lambda: hop(OWN, amp_record=rpc.AMPRecord()), Kind.REBALANCE),
        (lambda: hop(FAR, amp_record=rpc.AMPRecord()), Kind.AMP),
        (lambda: hop(FAR, custom_records={5482373484: b"preimage"}), Kind.KEYSEND),
        (lambda: hop(FAR, custom_records={7629169: b"podcast"}), None),
    ],
)
def test_last_hop_hints_at_the_kind(last: Callable[[], rpc.Hop], hint: Kind | None) -> None:
    """Own key, AMP record, keysend record."""
    (decoded,) = decode.payment(rpc.Payment(htlcs=[attempt(hop(PEER), last())]), OWN).attempts
    assert decoded.hint is hint


def test_request_to_own_key_pays_self() -> None:
    """The payment request is checked only for ended runs without attempts, and only if our key is known."""
    ended = rpc.Payment(status=rpc.Payment.FAILED, payment_request=BOLT11_DONATION)
    ours, theirs = decode.payment(ended, BOLT11_PAYEE).pays_self, decode.payment(ended, OWN).pays_self
    assert ours is not None
    assert ours()
    assert theirs is not None
    assert not theirs()
    assert decode.payment(ended, "").pays_self is None
    tried = rpc.Payment(status=rpc.Payment.FAILED, payment_request=BOLT11_DONATION, htlcs=[attempt(hop(FAR))])
    assert decode.payment(tried, BOLT11_PAYEE).pays_self is None
    running = rpc.Payment(status=rpc.Payment.IN_FLIGHT, payment_request=BOLT11_DONATION)
    assert decode.payment(running, BOLT11_PAYEE).pays_self is None
    assert decode.payment(rpc.Payment(status=rpc.Payment.FAILED), BOLT11_PAYEE).pays_self is None


def test_decoding_verifies_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is left to the one who counts: lnd shows an ended payment many times."""
    asked: list[str] = []
    monkeypatch.setattr(bolt11, "pays", lambda request, _key: asked.append(request))
    message = rpc.Payment(payment_hash=HASH, status=rpc.Payment.FAILED, payment_request=BOLT11_DONATION)
    checks = [decode.payment(message, BOLT11_PAYEE).pays_self for _ in range(3)]
    assert asked == []
    assert checks[2] is not None
    checks[2]()
    assert asked == [BOLT11_DONATION]


@given(st.binary(max_size=300))
def test_any_parsable_bytes_are_decoded(data: bytes) -> None:
    """Bytes that protobuf can't parse never reach `decode`."""
    try:
        message = rpc.Payment.FromString(data)
    except DecodeError:
        return
    decode.payment(message, OWN)


@st.composite
def payments(draw: st.DrawFn) -> rpc.Payment:
    """Generate a payment with any number and any text in any field."""
    int64, uint64, uint32 = st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1)
    enum = st.integers(-(2**31), 2**31 - 1) | st.integers(0, 30)
    key = st.sampled_from([OWN, PEER, ""]) | st.text()
    return rpc.Payment(
        payment_hash=draw(st.just(HASH) | st.text()),
        creation_date=draw(int64),
        creation_time_ns=draw(int64),
        payment_index=draw(uint64),
        status=draw(enum),  # type: ignore[arg-type]
        failure_reason=draw(enum),  # type: ignore[arg-type]
        value_msat=draw(int64),
        fee_msat=draw(int64),
        payment_request=draw(st.just(BOLT11_DONATION) | st.text() | st.from_regex(r"lnbc[0-9a-z]*1[a-z0-9]*")),
        htlcs=[
            rpc.HTLCAttempt(
                status=draw(enum),  # type: ignore[arg-type]
                attempt_id=draw(uint64),
                attempt_time_ns=draw(int64),
                resolve_time_ns=draw(int64),
                route=rpc.Route(
                    total_time_lock=draw(uint32),
                    total_fees_msat=draw(int64),
                    total_amt_msat=draw(int64),
                    hops=[rpc.Hop(pub_key=k) for k in draw(st.lists(key, max_size=3))],
                ),
                failure=draw(st.none() | st.just(rpc.Failure(code=draw(enum), failure_source_index=draw(uint32)))),  # type: ignore[arg-type]
            )
            for _ in range(draw(st.integers(0, 2)))
        ],
    )


@given(payments())
def test_any_values_are_decoded(message: rpc.Payment) -> None:
    """No value raises, and no arbitrary text becomes a hash or a peer."""
    decoded = decode.payment(message, OWN)
    assert decoded.payment_hash in ("", HASH)
    assert all(a.peer in ("", OWN, PEER) for a in decoded.attempts)


def test_every_field_of_info() -> None:
    """That is, each field of GetInfo that is used."""
    message = rpc.GetInfoResponse(
        identity_pubkey=OWN, alias="us", version="0.21.2", block_height=7, best_header_timestamp=8,
        synced_to_chain=True, synced_to_graph=True, num_active_channels=1, num_inactive_channels=2,
        num_pending_channels=3, chains=[rpc.Chain(network="regtest")],
    )  # fmt: skip
    assert decode.info(message) == Info(OWN, "us", "0.21.2", "regtest", 7, 8, True, 1, 2, 3, True)


def test_channels_with_each_peer() -> None:
    """Channels are added up by peer; balances are those of active channels above the reserve, never negative."""

    def bounds(reserve_sat: int, htlcs: int, msat: int) -> rpc.ChannelConstraints:
        return rpc.ChannelConstraints(chan_reserve_sat=reserve_sat, max_accepted_htlcs=htlcs, max_pending_amt_msat=msat)

    htlcs = [
        rpc.HTLC(amount=7, hash_lock=b"\xaa", expiration_height=1),
        rpc.HTLC(amount=8, hash_lock=b"\xbb", expiration_height=2),
        rpc.HTLC(amount=100, hash_lock=b"\xcc", expiration_height=3, incoming=True),
    ]
    ours, theirs = bounds(10, 30, 5_000), bounds(20, 483, 6_000)
    message = rpc.ListChannelsResponse(
        channels=[
            rpc.Channel(
                remote_pubkey=PEER, chan_id=1, active=True, local_balance=100, remote_balance=50, peer_alias="bob",
                local_constraints=ours, remote_constraints=theirs, pending_htlcs=htlcs,
            ),
            rpc.Channel(
                remote_pubkey=PEER, chan_id=2, active=True, local_balance=5, remote_balance=19, peer_alias="bob",
                local_constraints=ours, remote_constraints=theirs,
            ),
            rpc.Channel(
                remote_pubkey=FAR, chan_id=3, active=False, local_balance=110, remote_balance=70,
                local_constraints=ours, remote_constraints=theirs, pending_htlcs=htlcs[:1],
            ),
        ]
    )  # fmt: skip
    bob = PeerChannels(
        active=2,
        spendable_msat=90_000,
        receivable_msat=30_000,
        offered=2,
        offered_limit=60,
        offered_msat=15_000,
        offered_msat_limit=10_000,
    )
    far = PeerChannels(inactive=1, offered=1, offered_limit=30, offered_msat=7_000, offered_msat_limit=5_000)
    # A peer that is offline acknowledges nothing.
    offered: dict[int, Offered] = {1: {"aa": (OfferedHtlc(7, 1),), "bb": (OfferedHtlc(8, 2),)}, 2: {}}
    assert decode.channels(message) == Channels(90_000, {PEER: "bob"}, {PEER: bob, FAR: far}, offered, 100_000)


def test_htlcs_of_one_hash() -> None:
    """Several parts over one channel, and one that comes back: a rebalance through the same peer."""
    parts = [rpc.HTLC(amount=amount, hash_lock=b"\xaa", expiration_height=9) for amount in (5, 5, 6)]
    back = rpc.HTLC(amount=5, hash_lock=b"\xaa", expiration_height=9, incoming=True)
    channel = rpc.Channel(pending_htlcs=[*parts, back])
    assert decode.offered(channel) == {"aa": (OfferedHtlc(5, 9), OfferedHtlc(5, 9), OfferedHtlc(6, 9))}
    assert decode.offered(rpc.Channel(pending_htlcs=[back])) == {}


def test_zero_conf_channel_has_two_ids() -> None:
    """Routes name a public one by its confirmed id, once it has one; `chan_id` remains the alias."""
    htlc = rpc.HTLC(amount=5, hash_lock=b"\xaa", expiration_height=9)
    channel = rpc.Channel(active=True, chan_id=1, zero_conf_confirmed_scid=2, pending_htlcs=[htlc])
    listed = decode.channels(rpc.ListChannelsResponse(channels=[channel])).offered
    assert listed == {1: {"aa": (OfferedHtlc(5, 9),)}, 2: {"aa": (OfferedHtlc(5, 9),)}}
