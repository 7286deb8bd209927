"""Facts of the past in steps of time: each is counted once, in order, also if reading is broken off and continued."""

from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from exporter.backfill.ledger import PastLedger
from exporter.backfill.timeline import Timeline
from exporter.payments.event import Event, PaymentStarted, StreamInterrupted
from exporter.payments.labels import Interruption
from exporter.payments.past import PastFact
from exporter.payments.payment import NS_PER_MS, NS_PER_S, Run
from exporter.payments.totals import Counter

MINUTE = 60 * NS_PER_S
START = 1_790_000_040 * NS_PER_S
"""The beginning of a minute."""
STEP = START // MINUTE
NOW = START + 300 * MINUTE
"""After all payments of a test."""


class Paid(NamedTuple):
    """A payment of a test: when it was created and when it ended, seconds after `START`."""

    created_s: int
    ended_s: int

    def facts(self) -> list[PastFact]:
        """Return a fact at the beginning and another one at the end."""
        created_ns, ended_ns = START + self.created_s * NS_PER_S, START + self.ended_s * NS_PER_S
        ended: Event = StreamInterrupted(Interruption.OTHER)  # any fact that counts does
        return [PastFact(created_ns, PaymentStarted(Run("ab" * 32, created_ns // 1000))), PastFact(ended_ns, ended)]


def totals(ledger: PastLedger) -> tuple[int, int]:
    """Return how many payments of a test have begun, and how many have ended."""
    return ledger.counters[Counter.STARTED][()], ledger.counters[Counter.INTERRUPTIONS][("other",)]


def read(timeline: Timeline, paid: list[Paid], start: int = 0, again: int = 0) -> Iterator[tuple[int, tuple[int, int]]]:
    """Add payments with indexes from 1; yield each step that is counted, by its number, and the totals then.

    Those before `start` are left out, and those up to the index `again` were taken before.
    """
    for number, each in enumerate(paid[start:], start + 1):
        timeline.add(number, START + each.created_s * NS_PER_S, each.facts(), NOW, again=number <= again)
        for at_ns in timeline.count_closed():
            yield at_ns // MINUTE - STEP, totals(timeline.ledger)


def new() -> Timeline:
    """Return a timeline in steps of a minute."""
    return Timeline(PastLedger(0), MINUTE)


def test_a_step_is_counted_when_a_payment_was_created_a_minute_later() -> None:
    """Quiet steps are counted, too; a fact at the very end of a step belongs to it."""
    timeline = new()
    paid = [Paid(0, 59), Paid(10, 60), Paid(61, 62), Paid(240, 241), Paid(241, 242)]
    assert list(read(timeline, paid)) == [(0, (1, 0)), (1, (2, 2)), (2, (3, 3)), (3, (3, 3))]
    assert [at_ns // MINUTE - STEP for at_ns in timeline.finish(START + 5 * MINUTE)] == [4, 5, 5]
    assert totals(timeline.ledger) == (5, 5)


def test_the_last_time_is_the_end() -> None:
    """What happened later is counted as of then; without any payment there is no time at all."""
    timeline = new()
    assert list(read(timeline, [Paid(0, 3), Paid(1, 5000)])) == []
    end = START + 90 * NS_PER_S
    assert list(timeline.finish(end)) == [START, START + MINUTE, end]
    assert totals(timeline.ledger) == (2, 2)
    assert list(new().finish(end)) == []


def test_the_last_time_is_after_the_last_step() -> None:
    """If it would be the same, it is a millisecond later."""
    timeline = new()
    assert list(read(timeline, [Paid(0, 3)])) == []
    assert list(timeline.finish(START + MINUTE)) == [START, START + MINUTE, START + MINUTE + NS_PER_MS]


def test_a_fact_of_a_closed_step_is_counted_in_the_first_open_one() -> None:
    """lnd's clock went back: nothing is lost, and how many facts are late is known."""
    timeline = new()
    steps = dict(read(timeline, [Paid(0, 1), Paid(300, 301), Paid(20, 21), Paid(500, 501)]))
    assert steps == dict.fromkeys((1, 2, 3, 4), (1, 1)) | {0: (1, 0), 5: (3, 2), 6: (3, 3), 7: (3, 3)}
    assert timeline.late == 2


def begun(created_ns: int) -> list[PastFact]:
    """Return the fact that a payment was created."""
    return [PastFact(created_ns, PaymentStarted(Run("ab" * 32, created_ns // 1000)))]


def test_payments_from_before_lnd() -> None:
    """They make no steps of years in which there was nothing: the first step of another payment has them, too."""
    timeline = new()
    timeline.add(1, NS_PER_S, begun(NS_PER_S), NOW)
    assert timeline.restart(2).payment_index == 1
    assert [*timeline.count_closed()] == []
    steps = dict(read(timeline, [Paid(0, 1), Paid(120, 121)]))
    assert steps == {0: (2, 0), 1: (2, 1)}
    timeline.add(3, NS_PER_S, begun(NS_PER_S), NOW)
    assert timeline.late == 1
    assert [totals(timeline.ledger) for _ in timeline.finish(START + 3 * MINUTE)] == [(4, 1), (4, 2), (4, 2)]
    assert timeline.restart(4).payment_index == 4


def test_only_payments_from_before_lnd() -> None:
    """They count at the end of the past."""
    timeline = new()
    timeline.add(1, NS_PER_S, begun(NS_PER_S), NOW)
    ends_ns = START + MINUTE + NS_PER_S
    assert [(at_ns, totals(timeline.ledger)) for at_ns in timeline.finish(ends_ns)] == [
        (START + MINUTE, (1, 0)),
        (ends_ns, (1, 0)),
    ]


def test_a_payment_from_the_future_closes_no_step() -> None:
    """lnd's clock was ahead for once: the payments after it count when they were made, and that one at the end."""
    timeline = new()
    timeline.add(1, START, begun(START), NOW)
    timeline.add(2, NOW * 2, begun(NOW * 2), NOW)
    assert timeline.restart(3).payment_index == 1
    assert dict(read(timeline, [Paid(0, 0), Paid(0, 0), Paid(60, 61), Paid(200, 200)], start=2)) == {
        0: (1, 0),
        1: (2, 0),
        2: (2, 1),
    }
    assert timeline.late == 0
    *_, last = ((at_ns, totals(timeline.ledger)) for at_ns in timeline.finish(NOW))
    assert last == (NOW + NS_PER_MS, (4, 2))


PAYMENTS = st.lists(
    st.builds(
        lambda back_s, held_s, wait_s: (wait_s, back_s, held_s),
        st.sampled_from([0, 0, 0, 1, 30, 90, 600]),
        st.sampled_from([0, 1, 5, 59, 61, 500, 5000]),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=30,
).map(
    lambda gaps: [
        Paid(max(0, sum(wait_s for wait_s, _, _ in gaps[: place + 1]) - back_s), max(0, at_s - back_s) + held_s)
        for place, (_, back_s, held_s) in enumerate(gaps)
        for at_s in (sum(wait_s for wait_s, _, _ in gaps[: place + 1]),)
    ]
)


@given(PAYMENTS, st.data())
def test_continued_reading_counts_the_same_in_every_step(paid: list[Paid], data: st.DataObject) -> None:
    """Broken off after any step, and continued with its totals from `restart`: all later steps are the same."""
    whole = new()
    steps = [*read(whole, paid), *((at_ns, totals(whole.ledger)) for at_ns in whole.finish(NOW))]
    assert steps[-1][1] == (len(paid), len(paid))

    first = new()
    broken_off = data.draw(st.integers(0, len(paid)))
    seen = 0
    for number, each in enumerate(paid[:broken_off], 1):
        timeline_steps = first.count_closed()
        first.add(number, START + each.created_s * NS_PER_S, each.facts(), NOW)
        for _ in timeline_steps:
            seen += 1
            if data.draw(st.booleans()):
                break
    if not first.counted or not seen:
        return
    restart = first.restart(broken_off + 1)
    ledger = PastLedger(0)
    ledger.resume(*first.ledger.share())
    second = Timeline(ledger, MINUTE, counted=first.counted, reached_ns=restart.reached_ns)
    rest = [*read(second, paid, restart.payment_index - 1, broken_off)]
    rest += ((at_ns, totals(ledger)) for at_ns in second.finish(NOW))
    assert rest == steps[seen:]
