"""A failed hash that is paid again: its failed runs are made good when a later run succeeds."""

import pytest

from exporter.payments import failed_hashes
from exporter.payments import saved as saving
from exporter.payments.event import FailedRuns, PaymentSucceeded
from exporter.payments.labels import Kind, Reason, Source
from exporter.payments.ledger import Ledger
from exporter.payments.node import LastKnown, NodeStatus
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture_view
from exporter.store import codec
from tests.payments.build import FAILED, HASH, OTHER_HASH, SUCCEEDED, Observer, at, flying, payment, refused, settled

DAY_S = 86_400
KEYSEND = flying(hint=Kind.KEYSEND)


def fail(observer: Observer, seconds: float, reason: Reason = Reason.NO_ROUTE, payment_hash: str = HASH) -> None:
    """Let a run without attempts fail and be counted."""
    snapshot = payment(FAILED, reason=reason, created_s=seconds, payment_hash=payment_hash, payment_index=int(seconds))
    observer.receive(snapshot, seconds)
    observer.release(seconds + 1)


def succeed(observer: Observer, seconds: float, payment_hash: str = HASH) -> tuple[FailedRuns, ...]:
    """Let a run succeed and be counted; return what it made good."""
    paid = settled(flying(int(seconds), sent_s=seconds), end_s=seconds)
    snapshot = payment(SUCCEEDED, paid, created_s=seconds, payment_hash=payment_hash, payment_index=int(seconds))
    observer.receive(snapshot, seconds)
    observer.release(seconds + 1)
    (success,) = [
        end for end in observer.events if isinstance(end, PaymentSucceeded) and end.ending.run == snapshot.run
    ]
    return success.made_good


def counted(observer: Observer) -> dict[tuple[str, ...], int]:
    """Return the failed runs that are counted as made good."""
    return {labels: n for labels, n in observer.ledger.counters[Counter.FAILED_MADE_GOOD].items() if n}


def runs(reason: Reason, number: int = 1) -> FailedRuns:
    """Return failed runs of 1000 sat, paid by invoice."""
    return FailedRuns("invoice", "1k_to_10k_sat", reason, number)


def test_made_good_with_the_labels_of_each_failure() -> None:
    """Nothing is counted before the success; with it all failed runs of the hash are, and each only once."""
    observer = Observer()
    for seconds, reason in enumerate((Reason.NO_ROUTE, Reason.TIMEOUT, Reason.NO_ROUTE), 1):
        fail(observer, 10 * seconds, reason)
        assert counted(observer) == {}
    assert succeed(observer, 40) == (runs(Reason.NO_ROUTE, 2), runs(Reason.TIMEOUT))
    assert counted(observer) == {
        ("invoice", "1k_to_10k_sat", "no_route"): 2,
        ("invoice", "1k_to_10k_sat", "timeout"): 1,
    }
    assert succeed(observer, 50, OTHER_HASH) == ()
    assert succeed(observer, 60) == (), "lnd pays no hash twice: its payment was deleted meanwhile"
    histogram = observer.ledger.histograms[HistogramName.RUNS]["payment",]
    assert (histogram.edges, histogram.buckets, histogram.total) == ((1, 2, 3, 5, 10), [2, 0, 0, 1, 0, 0], 6)
    assert observer.tracker.failed.by_hash == {}


def test_rebalance_of_an_own_invoice() -> None:
    """It keeps its hash, too; its series begin when they count something."""
    observer = Observer()
    assert ("rebalance",) not in observer.ledger.histograms[HistogramName.RUNS]
    attempt = flying(hint=Kind.REBALANCE)
    observer.receive(payment(FAILED, refused(attempt), reason=Reason.ERROR), 2)
    observer.receive(payment(SUCCEEDED, settled(attempt, end_s=9), created_s=8), 9)
    observer.release(10)
    assert counted(observer) == {("rebalance", "1k_to_10k_sat", "error"): 1}
    assert observer.ledger.histograms[HistogramName.RUNS]["rebalance",].buckets == [0, 1, 0, 0, 0, 0]


def test_a_hash_that_nobody_pays_again() -> None:
    """A keysend has another hash each time, and so has a probe: neither is remembered or observed."""
    observer = Observer()
    for number, attempt in enumerate((KEYSEND, flying()), 1):
        gone = payment(
            FAILED,
            refused(attempt),
            reason=Reason.INCORRECT_PAYMENT_DETAILS,
            payment_hash=f"{number:064}",
            payment_index=number,
            invoice=False,
        )
        observer.receive(gone, 2)
    observer.receive(payment(SUCCEEDED, settled(KEYSEND), invoice=False), 3)
    observer.release(5)
    kinds = {labels[0] for labels, n in observer.ledger.counters[Counter.FAILED].items() if n}
    assert kinds == {"keysend", "probe"}
    assert observer.tracker.failed.by_hash == {}
    assert not any(any(each.buckets) for each in observer.ledger.histograms[HistogramName.RUNS].values())


def test_remembered_for_a_day_after_the_last_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """By lnd's clock: whenever the exporter hears of it, it is counted alike."""
    monkeypatch.setattr(failed_hashes, "_FORGOTTEN_AT_ONCE", 1)
    observer = Observer()
    fail(observer, 100)
    fail(observer, 100 + DAY_S)
    assert succeed(observer, 100 + 2 * DAY_S) == (runs(Reason.NO_ROUTE, 2),)
    fail(observer, 300_000)
    assert succeed(observer, 300_000 + DAY_S + 1) == ()
    assert observer.tracker.failed.by_hash == {}, "it is forgotten, too"
    fail(observer, 500_000)
    fail(observer, 500_000 + DAY_S + 1)
    assert succeed(observer, 600_000) == (runs(Reason.NO_ROUTE),), "only the younger one"
    fail(observer, 700_000)
    fail(observer, 700_000 + DAY_S + 1, payment_hash=OTHER_HASH)
    assert [*observer.tracker.failed.by_hash] == [OTHER_HASH], "older ones are forgotten"


def test_payment_in_flight_for_days() -> None:
    """The day begins when it fails."""
    observer = Observer()
    observer.receive(payment(FAILED, reason=Reason.TIMEOUT), 3 * DAY_S)
    observer.release(3 * DAY_S + 1)
    assert succeed(observer, 3 * DAY_S + 60) == (runs(Reason.TIMEOUT),)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that failed last."""
    monkeypatch.setattr(failed_hashes, "REMEMBERED", 3)
    monkeypatch.setattr(failed_hashes, "_FORGOTTEN_AT_ONCE", 1)
    observer = Observer()
    for number in (1, 2, 3, 1, 4):
        fail(observer, 10 * len(observer.events) + 10, payment_hash=f"{number:064}")
    assert [int(each) for each in observer.tracker.failed.by_hash] == [3, 1, 4]


def test_catch_up_after_a_long_absence() -> None:
    """A retry that succeeded days ago, while nobody listened."""
    observer = Observer()
    fail(observer, 100)
    observer.tracker.stream_lost()
    observer.tracker.stream_started()
    observer.receive(payment(payment_hash=OTHER_HASH, created_s=9 * DAY_S, payment_index=500), 9 * DAY_S)
    found = payment(SUCCEEDED, settled(flying(sent_s=3000), end_s=3000), created_s=3000, payment_index=400)
    observer.receive(found, 9 * DAY_S, Source.LIST)
    observer.release(9 * DAY_S + 60)
    assert counted(observer) == {("invoice", "1k_to_10k_sat", "no_route"): 1}


def test_failure_that_is_learnt_after_the_success() -> None:
    """An answer overtook a stream that is late: the failure is made good when it is counted, also after a restart."""
    observer = Observer()
    observer.receive(payment(), 1)
    paid = payment(SUCCEEDED, settled(flying(sent_s=1.2), end_s=1.2), created_s=1.1, payment_index=11)
    observer.receive(paid, 1.5, Source.LIST)
    observer.release(2.6)
    observer.receive(paid, 2.7, Source.TRACK)
    observer.release(3.8)
    observer = restarted(observer)
    observer.receive(payment(FAILED, reason=Reason.TIMEOUT), 4)
    observer.release(5.1)
    assert counted(observer) == {("invoice", "1k_to_10k_sat", "timeout"): 1}
    assert observer.tracker.failed.by_hash == {}


def test_failure_that_is_heard_of_after_the_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was known of its run when an answer showed the success of the next one; few of these are remembered."""
    for remembered, made_good in ((2, 1), (1, 0)):
        monkeypatch.setattr(failed_hashes, "SUCCESSES", remembered)
        observer = Observer()
        for payment_hash in (HASH, OTHER_HASH):
            paid = settled(flying(int(payment_hash[:2], 16), sent_s=1.2), end_s=1.2)
            answer = payment(SUCCEEDED, paid, created_s=1.1, payment_index=11, payment_hash=payment_hash)
            observer.receive(answer, 1.5, Source.LIST)
            observer.receive(answer, 2.7, Source.TRACK)
            observer.release(3.8)
        observer.tracker.finished.floor_index = 0
        observer.receive(payment(FAILED, reason=Reason.TIMEOUT), 4)
        observer.release(5.1)
        assert counted(observer) == ({("invoice", "1k_to_10k_sat", "timeout"): 1} if made_good else {})


def restarted(observer: Observer) -> Observer:
    """Return an observer that goes on from what this one saved."""
    view = capture_view("alice", observer.tracker, observer.ledger, NodeStatus(), at(4))
    saved = saving.save(
        view, observer.tracker, observer.ledger, pubkey="", table=0, ended=(), at=at(4), heard=LastKnown()
    )
    tracker, ledger = Tracker(), Ledger()
    saving.resume(codec.decode(codec.encode(saved)), tracker, ledger, at(4))
    return Observer(tracker, ledger)


def test_another_process_goes_on() -> None:
    """What failed before a restart is made good after it."""
    observer = Observer()
    fail(observer, 1)
    assert succeed(restarted(observer), 10) == (runs(Reason.NO_ROUTE),)
