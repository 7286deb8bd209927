"""A node without a stream of all payments: each is followed by its own."""

import asyncio

import grpc
import pytest

from exporter.follow import one_by_one
from exporter.payments.labels import Method, Mode
from exporter.payments.totals import Counter
from exporter.simulator.lives import Lives
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import EVERYTHING, PATHS
from tests.follow.watch import ENDS, Watch, watching


async def until_ended(watch: Watch, number: int) -> None:
    """Wait until so many have been counted."""
    await watch.until(lambda: watch.counted(Counter.SUCCEEDED, Counter.FAILED) == number)


@pytest.mark.parametrize("refusal", ["unimplemented", "denied"])
async def test_where_lnd_gives_none(refusal: str, node: SimulatedNode, lives: Lives) -> None:
    """It is said once, and all is counted: quick ones, one that takes time, two ends of one run."""
    if refusal == "denied":
        node.renew_macaroon(EVERYTHING - {PATHS[Method.TRACK_PAYMENTS]})
    else:
        node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    async with watching(node) as watch:
        await watch.live()
        await watch.until(lambda: watch.status.mode is Mode.TRACK)
        for life in (lives.success(), lives.retry(), lives.no_route(), lives.held_then_settled(240)):
            await node.play(life)
        await until_ended(watch, 4)
        assert watch.totals(*ENDS) == {"started": 4, "succeeded": 3, "failed": 1, "lost": 0}
        assert watch.totals(Counter.SUCCEEDED_LATE) == {"succeeded_late": 1}
        assert len(watch.said("no stream of all payments: following each by itself")) == 1


async def test_where_it_is_asked_for(node: SimulatedNode, lives: Lives) -> None:
    """The stream of all is never asked for; what is seen from its beginning to its end was heard live."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        *begin, settled, last = lives.retry().steps
        for step in begin:
            node.database.apply(step.mutation)
        tracker = watch.follower.account.tracker
        await watch.until(lambda: tracker.open and all(map(tracker.shown, tracker.open.values())))
        for step in (settled, last):
            node.database.apply(step.mutation)
        await until_ended(watch, 1)
        assert watch.totals(Counter.RECOVERED, Counter.ATTEMPTS_INCOMPLETE) == {
            "recovered": 0,
            "attempts_incomplete": 0,
        }
        assert node.calls[Method.TRACK_PAYMENTS] == 0


async def test_where_it_is_insisted_on(node: SimulatedNode) -> None:
    """A macaroon that doesn't allow it is refused."""
    node.renew_macaroon(EVERYTHING - {PATHS[Method.TRACK_PAYMENTS]})
    async with watching(node, mode=Mode.FIREHOSE) as watch:
        await watch.until(lambda: watch.said("not following"))
        assert watch.status.mode is Mode.FIREHOSE


async def test_more_than_can_be_followed(node: SimulatedNode, lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are; a quiet one gives its stream away, is asked for, and counts as ever."""
    monkeypatch.setattr(one_by_one, "STREAMS", 2)
    monkeypatch.setattr(one_by_one, "QUIET_NS", 0)
    ends = []
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        for number in range(1, 5):
            *begin, end = lives.success().steps
            for step in begin:
                node.database.apply(step.mutation)
            ends.append(end)
            await watch.until(lambda number=number: watch.counted(Counter.ATTEMPTS_STARTED) == number)  # type: ignore[misc]
        for end in ends:
            node.database.apply(end.mutation)
        await until_ended(watch, 4)
        assert watch.totals(*ENDS) == {"started": 4, "succeeded": 4, "failed": 0, "lost": 0}


async def test_its_loss(node: SimulatedNode, lives: Lives) -> None:
    """Lost and found again, what ended meanwhile is counted."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        await node.stop()
        await watch.lost()
        for step in lives.success().steps:
            node.database.apply(step.mutation)
        await node.start()
        await watch.live()
        await asyncio.wait_for(until_ended(watch, 1), 20)
