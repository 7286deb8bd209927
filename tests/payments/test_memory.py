"""The finished runs that are remembered: how many, where the floor is, and what happens when lnd renumbers."""

from itertools import count, islice

from exporter.payments.event import PaymentStarted, UpdateIgnored
from exporter.payments.labels import Ignored, Source
from exporter.payments.memory import REMEMBERED, FinishedRuns
from exporter.payments.payment import Payment
from exporter.payments.totals import Counter
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, payment

SLACK = 100
"""Runs remembered beyond `REMEMBERED` at most."""


def nth(number: int, *, index: int | None = None) -> Payment:
    """Return the nth payment of a node, created n ms after `T0`."""
    return payment(
        SUCCEEDED,
        payment_hash=f"{number:064x}",
        created_s=number / 1000,
        payment_index=number if index is None else index,
    )


def remembering(count: int) -> FinishedRuns:
    """Return finished runs in which the payments 1 to `count` were added."""
    memory = FinishedRuns()
    for number in range(1, count + 1):
        memory.add(nth(number).run, number)
    return memory


def test_number_of_runs_remembered_is_bounded() -> None:
    """The last ones are remembered, and the floor is right below them."""
    memory = remembering(10_000)
    assert REMEMBERED <= len(memory) < REMEMBERED + SLACK
    assert memory.floor_index == 10_000 - len(memory)
    assert not memory.recognise(nth(memory.floor_index))
    assert memory.recognise(nth(memory.floor_index + 1))


def test_forgotten_run_is_not_counted_again() -> None:
    """It was counted, and is below the floor."""
    observer = Observer()
    for number in range(1, 1301):
        observer.hear(nth(number), number / 1000)
        observer.release(number / 1000 + 1)
    for source in Source:
        assert observer.hear(nth(1), 9, source) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]


def test_floor_stays_below_the_unread() -> None:
    """While a catch-up reads old payments, live ones far above end."""
    observer = Observer()
    observer.tracker.memory.reading = 0
    for number in range(5001, 7001):
        observer.hear(nth(number), 1)
        observer.release(9)
    assert observer.tracker.memory.floor_index == 0
    observer.make_others_old()
    for number in range(1, 5001):
        observer.tracker.memory.reading = number
        assert observer.hear(nth(number), 100, Source.LIST)[0] == PaymentStarted(nth(number).run)
        observer.release(200)
    observer.tracker.memory.reading = None
    observer.hear(nth(7001), 300)
    observer.release(400)
    assert observer.tracker.memory.floor_index <= 7001 - REMEMBERED
    assert observer.ledger.counters[Counter.SUCCEEDED]["invoice", "1k_to_10k_sat"] == 7001


def test_runs_right_above_the_floor_stay_remembered() -> None:
    """Also if thousands far above end during a long catch-up: the numbering is checked by them."""
    memory = FinishedRuns()
    memory.reading = 0
    for number in range(1, 501):
        memory.add(nth(number).run, number)
    memory.reading = 500
    for number in range(20_001, 25_001):
        memory.add(nth(number).run, number)
    after_the_floor = [nth(number) for number in range(memory.floor_index + 1, memory.floor_index + 501)]
    assert memory.floor_index < 500
    assert memory.vouches(after_the_floor)
    for number in range(501, 20_001):
        assert memory.is_new(nth(number))
        memory.add(nth(number).run, number)
        memory.reading = number
    assert len(memory) < REMEMBERED + SLACK + 5000
    memory.reading = None
    memory.add(nth(25_001).run, 25_001)
    for number in range(25_002, 25_200):
        memory.add(nth(number).run, number)
    assert len(memory) < REMEMBERED + SLACK


def test_numbering_is_confirmed_by_one_run_in_its_place() -> None:
    """One remembered run with its index is enough to trust all indexes; without one none is trusted."""
    memory = remembering(10)
    assert memory.vouches([nth(11), nth(10)])
    assert not memory.vouches([nth(11), nth(10, index=9)])
    assert not memory.vouches([])


def test_creation_time_decides_while_indexes_are_distrusted() -> None:
    """A run that is unknown, and was created after the oldest remembered one, is new."""
    memory = remembering(2000)
    oldest = memory.floor_index + 1
    memory.distrust_indexes()
    missed = payment(FAILED, payment_hash="ef" * 32, created_s=1.5, payment_index=3)
    history = payment(FAILED, payment_hash="ef" * 32, created_s=oldest / 1000 - 0.0005, payment_index=99_999)
    assert memory.is_new(missed)
    assert not memory.is_new(history)
    memory.trust_indexes(7)
    assert not memory.is_new(missed)
    assert memory.is_new(history)


def test_old_run_that_ended_late_does_not_lower_the_floor_by_time() -> None:
    """It was held for long, and is below the floor: runs created since may be history."""
    memory = remembering(2000)
    memory.add(nth(3).run, 3)
    assert memory.recognise(nth(3))
    memory.distrust_indexes()
    forgotten, missed = nth(500), payment(FAILED, payment_hash="ef" * 32, created_s=1.9505, payment_index=3)
    assert not memory.is_new(forgotten)
    assert memory.is_new(missed)


def test_floor_by_time_is_the_newest_run_if_all_remembered_are_below() -> None:
    """Only runs created after all others are new."""
    memory = FinishedRuns()
    memory.trust_indexes(100)
    memory.add(nth(3).run, 3)
    memory.saw(nth(100).run)
    memory.distrust_indexes()
    assert not memory.is_new(nth(50))
    assert memory.is_new(nth(101, index=4))


def test_runs_without_index_show_the_floor_by_time() -> None:
    """Renumbered again after all was deleted, during a catch-up: the runs that it hasn't read are new as before."""
    memory = remembering(10)
    memory.saw(nth(20).run)
    memory.not_shown(list(memory.indexes))
    memory.trust_indexes(0)
    memory.distrust_indexes()
    assert memory.is_new(nth(15, index=1))
    assert not memory.recognise(nth(15, index=1))


def test_renumbering_during_a_catch_up_makes_everything_unread() -> None:
    """How far it had read is an old index: no run is forgotten."""
    memory = FinishedRuns()
    memory.reading = 1500
    for number in range(1, 1600):
        memory.add(nth(number).run, number)
    memory.distrust_indexes()
    remembered, floor_us = len(memory), memory.floor_us
    for number in range(1600, 2000):
        memory.add(nth(number).run, number - 1599)
    assert (len(memory), memory.floor_us) == (remembered + 400, floor_us)


def test_run_created_out_of_order_does_not_lower_the_floor_by_time() -> None:
    """One run with an early creation time doesn't make forgotten runs new."""
    memory = remembering(2000)
    memory.add(nth(1, index=2001).run, 2001)
    memory.distrust_indexes()
    assert not memory.is_new(nth(memory.floor_index, index=9999))
    assert memory.is_new(payment(FAILED, payment_hash="ef" * 32, created_s=1.9505, payment_index=3))


def test_bound_holds_again_after_catch_ups() -> None:
    """Runs that end while a catch-up reads are remembered beyond the bound, but not for ever."""
    memory, numbers = remembering(2000), count(2001)
    for _ in range(20):
        memory.reading = memory.floor_index
        for number in islice(numbers, 300):
            memory.add(nth(number).run, number)
        memory.reading = None
        for number in islice(numbers, 1000):
            memory.add(nth(number).run, number)
    assert len(memory) < REMEMBERED + SLACK


def test_runs_that_lnd_deleted_are_forgotten_first() -> None:
    """Their old indexes are above all new ones, and mean nothing."""
    memory = remembering(1000)
    memory.not_shown([nth(number).run for number in range(1, 1001)])
    memory.trust_indexes(0)
    for number in range(1001, 1101):
        memory.add(nth(number).run, number - 1000)
    assert all(memory.recognise(nth(number, index=number - 1000)) for number in range(1001, 1101))
    assert memory.floor_index == 0


def test_newest_run_with_a_low_index_is_new() -> None:
    """After `deletepayments --all` lnd on SQLite numbers from 1 again, while the stream lives."""
    observer = Observer()
    for number in range(1, 2001):
        observer.hear(nth(number), 1)
        observer.release(5)
    first = payment(IN_FLIGHT, payment_hash="ef" * 32, created_s=100, payment_index=1)
    second = payment(SUCCEEDED, payment_hash="dc" * 32, created_s=99.9, payment_index=2)
    assert observer.hear(first, 100)[0] == PaymentStarted(first.run)
    assert observer.tracker.memory.by_time
    assert observer.hear(second, 100)[0] == PaymentStarted(second.run)


def test_bound_holds_while_creation_time_decides() -> None:
    """The floor by time rises as well."""
    memory = remembering(2000)
    memory.distrust_indexes()
    for number in range(2001, 5001):
        memory.add(nth(number).run, number - 2000)
    assert len(memory) < REMEMBERED + SLACK
    assert not memory.is_new(nth(3000, index=1000))
