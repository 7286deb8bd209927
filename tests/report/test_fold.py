"""The sums: they are those that the exporter would have counted live, whatever payments are grouped by."""

import random
from collections import Counter as Tally
from collections.abc import Iterable

import pytest

from exporter.config.grouping import By
from exporter.payments.destinations import Recipients
from exporter.payments.labels import Cause, Kind, Reason, Status
from exporter.payments.ledger import Ledger
from exporter.payments.past import replay
from exporter.payments.payment import Payment
from exporter.payments.totals import Counter
from exporter.report import fold as module
from exporter.report.fold import Fold, Htlcs, Payments, by_size, peers_by_size
from exporter.simulator.database import Database, Options
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.world import World
from tests.payments.build import OTHER_HASH, PEER, SECOND, T0, failed, flying, payment, settled
from tests.report.history import START_NS, LongClock, begin, listed, play, random_history, truth

WORLD = World.random("fold")
DESTINATIONS = {node.pubkey: f"group {number % 3}" for number, node in enumerate(WORLD.far[:12])}


def history(*, keeps_failed: bool, seed: object = 0, count: int = 400) -> Database:
    """Return a database with payments of a day of a busy node."""
    clock = LongClock(START_NS)
    database = Database(clock.now_ns, Options(keep_failed_payment_attempts=keeps_failed))
    play(database, clock, random_history(WORLD, count, seed), every_s=200)
    begin(database, Scenarios(WORLD, "in flight").held_then_settled(value_msat=7_000))
    return database


def folded(payments: Iterable[Payment], by: By = By.MONTH, *, since_ns: int = 0) -> Fold:
    """Add payments up."""
    fold = Fold(by, since_ns=since_ns, destinations=DESTINATIONS)
    for each in payments:
        fold.add(each)
    return fold


def counted(payments: Iterable[Payment]) -> Ledger:
    """Count the facts about the payments that ended as the exporter does."""
    ledger, recipients = Ledger(max_peers=1000), Recipients()
    recipients.groups = DESTINATIONS
    ledger.destinations.use({*DESTINATIONS.values()})
    for each in payments:
        if each.status.ended:
            ledger.apply([fact.event for fact in replay(each, recipients)])
    return ledger


def sums(ledger: Ledger, counter: Counter, place: int) -> dict[str, int]:
    """Return the sums of a counter by the label at a place, without those that are 0."""
    found = Tally[str]()
    for labels, number in ledger.counters[counter].items():
        found[labels[place]] += number
    return {label: number for label, number in found.items() if number}


def of_groups(fold: Fold, what: str) -> dict[str, int]:
    """Return a sum of each group, without those that are 0."""
    return {name: number for name, group in fold.groups.items() if (number := getattr(group, what))}


@pytest.mark.parametrize("keeps_failed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_the_counters(seed: int, *, keeps_failed: bool) -> None:
    """By kind, by cause, by peer and by destination: the report and the metrics have one understanding."""
    payments = listed(history(keeps_failed=keeps_failed, seed=seed), WORLD)
    ledger = counted(payments)
    kinds = folded(payments, By.KIND)
    assert of_groups(kinds, "succeeded") == sums(ledger, Counter.SUCCEEDED, 0)
    assert of_groups(kinds, "failed") == sums(ledger, Counter.FAILED, 0)
    assert of_groups(kinds, "volume_msat") == sums(ledger, Counter.SENT, 0)
    assert of_groups(kinds, "fees_msat") == sums(ledger, Counter.FEES, 0)
    assert of_groups(kinds, "failed_msat") == sums(ledger, Counter.FAILED_MSAT, 0)
    assert kinds.rebalances == kinds.groups[Kind.REBALANCE]
    causes = sums(ledger, Counter.FAILED_BY_CAUSE, 1)
    assert len(causes) >= (6 if keeps_failed else 3)
    assert dict(kinds.total.causes) == causes
    assert of_groups(folded(payments, By.CAUSE), "failed") == causes
    peers = folded(payments, By.PEER).peers
    assert len(peers) >= len(WORLD.peers)
    assert {key: each.volume_msat for key, each in peers.items()} == sums(ledger, Counter.PEER_SENT, 0)
    fees = {key: each.fees_msat for key, each in peers.items() if each.fees_msat}
    assert fees == sums(ledger, Counter.PEER_FEES, 0)
    destinations = folded(payments, By.DESTINATION)
    assert {*destinations.groups} == {"group 0", "group 1", "group 2", "other"}
    assert of_groups(destinations, "ended") == sums(ledger, Counter.DESTINATION_ENDED, 0)
    assert of_groups(destinations, "volume_msat") == sums(ledger, Counter.DESTINATION_SENT, 0)
    assert of_groups(destinations, "fees_msat") == sums(ledger, Counter.DESTINATION_FEES, 0)


@pytest.mark.parametrize("by", By)
@pytest.mark.parametrize("seed", range(2))
def test_groups_add_up_to_the_truth(by: By, seed: int) -> None:
    """The sum over all groups is the total, and that is what the simulator knows; in whatever order they are read."""
    database = history(keeps_failed=False, seed=seed)
    payments, ended = listed(database, WORLD), truth(database)
    fold = folded(payments, by)
    total = Payments(
        volume_msat=sum(each.value_msat for each in ended if each.status is Status.SUCCEEDED),
        fees_msat=sum(each.fee_msat for each in ended if each.status is Status.SUCCEEDED),
        succeeded=sum(each.status is Status.SUCCEEDED for each in ended),
        failed=sum(each.status is Status.FAILED for each in ended),
        failed_msat=sum(each.value_msat for each in ended if each.status is Status.FAILED),
        causes=fold.total.causes,
        causes_msat=fold.total.causes_msat,
    )
    assert fold.total == total
    assert (total.causes.total(), total.causes_msat.total()) == (total.failed, total.failed_msat)
    if by is By.PEER:
        rows = [(peer.volume_msat, peer.fees_msat, peer.settled) for peer in fold.peers.values()]
        together = Htlcs(*map(sum, zip(*rows, strict=True)))
        assert fold.htlcs == together
        assert (together.fees_msat, together.settled) == (total.fees_msat, sum(each.settled for each in ended))
    else:
        added = Payments()
        for group in fold.groups.values():
            added.include(group)
        assert added == total
    assert (fold.in_flight, fold.in_flight_msat, fold.malformed) == (1, 7_000, 0)
    random.Random(seed).shuffle(payments)
    assert vars_of(folded(payments, by)) == vars_of(fold)


def vars_of(fold: Fold) -> dict[str, object]:
    """Return all that is known of a fold."""
    return {name: value for name, value in vars(fold).items() if not name.startswith("_")}


def test_attempts_that_lnd_has_deleted() -> None:
    """Their number is told: of a payment that failed, with and without the option of lnd to keep them."""
    kept, deleted = (folded(listed(history(keeps_failed=keeps), WORLD)) for keeps in (True, False))
    assert (kept.total.succeeded, kept.total.failed) == (deleted.total.succeeded, deleted.total.failed)
    assert 0 < kept.without_attempts < deleted.without_attempts < deleted.total.failed  # some come of SendToRoute
    refused = payment(Status.FAILED, failed(flying()), reason=Reason.NO_ROUTE)
    assert folded([refused, refused._replace(attempts=())]).without_attempts == 1


def test_time_of_the_end_decides() -> None:
    """Not that of the creation: for the month, for the day, and with a limit, which belongs to the time."""
    end_ns = T0 + 40 * 86_400 * SECOND
    old = payment(Status.SUCCEEDED, settled(flying(), end_s=40 * 86_400))
    early = payment(Status.SUCCEEDED, settled(flying(), end_s=1), payment_hash=OTHER_HASH)
    assert [*folded([old, early]).groups] == ["2026-07", "2026-05"]
    assert [*folded([old, early], By.DAY).groups] == ["2026-07-07", "2026-05-28"]
    assert folded([old, early], since_ns=end_ns).total.succeeded == 1
    assert folded([old, early], since_ns=end_ns + 1).total.succeeded == 0
    fold = folded([old, early])
    assert (fold.first_ns, fold.last_ns) == (T0 + SECOND, end_ns)
    limited = folded([old, early], By.PEER, since_ns=end_ns)
    assert limited.peers == {PEER: Htlcs(volume_msat=1_000_000, fees_msat=10, settled=1)}


def test_what_is_left_out() -> None:
    """A payment in flight is in no sum, whatever has settled of it; one that is malformed neither."""
    fold = folded([payment(Status.IN_FLIGHT, settled(flying())), payment(Status.SUCCEEDED)._replace(fee_msat=-1)])
    assert (fold.in_flight, fold.in_flight_msat, fold.malformed) == (1, 1_000_000, 1)
    assert (fold.total, fold.groups, fold.first_ns) == (Payments(), {}, None)


def test_peers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that come have groups of their own; the others, and HTLCs whose peer isn't known, share one."""
    monkeypatch.setattr(module, "MAX_PEERS", 2)
    keys = ["02" + digit * 64 for digit in "1234"] + ["", "02" + "1" * 64]
    hops = [settled(flying(number)._replace(peer=key)) for number, key in enumerate(keys, 1)]
    fold = folded([payment(Status.SUCCEEDED, *hops)], By.PEER)
    assert [(key[:3], htlcs.settled) for key, htlcs in peers_by_size(fold)] == [("oth", 3), ("021", 2), ("022", 1)]
    assert fold.htlcs.settled == 6


def test_order_of_groups() -> None:
    """Times in their order, others by amount; failures, which paid nothing, by their number."""
    late = payment(Status.SUCCEEDED, settled(flying(), end_s=86_400 * 40), payment_hash=OTHER_HASH)
    keysend = payment(Status.SUCCEEDED, settled(flying(hint=Kind.KEYSEND)), invoice=False)._replace(
        value_msat=2_000_000
    )
    assert [name for name, _ in by_size(folded([late, keysend]))] == ["2026-05", "2026-07"]
    assert [name for name, _ in by_size(folded([late, keysend], By.KIND))] == ["keysend", "invoice"]
    causes = [Reason.CANCELED, Reason.NO_ROUTE, Reason.NO_ROUTE]
    failures = [payment(Status.FAILED, reason=reason) for reason in causes]
    groups = [*by_size(folded([*failures, late], By.CAUSE))]
    assert [(name, group.ended) for name, group in groups] == [("none", 1), ("no_route", 2), ("caller", 1)]
    assert groups[1][1].causes == {Cause.NO_ROUTE: 2}


def test_nothing_paid() -> None:
    """Then there is no rate."""
    assert (Payments().fee_ppm, Payments().success_ratio) == (None, None)
    assert Payments(volume_msat=2_000_000, fees_msat=1).fee_ppm == 0.5
    assert Payments(succeeded=1, failed=3).success_ratio == 0.25
