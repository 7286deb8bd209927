"""A node without a stream of all payments: each is followed by its own."""

import asyncio
from collections import Counter as Tally
from collections.abc import Iterable, Sequence
from dataclasses import replace

import grpc
import pytest

from exporter.follow import Follower, per_payment
from exporter.lnd.client import Page
from exporter.payments.labels import Method, Mode
from exporter.payments.payment import Run
from exporter.payments.totals import Counter
from exporter.simulator.clock import WallClock
from exporter.simulator.database import Backend, Options
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Life, Step
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import EVERYTHING, PATHS
from tests.follow.chaos import ChaoticNode
from tests.follow.virtual import VirtualLoop, run_virtually
from tests.follow.watch import ENDS, QUICK, Watch, watching
from tests.patience import PATIENCE_S

MISSED = (Counter.RECOVERED, Counter.ATTEMPTS_INCOMPLETE, Counter.ATTEMPTS_FAILED)


class Counting(ChaoticNode):
    """Counts how often its payments are listed."""

    looks = 0

    async def payments(self, *, after: int = 0, limit: int = 500, newest_first: bool = False) -> Page:
        """One more."""
        self.looks += 1
        return await super().payments(after=after, limit=limit, newest_first=newest_first)


def happen(node: SimulatedNode, steps: Iterable[Step]) -> None:
    """At once."""
    for step in steps:
        node.database.apply(step.mutation)


def followed(node: SimulatedNode) -> set[str]:
    """Hashes of the payments that somebody follows one by one."""
    return {payment_hash for payment_hash, some in node.tower._by_hash.items() if some}


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
        assert len(watch.logged("no stream of all payments: following each by a stream of its own")) == 1


async def test_where_lnd_takes_its_time_to_refuse(node: SimulatedNode, lives: Lives) -> None:
    """Final updates were asked for, and read until then: afterwards finished runs are forgotten as ever."""
    node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    node.faults.delay(Method.TRACK_PAYMENTS, 0.5)
    async with watching(node, pace=replace(QUICK, beat_s=0.2), final_only=True) as watch:
        await watch.live()
        memory = watch.follower.account.tracker.memory
        await watch.until(lambda: memory.reading == 0)
        await watch.until(lambda: watch.status.mode is Mode.TRACK)
        await watch.until(lambda: memory.reading is None)
        await node.play(lives.success())
        await until_ended(watch, 1)


async def test_where_it_is_asked_for(node: SimulatedNode, lives: Lives) -> None:
    """The stream of all is never asked for; what is seen from its beginning to its end was heard live."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        *begin, settled, last = lives.retry().steps
        happen(node, begin)
        tracker = watch.follower.account.tracker
        await watch.until(lambda: tracker.open and all(map(tracker.is_shown, tracker.open.values())))
        happen(node, (settled, last))
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
        await watch.until(lambda: watch.logged("not following"))
        assert watch.status.mode is Mode.FIREHOSE


async def test_more_than_can_be_followed(node: SimulatedNode, lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are; a quiet one gives its stream away, is asked for once a beat, and counts as ever."""
    monkeypatch.setattr(per_payment, "MAX_STREAMS", 2)
    monkeypatch.setattr(per_payment, "QUIET_NS", 0)
    monkeypatch.setattr(per_payment, "OVERLAP", 0)  # what has no stream is not read again with what is new
    begun: list[Life] = []
    async with watching(node, mode=Mode.TRACK, pace=replace(QUICK, beat_s=0.3)) as watch:
        await watch.live()
        for number in range(1, 5):
            begun.append(lives.success())
            happen(node, begun[-1].steps[:2])
            await watch.until(lambda number=number: watch.counted(Counter.ATTEMPTS_STARTED) == number)  # type: ignore[misc]
            newest = {life.payment_hash for life in begun[-2:]}
            await watch.until(lambda newest=newest: followed(node) == newest)  # type: ignore[misc]
        for life in begun:
            happen(node, life.steps[2:])
        await until_ended(watch, 4)
        assert watch.totals(*ENDS) == {"started": 4, "succeeded": 4, "failed": 0, "lost": 0}


async def test_between_two_looks(node: SimulatedNode, lives: Lives) -> None:
    """The end is found, the failed attempt is not: that is said."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        happen(node, lives.retry().steps)
        await until_ended(watch, 1)
        assert watch.totals(*MISSED) == {"recovered": 1, "attempts_incomplete": 1, "attempts_failed": 0}


async def test_over_before_its_stream_began(node: SimulatedNode, lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that begins with the end has not heard it live."""
    monkeypatch.setattr(per_payment, "OVERLAP", 0)  # only the stream tells
    node.faults.delay(Method.TRACK_PAYMENT, 0.3)
    async with watching(node, mode=Mode.TRACK, pace=replace(QUICK, second_catch_up_s=3600)) as watch:
        await watch.live()
        life = lives.retry()
        happen(node, life.steps[:1])
        await watch.until(lambda: node.calls[Method.TRACK_PAYMENT])
        happen(node, life.steps[1:])
        await until_ended(watch, 1)
        assert watch.totals(*MISSED) == {"recovered": 1, "attempts_incomplete": 1, "attempts_failed": 0}


def test_a_quiet_node_is_looked_at_less_often() -> None:
    """Every ten seconds, and about every second while it pays; over a line that takes its time."""

    async def told(loop: VirtualLoop) -> None:
        node, looks = Counting(loop, 1), Tally[str]()
        task = asyncio.create_task(Follower("lnd", node, now=node.clocks, mode=Mode.TRACK).run())
        await asyncio.sleep(100)
        for phase, payments in (("quiet", 0), ("busy", 400), ("quiet again", 0)):
            node.looks = 0
            for _ in range(200):
                node.pay_at_once(payments // 200)
                await asyncio.sleep(0.5)
            looks[phase] = node.looks
        task.cancel()
        await asyncio.wait([task])
        assert looks["quiet"] <= 12
        assert looks["busy"] >= 40
        assert looks["quiet again"] <= 20

    run_virtually(told)


async def test_what_the_audit_has_seen(node: SimulatedNode, lives: Lives) -> None:
    """The audit reads the end of the table, too: what it has seen there is looked at here all the same."""

    async def counted(runs: Sequence[Run]) -> set[Run]:
        return set(runs)

    pace = replace(QUICK, list_s=0.6, list_longest_s=0.6, audit_s=0.02)
    async with watching(node, mode=Mode.TRACK, pace=pace, counted=counted) as watch:
        await watch.live()
        await asyncio.sleep(0.3)  # until the second catch-up is over
        for _ in range(3 * per_payment.OVERLAP):
            for step in lives.success().steps:
                node.database.apply(step.mutation)
        await until_ended(watch, 3 * per_payment.OVERLAP)


@pytest.mark.slow
async def test_all_deleted_and_numbered_from_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`deletepayments --all` on SQLite: no stream tells of the payments that come next, which have low indexes."""
    options = Options(backend=Backend.SQLITE)
    async with SimulatedNode(tmp_path_factory.mktemp("sql"), clock=WallClock(float("inf")), options=options) as node:
        lives, many = Lives(node.world), 2 * per_payment.OVERLAP
        async with watching(node, mode=Mode.TRACK) as watch:
            await watch.live()
            await node.play(*[lives.success() for _ in range(many)])
            await until_ended(watch, many)
            node.database.delete_all()
            await node.play(lives.success(), lives.no_route())
            await until_ended(watch, many + 2)
            await node.play(lives.success())
            await until_ended(watch, many + 3)


async def test_pages_shorter_than_what_is_read_again(
    node: SimulatedNode, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of payments that fill a message a page has few: one that ends below what is known says of no deletion."""
    monkeypatch.setattr("exporter.follow.calls.PAGE_LIMIT", per_payment.OVERLAP // 2)
    for _ in range(2 * per_payment.OVERLAP):
        happen(node, lives.success().steps)
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        await asyncio.sleep(0.3)  # until the second catch-up is over
        for _ in range(per_payment.OVERLAP):
            happen(node, lives.success().steps)
        await until_ended(watch, per_payment.OVERLAP)


async def test_its_loss(node: SimulatedNode, lives: Lives) -> None:
    """Lost and found again, what ended meanwhile is counted."""
    async with watching(node, mode=Mode.TRACK) as watch:
        await watch.live()
        await node.stop()
        await watch.lost()
        happen(node, lives.success().steps)
        await node.start()
        await watch.live()
        await asyncio.wait_for(until_ended(watch, 1), PATIENCE_S)
