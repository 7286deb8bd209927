"""The gauges that are counted bit by bit are those that a plain count of all open runs gives."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.payments.inflight import HELD_NS, STALLED_NS, InFlight, InFlightCounter, age_band, blocks_left, held
from exporter.payments.labels import BlocksLeft, Reason, Source, Status
from exporter.payments.payment import NS_PER_S, NS_PER_US, Moment, Run
from exporter.payments.run import OpenRun
from exporter.payments.tracker import Tracker
from tests.metrics import scene


def plain_count(runs: list[OpenRun], now: Moment, block_height: int | None) -> InFlight:
    """Count all runs from the definitions alone."""
    outstanding = [attempt for run in runs for attempt in run.outstanding.values()]
    held_now = [attempt for attempt in outstanding if held(attempt, now)]
    gauges = InFlight()
    for run in runs:
        gauges.runs[run.purpose, age_band(now.wall_ns - run.run.created_us * NS_PER_US)] += 1
    gauges.msat = sum(run.value_msat for run in runs)
    gauges.given_up = sum(run.given_up for run in runs)
    gauges.given_up_msat = sum(run.value_msat for run in runs if run.given_up)
    gauges.stalled = sum(
        not run.terminal and not run.outstanding and now.mono_ns - run.news_mono_ns >= STALLED_NS for run in runs
    )
    gauges.oldest_us = min((run.run.created_us for run in runs), default=None)
    gauges.htlcs = len(outstanding)
    gauges.htlcs_msat = sum(attempt.amount_msat for attempt in outstanding)
    gauges.earliest_expiry_height = min((attempt.expiry_height for attempt in held_now), default=None)
    for peer in {attempt.peer for attempt in outstanding}:
        amounts = [attempt.amount_msat for attempt in outstanding if attempt.peer == peer]
        gauges.peers[peer] = (len(amounts), sum(amounts))
    if block_height is not None:
        gauges.held = {}
        for band in BlocksLeft:
            amounts = [
                attempt.amount_msat for attempt in held_now if blocks_left(attempt.expiry_height - block_height) is band
            ]
            gauges.held[band] = (len(amounts), sum(amounts))
    return gauges


_TIMES_S = st.sampled_from([0, 1, 59, 60, 61, 599, 600, 1800, 1801, 3600, 86400])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("update"), st.integers(1, 6), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("end"), st.integers(1, 6)),
        st.tuples(st.just("wait"), _TIMES_S),
        st.tuples(st.just("wall clock set back"), _TIMES_S),
        st.tuples(st.just("height"), st.sampled_from([None, 1, 800_000, 800_100, 900_000])),
        st.tuples(st.just("count")),
    ),
    max_size=30,
)


@given(_STEPS)
def test_counted_bit_by_bit_it_is_what_a_plain_count_gives(steps: list[tuple[str, *tuple[object, ...]]]) -> None:
    """Runs start, change and end in any order, while both clocks and the block height change."""
    tracker, clock = Tracker(), scene.at(100)
    height: int | None = None
    tracker.begin([], 0, clock)
    tracker.stream_started()
    for kind, *values in [*steps, ("count",)]:
        match kind, values:
            case "update", (int(index), int(attempts), bool(given_up)):
                sent = [scene.attempt(index * 10 + each, 20 + 700 * each) for each in range(attempts)]
                reason = Reason.TIMEOUT if given_up else Reason.NONE
                payment = scene.payment(index, 10 + 50 * index, Status.IN_FLIGHT, *sent)
                tracker.update(payment._replace(reason=reason), Source.STREAM, clock)
            case "end", (int(index),):
                tracker.update(scene.payment(index, 10 + 50 * index, Status.FAILED), Source.STREAM, clock)
            case "wait", (int(seconds),):
                clock = Moment(clock.wall_ns + seconds * NS_PER_S, clock.mono_ns + seconds * NS_PER_S)
                tracker.release(clock)
            case "wall clock set back", (int(seconds),):
                clock = Moment(clock.wall_ns - seconds * NS_PER_S, clock.mono_ns)
            case "height", (int() | None as value,):
                height = value
            case _:
                counted = tracker.in_flight.count(clock, height)
                assert counted == plain_count([*tracker.open.values()], clock, height)
                assert tracker.in_flight.count(clock, height) is counted


def test_each_boundary_is_crossed_in_time() -> None:
    """A run nobody hears of any more gets older, stalls, and its HTLC becomes held, at the very nanosecond."""
    tracker, begin = Tracker(), scene.at(100)
    tracker.begin([], 0, begin)
    tracker.stream_started()
    tracker.update(scene.payment(1, 100, Status.IN_FLIGHT), Source.STREAM, begin)
    tracker.update(scene.payment(2, 100, Status.IN_FLIGHT, scene.attempt(1, 100)), Source.STREAM, begin)
    tracker.in_flight.count(begin, 1)
    for edge_ns in (60 * NS_PER_S, STALLED_NS, HELD_NS, HELD_NS + 1, 3600 * NS_PER_S, 86400 * NS_PER_S):
        for past_ns in (-1, 0):
            now = Moment(begin.wall_ns + edge_ns + past_ns, begin.mono_ns + edge_ns + past_ns)
            assert tracker.in_flight.count(now, 1) == plain_count([*tracker.open.values()], now, 1)


def test_what_was_counted_stays_as_it_was() -> None:
    """Gauges on an earlier page don't change when the runs do."""
    tracker, clock = Tracker(), scene.at(100)
    tracker.begin([], 0, clock)
    tracker.stream_started()
    tracker.update(scene.payment(1, 100, Status.IN_FLIGHT, scene.attempt(1, 100)), Source.STREAM, clock)
    first = tracker.in_flight.count(clock, 1)
    before = plain_count([*tracker.open.values()], clock, 1)
    sent = (scene.attempt(1, 100), scene.attempt(2, 100))
    tracker.update(scene.payment(1, 100, Status.IN_FLIGHT, *sent), Source.STREAM, clock)
    assert tracker.in_flight.count(clock, 1) == plain_count([*tracker.open.values()], clock, 1) != before
    assert first == before


def test_runs_that_start_and_end_between_two_counts_leave_nothing() -> None:
    """Nothing grows while nobody asks for a page."""
    runs: dict[Run, OpenRun] = {}
    counter = InFlightCounter(runs)
    for number in range(3):
        run = Run(f"{number:064x}", number)
        counter.changed(run)
        counter.closed(run)
    assert counter.count(scene.at(1), None) == InFlight()
