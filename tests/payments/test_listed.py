"""A payment in flight as a person wants to see it, and what a node said last."""

from exporter.payments.description import FirstHop, PaymentInFlight, describe
from exporter.payments.labels import NodeState, Purpose, Reason, Status
from exporter.payments.node import Channels, Info, LastKnown, NodeStatus
from tests.payments.build import FAILED, HASH, IN_FLIGHT, INITIATED, PEER, T0, Observer, at, failed, flying, payment

OTHER_PEER = "03" + "22" * 32


def only(observer: Observer, seconds: float = 10) -> PaymentInFlight:
    """The one payment in flight, so long after it was created."""
    (run,) = observer.tracker.open.values()
    return describe(run, {PEER: "café"}, at(seconds).wall_ns)


def test_one_htlc() -> None:
    """All of it; the age in whole seconds."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, failed(flying(1)), flying(2)), 1)
    assert only(observer, 10.9) == PaymentInFlight(
        payment_hash=HASH,
        created_us=T0 // 1000,
        age_s=10,
        purpose=Purpose.PAYMENT,
        amount_msat=1_000_000,
        status=Status.IN_FLIGHT,
        given_up=None,
        first_hops=(FirstHop(PEER, "café", 1, 1_000_010),),
        expiry_height=800_144,
    )


def test_several_parts() -> None:
    """By first hop, the one that locks most first; the earliest expiry that is known."""
    parts = (
        flying(1, msat=100)._replace(expiry_height=0),
        flying(2, msat=150)._replace(peer=OTHER_PEER, expiry_height=800_500),
        flying(3, msat=100)._replace(expiry_height=800_300),
        flying(4, msat=1)._replace(peer="", expiry_height=0),
    )
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, *parts), 1)
    found = only(observer)
    assert found.first_hops == (
        FirstHop(PEER, "café", 2, 200),
        FirstHop(OTHER_PEER, "", 1, 150),
        FirstHop("", "", 1, 1),
    )
    assert (found.htlcs, found.expiry_height) == (4, 800_300)


def test_no_htlc() -> None:
    """Between two tries, or stuck."""
    observer = Observer()
    observer.hear(payment(INITIATED), 1)
    found = only(observer, -5)
    assert (found.status, found.htlcs, found.expiry_height, found.age_s) == (Status.INITIATED, 0, None, 0)


def test_given_up() -> None:
    """With the reason that is written while an HTLC is out; once it has ended it is no longer given up."""
    observer = Observer()
    observer.hear(payment(IN_FLIGHT, flying(), reason=Reason.TIMEOUT), 1)
    assert (only(observer).status, only(observer).given_up) == (Status.IN_FLIGHT, Reason.TIMEOUT)
    observer.hear(payment(FAILED, failed(flying()), reason=Reason.TIMEOUT), 2)
    assert (only(observer).status, only(observer).given_up) == (Status.FAILED, None)


def test_what_a_node_said_last() -> None:
    """What isn't known any more is as it was; of peers only those in use."""
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


def test_the_height_of_a_node_that_is_away() -> None:
    """A block in ten minutes since the last one, never fewer; nothing where it never said."""
    heard = LastKnown(block_height=800_000, best_header_s=1_000)
    assert [heard.height_at(now_s) for now_s in (900, 1_599, 1_600, 1_000 + 6_000)] == [
        800_000,
        800_000,
        800_001,
        800_010,
    ]
    assert LastKnown(block_height=800_000).height_at(10**9) == 800_000
    assert LastKnown().height_at(10**9) is None
