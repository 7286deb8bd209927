"""The description of a payment in flight, and the last answers of its node."""

from exporter.payments.description import FirstHop, PaymentInFlight, describe
from exporter.payments.labels import NodeState, Purpose, Reason, Status
from exporter.payments.node import Channels, Info, LastKnown, NodeStatus
from tests.payments.build import FAILED, HASH, IN_FLIGHT, INITIATED, PEER, T0, Observer, at, failed, flying, payment

OTHER_PEER = "03" + "22" * 32


def only(observer: Observer, seconds: float = 10) -> PaymentInFlight:
    """Describe the one payment in flight, that many seconds after it was created."""
    (run,) = observer.tracker.open.values()
    return describe(run, {PEER: "café"}, at(seconds).wall_ns)


def test_payment_with_one_htlc() -> None:
    """All fields; the age in whole seconds."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, failed(flying(1)), flying(2)), 1)
    assert only(observer, 10.9) == PaymentInFlight(
        payment_hash=HASH,
        created_us=T0 // 1000,
        age_s=10,
        purpose=Purpose.PAYMENT,
        amount_msat=1_000_000,
        status=Status.IN_FLIGHT,
        given_up=None,
        first_hops=(FirstHop(PEER, "café", 1, 1_000_010),),
        ghosts=0,
        expiry_height=800_144,
    )


def test_payment_with_several_parts() -> None:
    """By first hop, the largest amount first; the earliest expiry that is known."""
    parts = (
        flying(1, msat=100)._replace(expiry_height=0),
        flying(2, msat=150)._replace(peer=OTHER_PEER, expiry_height=800_500),
        flying(3, msat=100)._replace(expiry_height=800_300),
        flying(4, msat=1)._replace(peer="", expiry_height=0),
    )
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, *parts), 1)
    found = only(observer)
    assert found.first_hops == (
        FirstHop(PEER, "café", 2, 200),
        FirstHop(OTHER_PEER, "", 1, 150),
        FirstHop("", "", 1, 1),
    )
    assert (found.htlcs, found.expiry_height) == (4, 800_300)


def test_payment_without_htlc() -> None:
    """Between two attempts, or stalled. The age is never negative, even if our clock is behind."""
    observer = Observer()
    observer.receive(payment(INITIATED), 1)
    found = only(observer, -5)
    assert (found.status, found.htlcs, found.expiry_height, found.age_s) == (Status.INITIATED, 0, None, 0)


def test_given_up_until_it_has_ended() -> None:
    """With the reason that lnd writes while an HTLC is outstanding."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, flying(), reason=Reason.TIMEOUT), 1)
    assert (only(observer).status, only(observer).given_up) == (Status.IN_FLIGHT, Reason.TIMEOUT)
    observer.receive(payment(FAILED, failed(flying()), reason=Reason.TIMEOUT), 2)
    assert (only(observer).status, only(observer).given_up) == (Status.FAILED, None)


def test_last_answers_are_updated_from_the_status() -> None:
    """Parts that the status doesn't have stay; of aliases only those of peers in use."""
    info = Info("02" * 33, block_height=800_000, best_header_s=1_000)
    channels = Channels(5, {PEER: "café", "04": "idle"})
    well = NodeStatus(NodeState.READY, stream_up=True, info=info, channels=channels)
    first = LastKnown().then(well, [PEER, OTHER_PEER], 7)
    assert first == LastKnown(NodeState.READY, True, 7, 800_000, 1_000, {PEER: "café"})
    away = first.then(NodeStatus(), [PEER], 8)
    assert away == LastKnown(NodeState.UNREACHABLE, False, 7, 800_000, 1_000, {PEER: "café"})
    assert away.then(NodeStatus(), [], 9).aliases == {}
    renamed = NodeStatus(channels=Channels(5, {PEER: "tea"}))
    assert first.then(renamed, [PEER], 8).aliases == {PEER: "tea"}


def test_height_is_estimated_by_one_block_in_ten_minutes() -> None:
    """Since the last block, never less; None if lnd never sent a height."""
    heard = LastKnown(block_height=800_000, best_header_s=1_000)
    assert [heard.height_at(now_s) for now_s in (900, 1_599, 1_600, 1_000 + 6_000)] == [
        800_000,
        800_000,
        800_001,
        800_010,
    ]
    assert LastKnown(block_height=800_000).height_at(10**9) == 800_000
    assert LastKnown().height_at(10**9) is None


def test_lnd_sees_no_blocks_if_its_newest_is_older_than_two_hours() -> None:
    """To the second; an unknown age proves nothing."""
    heard = LastKnown(block_height=800_000, best_header_s=1_000)
    assert [heard.sees_blocks(now_s) for now_s in (900, 8_200, 8_201)] == [True, True, False]
    assert LastKnown().sees_blocks(10**9)
