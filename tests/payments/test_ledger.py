"""Facts in, totals out: the totals that a payment changes, and no others."""

from exporter.payments import inflight
from exporter.payments.event import CatchUpPageRead, LndCalled, StreamInterrupted
from exporter.payments.labels import (
    Age,
    BlocksLeft,
    CallOutcome,
    Code,
    FailureSource,
    Interruption,
    Kind,
    Method,
    Purpose,
    Reason,
)
from exporter.payments.ledger import PEER_COUNTERS, Ledger
from exporter.payments.node import Info, NodeStatus
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName
from exporter.payments.view import capture_view
from tests.payments.build import (
    FAILED,
    IN_FLIGHT,
    PEER,
    SUCCEEDED,
    T0,
    Observer,
    at,
    failed,
    flying,
    payment,
    refused,
    settled,
)
from tests.payments.test_laws import flat

A, B = flying(1), flying(2, sent_s=3)


def test_new_ledger_is_zero() -> None:
    """All series of the closed sets exist."""
    assert flat(Ledger()) == {}
    assert len(Ledger().counters[Counter.FAILED]) == 6 * (7 * 6 + 2)
    assert ("invoice", "under_1k_sat", "other") in Ledger().counters[Counter.FAILED]
    assert ("keysend", "under_1k_sat", "other") not in Ledger().counters[Counter.FAILED]
    assert len(Ledger().counters[Counter.FAILED_BY_CAUSE]) == 6 * (3 * 10 + 3)
    assert ("probe", "under_1k_sat") not in Ledger().counters[Counter.SUCCEEDED]


def test_success() -> None:
    """All totals that change with one retry, then 1000 sat for 10 msat."""
    observer = Observer()
    observer.receive(payment(), 0)
    observer.receive(payment(IN_FLIGHT, A), 1)
    observer.receive(payment(IN_FLIGHT, failed(A)), 2)
    observer.receive(payment(IN_FLIGHT, failed(A), B), 3)
    observer.receive(payment(SUCCEEDED, failed(A), settled(B, end_s=4)), 4)
    observer.release(5)
    assert flat(observer.ledger) == {
        ("started",): 1,
        ("transitions", "new", "in_flight"): 1,
        ("transitions", "in_flight", "succeeded"): 1,
        ("succeeded", "invoice", "1k_to_10k_sat"): 1,
        ("sent", "invoice", "1k_to_10k_sat"): 1_000_000,
        ("fees", "invoice", "1k_to_10k_sat"): 10,
        ("attempts_started",): 2,
        ("attempts_settled",): 1,
        ("attempts_failed", "payment", "temporary_channel_failure", "intermediate"): 1,
        ("locked_msat_ms", "succeeded"): 1_000_010 * 1000,
        ("locked_msat_ms", "failed"): 1_000_010 * 1000,
        ("peer_attempts", PEER, "settled"): 1,
        ("peer_attempts", PEER, "failed_beyond"): 1,
        ("peer_sent", PEER): 1_000_000,
        ("peer_fees", PEER): 10,
        ("peer_fees_by_purpose", PEER, "payment"): 10,
        ("peer_outstanding_ms", PEER, "succeeded"): 1000,
        ("peer_outstanding_ms", PEER, "failed"): 1000,
        ("updates", "stream"): 5,
        ("fee", "payment", "1"): 1,
        ("fee", "payment", "sum"): 10,
        ("fee_ppm", "payment", "2"): 1,
        ("fee_ppm", "payment", "sum"): 10_000_000,
        ("duration", "payment", "succeeded", "5"): 1,
        ("duration", "payment", "succeeded", "sum"): 4_000_000_000,
        ("first_attempt", "5"): 1,
        ("first_attempt", "sum"): 1_000_000_000,
        ("attempts", "payment", "succeeded", "2"): 1,
        ("attempts", "payment", "succeeded", "sum"): 2,
        ("parts", "payment", "0"): 1,
        ("parts", "payment", "sum"): 1,
        ("runs", "payment", "0"): 1,
        ("runs", "payment", "sum"): 1,
        ("attempt_duration", "succeeded", "3"): 1,
        ("attempt_duration", "succeeded", "sum"): 1_000_000_000,
        ("attempt_duration", "failed", "3"): 1,
        ("attempt_duration", "failed", "sum"): 1_000_000_000,
        ("attempt_hops", "succeeded", "2"): 1,
        ("attempt_hops", "succeeded", "sum"): 3,
        ("attempt_hops", "failed", "2"): 1,
        ("attempt_hops", "failed", "sum"): 3,
        ("update_delay", "0"): 4,
    }


def test_fee_rate_is_compared_exactly() -> None:
    """A rate of exactly 1 ppm is in the bucket of 1, a slightly higher one is not, and the lowest fee is not 0."""
    histogram = Histogram((0, 1_000_000, 10_000_000))
    for fee, value in ((0, 10**6), (1, 10**6), (1_000_001, 10**12), (1, 10**18)):
        histogram.observe(-(-fee * 10**12 // value))
    assert histogram.buckets == [1, 2, 1, 0]


def test_edges_are_inclusive() -> None:
    """A value on an edge belongs to the bucket below it, as for `le`."""
    histogram = Histogram((10, 20))
    for value in (0, 10, 11, 20, 21):
        histogram.observe(value)
    assert (histogram.buckets, histogram.total) == ([2, 2, 1], 62)


def test_success_with_a_reason_is_late() -> None:
    """lnd had reported to the caller that it failed."""
    observer = Observer()
    observer.receive(payment(SUCCEEDED, settled(A), reason=Reason.TIMEOUT), 2)
    observer.release(3)
    late = observer.ledger.counters[Counter.SUCCEEDED_LATE]
    assert {labels: n for labels, n in late.items() if n} == {("timeout",): 1}


def peer_outcome(code: Code, source: FailureSource, hops: int = 3) -> str:
    """Return where an attempt that failed is counted, seen from its first hop."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, failed(A._replace(hops=hops), code, source)), 2)
    ((_, outcome),) = [k for k, n in observer.ledger.counters[Counter.PEER_ATTEMPTS].items() if n]
    return outcome


def test_failures_beyond_a_peer_are_not_its_own() -> None:
    """The failure of the recipient is beyond even a peer that is the recipient."""
    code = Code.TEMPORARY_CHANNEL_FAILURE
    assert peer_outcome(code, FailureSource.SELF) == "failed_here"
    assert peer_outcome(code, FailureSource.FIRST_HOP) == "failed_at_peer"
    assert peer_outcome(code, FailureSource.RECIPIENT, hops=1) == "failed_beyond"
    assert peer_outcome(code, FailureSource.RECIPIENT) == "failed_beyond"
    assert peer_outcome(code, FailureSource.INTERMEDIATE) == "failed_beyond"
    assert peer_outcome(Code.UNREADABLE_FAILURE, FailureSource.UNKNOWN) == "failed_beyond"


def test_peers_without_a_place_are_other() -> None:
    """The first ones get the places; with 0 places nothing is counted by peer."""
    for limit, labels in ((2, {"p1", "p2", "other"}), (0, set[str]())):
        observer = Observer(ledger=Ledger(max_peers=limit))
        for number in range(1, 5):
            attempt = flying(number)._replace(peer=f"p{number}")
            observer.receive(payment(IN_FLIGHT, attempt, payment_hash=f"{number:064x}", payment_index=number), 1)
        assert {peer for peer, _ in observer.ledger.counters[Counter.PEER_ATTEMPTS]} == labels
        view = capture_view("lnd", observer.tracker, observer.ledger, NodeStatus(), at(1))
        assert {peer: htlcs for peer, (htlcs, _) in view.peers_in_flight.items()} == (
            {"p1": 1, "p2": 1, "other": 2} if limit else {}
        )


def test_without_places_no_resolution_is_counted_by_peer() -> None:
    """Neither that of an HTLC which settled nor of one which failed, nor what comes back."""
    observer = Observer(ledger=Ledger(max_peers=0))
    observer.receive(payment(SUCCEEDED, failed(A), settled(B)._replace(back_peer=PEER)), 4)
    observer.release(99)
    assert observer.ledger.counters[Counter.ATTEMPTS_SETTLED] == {(): 1}
    assert not any(observer.ledger.counters[counter] for counter in PEER_COUNTERS)


def test_histograms_go_on_where_they_were_saved_or_renamed() -> None:
    """What was observed before is not observed into any more: a series of the same labels is another one then."""
    name, labels, ledger = HistogramName.DESTINATION_DURATION, ("shops", "succeeded"), Ledger()
    ledger.observe(name, 1, *labels)
    saved = Histogram(EDGES[name])
    saved.observe(10)
    ledger.resume({}, {name: {labels: saved}})
    ledger.observe(name, 100, *labels)
    assert {at: each.total for at, each in ledger.histograms[name].items()} == {labels: 110}
    ledger.rename([name], ["shops"], "former")
    ledger.observe(name, 1000, *labels)
    assert {at: each.total for at, each in ledger.histograms[name].items()} == {
        ("former", "succeeded"): 110,
        labels: 1000,
    }


def test_facts_of_the_follower() -> None:
    """Interruptions, calls and pages read."""
    ledger = Ledger()
    ledger.apply(
        [
            StreamInterrupted(Interruption.LOCKED),
            LndCalled(Method.GET_INFO, CallOutcome.ERROR),
            CatchUpPageRead(500),
            CatchUpPageRead(7),
        ]
    )
    assert flat(ledger) == {
        ("interruptions", "locked"): 1,
        ("lnd_calls", "get_info", "error"): 1,
        ("catch_up",): 507,
    }


def test_view_is_a_copy() -> None:
    """Later updates don't change it."""
    observer = Observer()
    observer.receive(payment(IN_FLIGHT, A), 1)
    view = capture_view("lnd", observer.tracker, observer.ledger, NodeStatus(), at(1))
    observer.receive(payment(FAILED, refused(A)), 2)
    observer.release(3)
    assert sum(view.counters[Counter.FAILED].values()) == 0
    assert view.histograms[HistogramName.ATTEMPT_HOPS]["failed",].total == 0
    assert view.in_flight.htlcs == 1


def test_in_flight() -> None:
    """All gauges: a payment given up with two held HTLCs, one of them near expiry, and a new one; and a stalled one."""
    observer = Observer()
    near, far = A._replace(expiry_height=800_020), flying(2, sent_s=1, msat=7)._replace(expiry_height=800_500)
    fresh = flying(3, sent_s=3000, msat=5)._replace(expiry_height=800_001)
    observer.receive(payment(IN_FLIGHT, near, far, fresh, reason=Reason.TIMEOUT), 1)
    stalled = payment(IN_FLIGHT, created_s=100, payment_hash="cd" * 32, payment_index=11, invoice=False)
    observer.receive(stalled, 100)
    status = NodeStatus(info=Info(pubkey="", block_height=800_000))
    gauges = capture_view("lnd", observer.tracker, observer.ledger, status, at(3600)).in_flight
    assert {key: n for key, n in gauges.runs.items() if n} == {
        (Purpose.PAYMENT, Age.UNDER_1D): 1,
        (Purpose.OTHER, Age.UNDER_1H): 1,
    }
    gauges.runs.clear()
    assert gauges == inflight.InFlight(
        runs={},
        msat=2_000_000,
        given_up=1,
        given_up_msat=1_000_000,
        stalled=1,
        oldest_us=T0 // 1000,
        htlcs=3,
        htlcs_msat=1_000_010 + 7 + 5,
        held={
            BlocksLeft.EXPIRED: (0, 0),
            BlocksLeft.UNDER_36: (1, 1_000_010),
            BlocksLeft.UNDER_144: (0, 0),
            BlocksLeft.OVER: (1, 7),
        },
        earliest_expiry_height=800_020,
        peers={PEER: (3, 1_000_022)},
    )
    assert observer.tracker.open[payment().run].kind is Kind.INVOICE
