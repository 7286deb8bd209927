"""A stream that is late, because this process reads slower than lnd sends: wait for it, with a bound, and don't ask."""

import random
from dataclasses import replace

import pytest

from exporter.payments.event import EndUnconfirmed, PaymentFailed
from exporter.payments.labels import Mode, Reason, Source
from exporter.payments.payment import NS_PER_MS, Moment, Payment, Run
from exporter.payments.receipt import LAG_NS, LONGEST_LAG_NS
from exporter.payments.terminal import MAX_POSTPONED, Terminal
from exporter.payments.tracker import Tracker
from tests.payments.build import FAILED, HASH, OTHER_HASH, Observer, at, payment
from tests.payments.test_hold import TIMEOUT, reasons

NO_ROUTE = Reason.NO_ROUTE
BEHIND = "ef" * 32
CREATED_S = 30.0
FIRST = payment(FAILED, reason=NO_ROUTE, created_s=CREATED_S)
SECOND = payment(FAILED, reason=TIMEOUT, created_s=CREATED_S)


def send(observer: Observer, seconds: float, created_s: float) -> None:
    """Receive an update of another payment from the stream, created at `created_s`."""
    observer.receive(payment(payment_hash=BEHIND, payment_index=1, created_s=created_s), seconds)


def listed(first: Payment = FIRST) -> Observer:
    """Return an observer whose stream is 20 s late, and whose list has just shown an end."""
    observer = Observer()
    send(observer, 29.9, created_s=10)
    observer.receive(first, 30, Source.LIST)
    return observer


def test_end_that_a_late_stream_has_yet_to_tell_waits_for_it() -> None:
    """Nobody asks; the stream tells both terminal updates, and the last reason counts."""
    observer = listed()
    for second in range(31, 40):
        send(observer, second - 0.1, created_s=second - 20)
        assert observer.release(second) == []
        assert observer.tracker.hashes_to_ask_for(at(second)) == []
    observer.receive(FIRST, 50)
    observer.receive(SECOND, 50.02)
    assert observer.release(50.9) == []
    observer.release(51)
    assert reasons(observer) == [TIMEOUT]
    (counted,) = [event for event in observer.events if isinstance(event, PaymentFailed)]
    assert not counted.ending.recovered  # the stream was there when lnd was asked: the answer only came first


@pytest.mark.parametrize("why", ["it is quiet", "it has passed", "it takes too long", "it is lost", "it isn't full"])
def test_end_that_no_stream_will_tell_is_asked_for(why: str) -> None:
    """As without a late stream: the end becomes unconfirmed."""
    observer = listed()
    if why == "it isn't full":
        observer = Observer()
        observer.tracker.stream_started(Mode.TRACK)
        send(observer, 29.9, created_s=10)
        observer.receive(FIRST, 30, Source.LIST)
    if why == "it is lost":
        observer.tracker.stream_lost()
        assert observer.tracker.hashes_to_ask_for(at(30)) == [HASH]
        return
    last_s = 31.0
    if why == "it has passed":
        send(observer, 30.9, created_s=CREATED_S + LAG_NS / 1e9)
    elif why == "it takes too long":
        last_s = 30 + LONGEST_LAG_NS / 1e9
        for second in range(31, int(last_s)):
            send(observer, second - 0.1, created_s=10)
            assert observer.release(second) == []
        send(observer, last_s - 0.1, created_s=10)
    elif why == "it isn't full":
        send(observer, 30.9, created_s=10)
    assert observer.release(last_s) == [EndUnconfirmed(HASH)]
    assert HASH in observer.tracker.hashes_to_ask_for(at(last_s))


def test_run_in_flight_that_a_late_stream_has_yet_to_show_is_not_asked_for() -> None:
    """It is if the stream has become quiet, and still hasn't shown it."""
    observer = listed(payment(created_s=CREATED_S))
    assert HASH not in observer.tracker.hashes_to_ask_for(at(30.5))
    assert HASH in observer.tracker.hashes_to_ask_for(at(31))
    send(observer, 31, created_s=CREATED_S + LAG_NS / 1e9)
    assert HASH in observer.tracker.hashes_to_ask_for(at(31))


def test_run_in_flight_that_a_list_showed_before_the_stream_began_is_asked_for() -> None:
    """It may have ended before lnd had registered the subscription: then no update tells its end."""
    observer = Observer()
    observer.receive(payment(created_s=CREATED_S), 30, Source.LIST)
    send(observer, 30.1, created_s=CREATED_S)
    assert observer.tracker.hashes_to_ask_for(at(30.2)) == [HASH]
    observer.receive(payment(created_s=CREATED_S), 30.3, Source.TRACK)
    assert observer.tracker.hashes_to_ask_for(at(30.4)) == []


def test_end_that_a_stream_has_passed_is_asked_for_though_it_shows_the_payment() -> None:
    """Updates come in order, so this one won't come any more."""
    observer = Observer()
    observer.receive(payment(created_s=CREATED_S), 30)
    observer.receive(FIRST, 31, Source.LIST)
    send(observer, 31.9, created_s=CREATED_S + LAG_NS / 1e9)
    assert observer.release(32) == [EndUnconfirmed(HASH)]


class Scanning(Tracker):
    """The rule without an order: look through all holds."""

    def due(self, moment: Moment) -> set[Run]:
        """Return the runs whose hold is over."""
        return {run for run, terminal in self.on_hold.items() if terminal.is_due(moment)}


@pytest.mark.parametrize("seed", range(20))
def test_holds_end_in_order(seed: int) -> None:
    """Whatever begins again, is postponed or confirmed: what is released is what a look through all holds finds."""
    chance = random.Random(seed)
    tracker, now_s = Scanning(), 0.0
    observer = Observer(tracker)
    hashes = [f"{number:064x}" for number in range(1, 40)]
    for _ in range(600):
        now_s = round(now_s + chance.choice((0.0, 0.01, 0.2)), 3)
        one = payment(payment_hash=chance.choice(hashes), reason=NO_ROUTE, status=FAILED, payment_index=5)
        match chance.randrange(8):
            case 0:
                stalled_ns = chance.randrange(900) * NS_PER_MS
                now_s += stalled_ns / 1e9
                tracker.postpone(stalled_ns)
            case 1:
                if chance.random() < 0.1:
                    observer.tracker.stream_lost()
                    observer.tracker.stream_started()
            case 2 | 3 | 4:
                observer.receive(one, now_s, Source.STREAM)
            case _:
                observer.receive(one, now_s, Source.LIST)
        held: list[Terminal] = list(tracker.on_hold.values())
        ends = [terminal.held_until_mono_ns or 0 for terminal in held]
        assert ends == sorted(ends)
        due, before = tracker.due(at(now_s)), {run: replace(terminal) for run, terminal in tracker.on_hold.items()}
        observer.release(now_s)
        still = tracker.on_hold.keys()
        assert not tracker.due(at(now_s))
        assert before.keys() - still <= due
        assert all(terminal.postponed <= MAX_POSTPONED for terminal in held)


def test_a_hold_that_was_extended_often_ends_before_one_that_was_not() -> None:
    """A process that is always late counts at last, and in order."""
    observer = Observer()
    observer.receive(FIRST, 30)
    for _ in range(MAX_POSTPONED):
        observer.tracker.postpone(600 * NS_PER_MS)
    observer.receive(FIRST._replace(payment_hash=OTHER_HASH, payment_index=11), 42)
    observer.tracker.postpone(600 * NS_PER_MS)
    assert [run.payment_hash for run in observer.tracker.on_hold] == [HASH, OTHER_HASH]
    assert [type(event) for event in observer.release(31 + MAX_POSTPONED * 0.6)].count(PaymentFailed) == 1
    assert [run.payment_hash for run in observer.tracker.on_hold] == [OTHER_HASH]
