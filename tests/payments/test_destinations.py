"""Totals by destination: which group a payment counts for, what is counted, and what becomes of groups that go."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.payments import saved as saving
from exporter.payments.destinations import DESTINATION_TOTALS
from exporter.payments.labels import Cause, EndCause, Lost, Outcome, Reason
from exporter.payments.ledger import Ledger
from exporter.payments.node import LastKnown, NodeStatus
from exporter.payments.payment import Payment
from exporter.payments.saved import SavedNode
from exporter.payments.totals import Counter, HistogramName, Labels
from exporter.payments.tracker import Tracker
from exporter.payments.view import capture_view
from tests.destination_law import all_sums, sums
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, at, failed, flying, payment, settled

SHOP, BANK, STRANGER = "02" + "5a" * 32, "03" + "ba" * 32, "02" + "99" * 32
GROUPS = {SHOP: "shop", BANK: "bank"}


def use(observer: Observer, groups: dict[str, str]) -> None:
    """Set the groups, as `Account.group_destinations` does."""
    observer.tracker.recipients.groups = groups
    observer.ledger.destinations.use({*groups.values()})


def grouped(groups: dict[str, str] = GROUPS) -> Observer:
    """Return a node with groups of destinations."""
    observer = Observer()
    use(observer, groups)
    return observer


def paid(to: str, number: int, *, fee: bool = True, **more: object) -> Payment:
    """Return a payment of 1000 sat to a node that took a second."""
    part = settled(flying(number, sent_s=0), end_s=1)
    snapshot = payment(SUCCEEDED, part, payment_hash=f"{number:064x}", payment_index=number)
    return snapshot._replace(destination=to, fee_msat=10 * fee, **more)  # type: ignore[arg-type]


def unpaid(to: str, number: int) -> Payment:
    """Return a payment that failed on the way to a node."""
    part = failed(flying(number, sent_s=0), end_s=3)
    snapshot = payment(FAILED, part, reason=Reason.NO_ROUTE, payment_hash=f"{number:064x}", payment_index=number)
    return snapshot._replace(destination=to)


def count(observer: Observer, *payments: Payment, seconds: float = 5) -> None:
    """Receive payments that have ended, and count them."""
    for each in payments:
        observer.receive(each, seconds)
    observer.release(seconds + 2)


def counted(ledger: Ledger, counter: Counter = Counter.DESTINATION_ENDED) -> dict[Labels, int]:
    """Return the series of a counter that aren't 0."""
    return {labels: n for labels, n in ledger.counters[counter].items() if n}


def test_each_payment_counts_for_the_group_of_its_recipient() -> None:
    """What is in no group, or unknown, is `other`; amount and fee only of successes, the duration of both."""
    observer = grouped()
    count(observer, paid(SHOP, 1), paid(SHOP, 2), unpaid(SHOP, 3), paid(BANK, 4), paid(STRANGER, 5), unpaid("", 6))
    ledger = observer.ledger
    assert counted(ledger) == {
        ("shop", "succeeded", "none"): 2,
        ("shop", "failed", "route_liquidity"): 1,
        ("bank", "succeeded", "none"): 1,
        ("other", "succeeded", "none"): 1,
        ("other", "failed", "route_liquidity"): 1,
    }
    assert counted(ledger, Counter.DESTINATION_SENT) == {("shop",): 2_000_000, ("bank",): 10**6, ("other",): 10**6}
    assert counted(ledger, Counter.DESTINATION_FEES) == {("shop",): 20, ("bank",): 10, ("other",): 10}
    durations = ledger.histograms[HistogramName.DESTINATION_DURATION]
    assert {labels: (sum(each.buckets), each.total) for labels, each in durations.items()} == {
        ("shop", "succeeded"): (2, 2 * 10**9),
        ("shop", "failed"): (1, 3 * 10**9),
        ("bank", "succeeded"): (1, 10**9),
        ("bank", "failed"): (0, 0),
        ("other", "succeeded"): (1, 10**9),
        ("other", "failed"): (1, 3 * 10**9),
    }


def test_without_groups_nothing_is_counted() -> None:
    """Nor is there a series at 0."""
    observer = Observer()
    count(observer, paid(SHOP, 1), unpaid(SHOP, 2))
    assert not any(observer.ledger.counters[total] for total in DESTINATION_TOTALS if isinstance(total, Counter))
    assert not observer.ledger.histograms[HistogramName.DESTINATION_DURATION]


def test_series_of_a_group_begin_at_zero() -> None:
    """With it, so that `increase()` sees its first payment; of lost payments only when there is one."""
    ledger = grouped().ledger
    ended = ledger.counters[Counter.DESTINATION_ENDED]
    for name in ("bank", "other", "shop"):
        causes = {(outcome, cause): n for (of, outcome, cause), n in ended.items() if of == name}
        assert causes == {("succeeded", "none"): 0} | {("failed", cause): 0 for cause in Cause}
    assert ledger.counters[Counter.DESTINATION_SENT] == ledger.counters[Counter.DESTINATION_FEES]
    assert ledger.counters[Counter.DESTINATION_SENT] == {("bank",): 0, ("other",): 0, ("shop",): 0}
    assert len(ledger.histograms[HistogramName.DESTINATION_DURATION]) == 6


def test_lost_payments_count_with_their_group() -> None:
    """By why they were lost."""
    observer = grouped()
    observer.receive(payment(IN_FLIGHT, flying(1))._replace(destination=SHOP), 1)
    for seconds in (70, 140):
        observer.apply(observer.tracker.not_found(payment().payment_hash, at(seconds)))
    assert counted(observer.ledger) == {("shop", "lost", "deleted"): 1}


def test_causes_are_those_of_failed_and_lost_payments() -> None:
    """The label has one set for all outcomes."""
    assert [*EndCause] == ["none", *Cause, *Lost]


def test_a_run_keeps_its_group_when_lnd_has_deleted_its_attempts() -> None:
    """A failed payment that is learnt by asking shows no attempt any more."""
    observer = grouped()
    observer.receive(payment(IN_FLIGHT, flying(1))._replace(destination=SHOP), 1)
    count(observer, payment(FAILED, reason=Reason.TIMEOUT))
    ((name, outcome, _),) = counted(observer.ledger)
    assert (name, outcome) == ("shop", "failed")


@pytest.mark.parametrize(("payee", "name"), [(SHOP, "shop"), ("", "other")])
def test_payment_request_names_the_recipient_of_a_run_without_attempts(payee: str, name: str) -> None:
    """It is looked into once a run, because that takes long, and only with the keys of the groups."""
    observer, asked = grouped(), list[Collection[str]]()

    def payee_among(keys: Collection[str]) -> str:
        asked.append(keys)
        return payee

    ended = payment(FAILED, reason=Reason.NO_ROUTE)._replace(payee_among=payee_among)
    count(observer, ended, ended, ended)
    assert counted(observer.ledger) == {(name, "failed", "no_route"): 1}
    assert [[*keys] for keys in asked] == [[SHOP, BANK]]


def test_payment_request_is_not_looked_into_without_groups() -> None:
    """It costs a tenth of a millisecond."""

    def payee_among(_: Collection[str]) -> str:
        raise AssertionError

    observer = Observer()
    count(observer, payment(FAILED, reason=Reason.NO_ROUTE)._replace(payee_among=payee_among))
    assert observer.ledger.counters[Counter.FAILED_BY_CAUSE]["payment", "no_route", "1k_to_10k_sat"] == 1


def test_groups_count_although_recipients_are_not_kept() -> None:
    """The name of a group is what the operator chose; nothing that is remembered or reported has the key."""
    observer = grouped()
    observer.tracker.recipients.kept = False
    observer.receive(payment(IN_FLIGHT, flying(1))._replace(destination=SHOP), 1)
    (run,) = observer.tracker.open.values()
    assert (run.group, run.destination) == ("shop", "")
    count(observer, payment(SUCCEEDED, settled(flying(1)))._replace(destination=SHOP))
    assert counted(observer.ledger) == {("shop", "succeeded", "none"): 1}
    assert SHOP not in repr(observer.events)


def test_totals_of_a_group_that_goes_become_former() -> None:
    """So no sum over all destinations falls; one that comes back begins at 0."""
    observer = grouped()
    count(observer, paid(SHOP, 1), unpaid(SHOP, 2), paid(BANK, 3))
    use(observer, {BANK: "bank"})
    former = {("former", "succeeded", "none"): 1, ("former", "failed", "route_liquidity"): 1}
    assert counted(observer.ledger) == {("bank", "succeeded", "none"): 1} | former
    assert counted(observer.ledger, Counter.DESTINATION_SENT) == {("bank",): 10**6, ("former",): 10**6}
    durations = observer.ledger.histograms[HistogramName.DESTINATION_DURATION]
    assert sorted({name for name, _ in durations}) == ["bank", "former", "other"]
    assert sum(durations["former", "failed"].buckets) == 1
    use(observer, GROUPS)
    assert observer.ledger.counters[Counter.DESTINATION_ENDED]["shop", "succeeded", "none"] == 0
    count(observer, paid(SHOP, 4))
    use(observer, {BANK: "bank"})
    assert counted(observer.ledger)["former", "succeeded", "none"] == 2


def test_all_groups_go() -> None:
    """What was counted stays, and nothing is added."""
    observer = grouped()
    count(observer, paid(SHOP, 1), paid(STRANGER, 2))
    use(observer, {})
    count(observer, paid(SHOP, 3))
    assert counted(observer.ledger) == {("former", "succeeded", "none"): 1, ("other", "succeeded", "none"): 1}


def test_a_run_in_flight_follows_the_groups() -> None:
    """It counts for the group that its recipient is in when it ends; without that it is `other`."""
    observer = grouped({SHOP: "shop"})
    for number in (1, 2):
        observer.receive(paid(SHOP, number)._replace(status=IN_FLIGHT, attempts=(flying(number, sent_s=0),)), 1)
    use(observer, {SHOP: "market"})
    count(observer, paid(SHOP, 1))
    use(observer, {BANK: "bank"})
    count(observer, paid(SHOP, 2))
    assert counted(observer.ledger) == {("former", "succeeded", "none"): 1, ("other", "succeeded", "none"): 1}


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_whose_attempts_lnd_has_deleted_follows_the_groups(*, kept: bool) -> None:
    """By the key that is remembered of it, or else by its payment request."""
    observer = grouped({SHOP: "shop"})
    observer.tracker.recipients.kept = kept
    asked = list[Collection[str]]()

    def payee_among(keys: Collection[str]) -> str:
        asked.append(keys)
        return SHOP

    observer.receive(payment(IN_FLIGHT, flying(1))._replace(destination=SHOP), 1)
    use(observer, {SHOP: "market", BANK: "bank"})
    ended = payment(FAILED, reason=Reason.TIMEOUT)._replace(payee_among=payee_among)
    count(observer, ended, ended)
    ((name, outcome, _),) = counted(observer.ledger)
    assert (name, outcome) == ("market", "failed")
    assert len(asked) == (not kept)


def test_a_page_does_not_change_when_a_group_goes() -> None:
    """What a page shows is shared with the ledger until that changes."""
    observer = grouped()
    count(observer, paid(SHOP, 1))
    counters, histograms = observer.ledger.share()
    before = histograms[HistogramName.DESTINATION_DURATION]["shop", Outcome.SUCCEEDED]
    use(observer, {BANK: "bank"})
    count(observer, paid("", 2))
    assert counters[Counter.DESTINATION_ENDED]["shop", "succeeded", "none"] == 1
    assert sum(before.buckets) == 1
    after = observer.ledger.histograms[HistogramName.DESTINATION_DURATION]
    assert sum(after["former", Outcome.SUCCEEDED].buckets) == 1
    count(observer, paid(BANK, 3))
    later, _ = observer.ledger.share()
    assert later[Counter.DESTINATION_ENDED]["former", "succeeded", "none"] == 1


def saved(observer: Observer) -> SavedNode:
    """Return what is saved."""
    view = capture_view("alice", observer.tracker, observer.ledger, NodeStatus(), at(9))
    return saving.save(
        view, observer.tracker, observer.ledger, pubkey="", table=9, ended=(), at=at(9), heard=LastKnown()
    )


def test_groups_that_went_while_the_exporter_was_down() -> None:
    """As in a reload."""
    observer = grouped()
    count(observer, paid(SHOP, 1), paid(BANK, 2))
    again = Observer(Tracker(), Ledger())
    saving.resume(saved(observer), again.tracker, again.ledger, at(20))
    use(again, {BANK: "bank"})
    assert counted(again.ledger) == {("bank", "succeeded", "none"): 1, ("former", "succeeded", "none"): 1}


groups = st.dictionaries(
    st.sampled_from([SHOP, BANK, STRANGER]), st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3
)
steps = st.one_of(
    groups,
    st.tuples(st.sampled_from([SHOP, BANK, STRANGER, ""]), st.sampled_from(["paid", "unpaid", "lost", "restart"])),
)


@given(groups, st.lists(steps, max_size=25))
def test_the_sum_over_destinations_is_that_of_all_payments(first: dict[str, str], script: list[object]) -> None:
    """Whatever is paid, and however the groups change, also over restarts; and there are no series of other names."""
    observer, current = grouped(first), first
    for number, step in enumerate(script, 1):
        if isinstance(step, dict):
            current = step
            use(observer, current)
        else:
            assert isinstance(step, tuple)
            to, what = step
            if what == "restart":
                fresh = Observer(Tracker(), Ledger())
                saving.resume(saved(observer), fresh.tracker, fresh.ledger, at(number))
                observer = fresh
                use(observer, current)
            elif what == "lost":
                open_ = payment(IN_FLIGHT, flying(number), payment_hash=f"{number:064x}", payment_index=number)
                observer.receive(open_._replace(destination=to), number * 1000)
                for seconds in (100, 200):
                    observer.apply(observer.tracker.not_found(open_.payment_hash, at(number * 1000 + seconds)))
            else:
                count(observer, (paid if what == "paid" else unpaid)(to, number), seconds=number * 1000)
        view = capture_view("alice", observer.tracker, observer.ledger, NodeStatus(), at(number * 1000))
        assert sums(view) == all_sums(view)
        names = {name for (name,) in view.counters[Counter.DESTINATION_SENT]}
        assert names - {"former"} == {*current.values(), "other"}
        assert names == {name for name, *_ in view.histograms[HistogramName.DESTINATION_DURATION]}
        assert names == {name for name, *_ in view.counters[Counter.DESTINATION_ENDED]}
