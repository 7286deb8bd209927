"""The finished runs that are remembered: how many, where the floor is, and what happens when lnd renumbers."""

from itertools import count, islice

from exporter.payments.event import PaymentStarted, UpdateIgnored
from exporter.payments.finished import REMEMBERED, FinishedRuns
from exporter.payments.labels import Ignored, Source
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
        observer.receive(nth(number), number / 1000)
        observer.release(number / 1000 + 1)
    for source in Source:
        assert observer.receive(nth(1), 9, source) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]


def test_floor_stays_below_the_unread() -> None:
    """While a catch-up reads old payments, live ones far above end."""
    observer = Observer()
    observer.tracker.finished.read_up_to = 0
    for number in range(5001, 7001):
        observer.receive(nth(number), 1)
        observer.release(9)
    assert observer.tracker.finished.floor_index == 0
    observer.make_others_old()
    for number in range(1, 5001):
        observer.tracker.finished.read_up_to = number
        assert observer.receive(nth(number), 100, Source.LIST)[0] == PaymentStarted(nth(number).run)
        observer.release(200)
    observer.tracker.finished.read_up_to = None
    observer.receive(nth(7001), 300)
    observer.release(400)
    assert observer.tracker.finished.floor_index <= 7001 - REMEMBERED
    assert observer.ledger.counters[Counter.SUCCEEDED]["invoice", "1k_to_10k_sat"] == 7001


def test_runs_right_above_the_floor_stay_remembered() -> None:
    """Also if thousands far above end during a long catch-up: the numbering is checked by them."""
    memory = FinishedRuns()
    memory.read_up_to = 0
    for number in range(1, 501):
        memory.add(nth(number).run, number)
    memory.read_up_to = 500
    for number in range(20_001, 25_001):
        memory.add(nth(number).run, number)
    after_the_floor = [nth(number) for number in range(memory.floor_index + 1, memory.floor_index + 501)]
    assert memory.floor_index < 500
    assert memory.confirms_numbering(after_the_floor)
    for number in range(501, 20_001):
        assert memory.is_new(nth(number))
        memory.add(nth(number).run, number)
        memory.read_up_to = number
    assert len(memory) < REMEMBERED + SLACK + 5000
    memory.read_up_to = None
    memory.add(nth(25_001).run, 25_001)
    for number in range(25_002, 25_200):
        memory.add(nth(number).run, number)
    assert len(memory) < REMEMBERED + SLACK


def test_numbering_is_confirmed_by_one_run_in_its_place() -> None:
    """One remembered run with its index is enough to trust all indexes; without one none is trusted."""
    memory = remembering(10)
    assert memory.confirms_numbering([nth(11), nth(10)])
    assert not memory.confirms_numbering([nth(11), nth(10, index=9)])
    assert not memory.confirms_numbering([])


def test_creation_time_decides_while_indexes_are_distrusted() -> None:
    """A run that is unknown, and was created after the oldest remembered one, is new."""
    memory = remembering(2000)
    oldest = memory.floor_index + 1
    memory.go_by_time()
    missed = payment(FAILED, payment_hash="ef" * 32, created_s=1.5, payment_index=3)
    history = payment(FAILED, payment_hash="ef" * 32, created_s=oldest / 1000 - 0.0005, payment_index=99_999)
    assert memory.is_new(missed)
    assert not memory.is_new(history)
    memory.go_by_index(7)
    assert not memory.is_new(missed)
    assert memory.is_new(history)


def test_old_run_that_ended_late_does_not_lower_the_floor_by_time() -> None:
    """It was held for long, and is below the floor: runs created since may be history."""
    memory = remembering(2000)
    memory.add(nth(3).run, 3)
    assert memory.recognise(nth(3))
    memory.go_by_time()
    forgotten, missed = nth(500), payment(FAILED, payment_hash="ef" * 32, created_s=1.9505, payment_index=3)
    assert not memory.is_new(forgotten)
    assert memory.is_new(missed)


def test_floor_by_time_is_the_newest_run_if_all_remembered_are_below() -> None:
    """Only runs created after all others are new."""
    memory = FinishedRuns()
    memory.go_by_index(100)
    memory.add(nth(3).run, 3)
    memory.note_created(nth(100).run)
    memory.go_by_time()
    assert not memory.is_new(nth(50))
    assert memory.is_new(nth(101, index=4))


def test_runs_without_index_show_the_floor_by_time() -> None:
    """Renumbered again after all was deleted, during a catch-up: the runs that it hasn't read are new as before."""
    memory = remembering(10)
    memory.note_created(nth(20).run)
    memory.drop_indexes(list(memory.indexes))
    memory.go_by_index(0)
    memory.go_by_time()
    assert memory.is_new(nth(15, index=1))
    assert not memory.recognise(nth(15, index=1))


def test_renumbering_during_a_catch_up_makes_everything_unread() -> None:
    """How far it had read is an old index: no run is forgotten."""
    memory = FinishedRuns()
    memory.read_up_to = 1500
    for number in range(1, 1600):
        memory.add(nth(number).run, number)
    memory.go_by_time()
    remembered, floor_us = len(memory), memory.floor_us
    for number in range(1600, 2000):
        memory.add(nth(number).run, number - 1599)
    assert (len(memory), memory.floor_us) == (remembered + 400, floor_us)


def test_run_created_out_of_order_does_not_lower_the_floor_by_time() -> None:
    """One run with an early creation time doesn't make forgotten runs new."""
    memory = remembering(2000)
    memory.add(nth(1, index=2001).run, 2001)
    memory.go_by_time()
    assert not memory.is_new(nth(memory.floor_index, index=9999))
    assert memory.is_new(payment(FAILED, payment_hash="ef" * 32, created_s=1.9505, payment_index=3))


def test_bound_holds_again_after_catch_ups() -> None:
    """Runs that end while a catch-up reads are remembered beyond the bound, but not for ever."""
    memory, numbers = remembering(2000), count(2001)
    for _ in range(20):
        memory.read_up_to = memory.floor_index
        for number in islice(numbers, 300):
            memory.add(nth(number).run, number)
        memory.read_up_to = None
        for number in islice(numbers, 1000):
            memory.add(nth(number).run, number)
    assert len(memory) < REMEMBERED + SLACK


def test_runs_that_lnd_deleted_are_forgotten_first() -> None:
    """Their old indexes are above all new ones, and mean nothing."""
    memory = remembering(1000)
    memory.drop_indexes([nth(number).run for number in range(1, 1001)])
    memory.go_by_index(0)
    for number in range(1001, 1101):
        memory.add(nth(number).run, number - 1000)
    assert all(memory.recognise(nth(number, index=number - 1000)) for number in range(1001, 1101))
    assert memory.floor_index == 0


def test_newest_run_with_a_low_index_is_new() -> None:
    """After `deletepayments --all` lnd on SQLite numbers from 1 again, while the stream lives."""
    observer = Observer()
    for number in range(1, 2001):
        observer.receive(nth(number), 1)
        observer.release(5)
    first = payment(IN_FLIGHT, payment_hash="ef" * 32, created_s=100, payment_index=1)
    second = payment(SUCCEEDED, payment_hash="dc" * 32, created_s=99.9, payment_index=2)
    assert observer.receive(first, 100)[0] == PaymentStarted(first.run)
    assert observer.tracker.finished.by_time
    assert observer.receive(second, 100)[0] == PaymentStarted(second.run)


def test_bound_holds_while_creation_time_decides() -> None:
    """The floor by time rises as well."""
    memory = remembering(2000)
    memory.go_by_time()
    for number in range(2001, 5001):
        memory.add(nth(number).run, number - 2000)
    assert len(memory) < REMEMBERED + SLACK
    assert not memory.is_new(nth(3000, index=1000))
