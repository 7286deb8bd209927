"""What is remembered of finished runs: its bound, its floor, and lnds that number their payments anew."""

from itertools import count, islice

from exporter.payments.event import PaymentStarted, UpdateIgnored
from exporter.payments.labels import Ignored, Source
from exporter.payments.memory import REMEMBERED, FinishedRuns
from exporter.payments.payment import Payment
from exporter.payments.totals import Counter
from tests.payments.build import FAILED, IN_FLIGHT, SUCCEEDED, Observer, payment

SLACK = 100


def nth(number: int, *, index: int | None = None) -> Payment:
    """The nth payment of a node, created n ms after the first."""
    return payment(
        SUCCEEDED,
        payment_hash=f"{number:064x}",
        created_s=number / 1000,
        payment_index=number if index is None else index,
    )


def full(count: int) -> FinishedRuns:
    """A memory of the payments 1 to `count`."""
    memory = FinishedRuns()
    for number in range(1, count + 1):
        memory.add(nth(number).run, number)
    return memory


def test_bound() -> None:
    """However many runs finish, only the last ones are remembered, and the floor is right below them."""
    memory = full(10_000)
    assert REMEMBERED <= len(memory) < REMEMBERED + SLACK
    assert memory.floor_index == 10_000 - len(memory)
    assert not memory.recognise(nth(memory.floor_index))
    assert memory.recognise(nth(memory.floor_index + 1))


def test_forgotten_runs_are_not_new() -> None:
    """A run that was counted and forgotten lies below the floor: it is never counted again."""
    observer = Observer()
    for number in range(1, 1301):
        observer.hear(nth(number), number / 1000)
        observer.release(number / 1000 + 1)
    for source in Source:
        assert observer.hear(nth(1), 9, source) == [UpdateIgnored(Ignored.AFTER_TERMINAL)]


def test_the_floor_stays_below_what_is_unread() -> None:
    """While a catch-up reads old payments, live ones that end far above don't raise the floor over the unread."""
    observer = Observer()
    observer.tracker.memory.reading = 0
    for number in range(5001, 7001):
        observer.hear(nth(number), 1)
        observer.release(9)
    assert observer.tracker.memory.floor_index == 0
    observer.grow_old()
    for number in range(1, 5001):
        observer.tracker.memory.reading = number
        assert observer.hear(nth(number), 100, Source.LIST)[0] == PaymentStarted(nth(number).run)
        observer.release(200)
    observer.tracker.memory.reading = None
    observer.hear(nth(7001), 300)
    observer.release(400)
    assert observer.tracker.memory.floor_index <= 7001 - REMEMBERED
    assert observer.ledger.counters[Counter.SUCCEEDED]["invoice", "1k_to_10k_sat"] == 7001


def test_what_was_read_can_vouch_for_the_floor() -> None:
    """However many end live far above during a long catch-up: some of what was read below stays remembered."""
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


def test_vouching() -> None:
    """One remembered run under its own index is enough to trust all indexes; none is enough to distrust them."""
    memory = full(10)
    assert memory.vouches([nth(11), nth(10)])
    assert not memory.vouches([nth(11), nth(10, index=9)])
    assert not memory.vouches([])


def test_distrust_goes_by_time() -> None:
    """When indexes have moved, what was created after the oldest remembered run, and isn't known, is new."""
    memory = full(2000)
    oldest = memory.floor_index + 1
    memory.distrust_indexes()
    missed = payment(FAILED, payment_hash="ef" * 32, created_s=1.5, payment_index=3)
    history = payment(FAILED, payment_hash="ef" * 32, created_s=oldest / 1000 - 0.0005, payment_index=99_999)
    assert memory.is_new(missed)
    assert not memory.is_new(history)
    memory.trust_indexes(7)
    assert not memory.is_new(missed)
    assert memory.is_new(history)


def test_distrust_after_an_old_run_ended_late() -> None:
    """A run held for long ends below the floor: what was created since is history, for all that is known."""
    memory = full(2000)
    memory.add(nth(3).run, 3)
    assert memory.recognise(nth(3))
    memory.distrust_indexes()
    forgotten, missed = nth(500), payment(FAILED, payment_hash="ef" * 32, created_s=1.9505, payment_index=3)
    assert not memory.is_new(forgotten)
    assert memory.is_new(missed)


def test_distrust_when_only_old_runs_are_remembered() -> None:
    """Of the runs below the floor none says what is new: only what was created after all."""
    memory = FinishedRuns()
    memory.trust_indexes(100)
    memory.add(nth(3).run, 3)
    memory.saw(nth(100).run)
    memory.distrust_indexes()
    assert not memory.is_new(nth(50))
    assert memory.is_new(nth(101, index=4))


def test_distrust_again_after_all_was_deleted() -> None:
    """A catch-up that was cut short in a new numbering: what it hadn't read is new as before."""
    memory = full(10)
    memory.saw(nth(20).run)
    memory.not_shown(list(memory.indexes))
    memory.trust_indexes(0)
    memory.distrust_indexes()
    assert memory.is_new(nth(15, index=1))
    assert not memory.recognise(nth(15, index=1))


def test_renumbering_during_a_catch_up_makes_everything_unread() -> None:
    """What was read under old indexes tells nothing of what is unread under the new ones: nothing is forgotten."""
    memory = FinishedRuns()
    memory.reading = 1500
    for number in range(1, 1600):
        memory.add(nth(number).run, number)
    memory.distrust_indexes()
    remembered, floor_us = len(memory), memory.floor_us
    for number in range(1600, 2000):
        memory.add(nth(number).run, number - 1599)
    assert (len(memory), memory.floor_us) == (remembered + 400, floor_us)


def test_distrust_after_a_clock_was_behind() -> None:
    """One run with an early creation time, or a pair out of order, doesn't make forgotten runs new."""
    memory = full(2000)
    memory.add(nth(1, index=2001).run, 2001)
    memory.distrust_indexes()
    assert not memory.is_new(nth(memory.floor_index, index=9999))
    assert memory.is_new(payment(FAILED, payment_hash="ef" * 32, created_s=1.9505, payment_index=3))


def test_it_shrinks_again() -> None:
    """What ends while a catch-up reads is remembered beyond the bound, but not for ever."""
    memory, numbers = full(2000), count(2001)
    for _ in range(20):
        memory.reading = memory.floor_index
        for number in islice(numbers, 300):
            memory.add(nth(number).run, number)
        memory.reading = None
        for number in islice(numbers, 1000):
            memory.add(nth(number).run, number)
    assert len(memory) < REMEMBERED + SLACK


def test_deleted_runs_are_forgotten_first() -> None:
    """After a deletion their old indexes are above all new ones, and mean nothing."""
    memory = full(1000)
    memory.not_shown([nth(number).run for number in range(1, 1001)])
    memory.trust_indexes(0)
    for number in range(1001, 1101):
        memory.add(nth(number).run, number - 1000)
    assert all(memory.recognise(nth(number, index=number - 1000)) for number in range(1001, 1101))
    assert memory.floor_index == 0


def test_numbers_that_start_over_while_the_stream_lives() -> None:
    """After `deletepayments --all` SQLite numbers from 1 again: the newest run of all is new whatever its index."""
    observer = Observer()
    for number in range(1, 2001):
        observer.hear(nth(number), 1)
        observer.release(5)
    first = payment(IN_FLIGHT, payment_hash="ef" * 32, created_s=100, payment_index=1)
    second = payment(SUCCEEDED, payment_hash="dc" * 32, created_s=99.9, payment_index=2)
    assert observer.hear(first, 100)[0] == PaymentStarted(first.run)
    assert observer.tracker.memory.by_time
    assert observer.hear(second, 100)[0] == PaymentStarted(second.run)


def test_bound_by_time() -> None:
    """The bound holds while times decide, too."""
    memory = full(2000)
    memory.distrust_indexes()
    for number in range(2001, 5001):
        memory.add(nth(number).run, number - 2000)
    assert len(memory) < REMEMBERED + SLACK
    assert not memory.is_new(nth(3000, index=1000))
