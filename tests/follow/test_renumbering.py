"""Payments deleted, numbered anew or created out of order, in quantity: followed on a good line in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from exporter.follow import Backoff, Follower, calls
from exporter.payments import memory
from exporter.payments.totals import Counter
from exporter.simulator.database import Backend, Options
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Create
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.virtual import VirtualLoop, run_virtually


class Story:
    """A node on a good line, and its follower."""

    def __init__(self, loop: VirtualLoop, backend: Backend) -> None:
        """The follower isn't started yet."""
        self.loop = loop
        self.node = ChaoticNode(loop, 1, Options(backend=backend))
        self.lives = Lives(self.node.world)
        self.follower = Follower("lnd", self.node, now=self.node.clocks, max_peers=5, backoff=Backoff(Random(1)))
        self.task: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Start counting."""
        self.task = asyncio.create_task(self.follower.run())
        await asyncio.sleep(20)

    async def fail(self, number: int, *, at_once: int = 5, every_s: float = 2) -> None:
        """So many payments without a route, some at once."""
        for _ in range(number // at_once):
            for _ in range(at_once):
                self.apply()
            await asyncio.sleep(every_s)

    def apply(self, payment_index: int | None = None) -> None:
        """One payment without a route, perhaps under an index that was reserved."""
        for _, mutation in self.lives.no_route().steps:
            indexed = isinstance(mutation, Create) and payment_index is not None
            self.node.database.apply(mutation._replace(payment_index=payment_index) if indexed else mutation)  # type: ignore[call-arg]

    async def migrate(self) -> None:
        """lnd is away for a second, and comes back with other indexes."""
        await self.node.be_away(1)
        self.node.database.migrate()
        self.node.lose()
        await asyncio.sleep(300)

    def failed(self) -> int:
        """Payments counted as failed; none is lost, and none in flight."""
        view = self.follower.account.view()
        totals = {counter: sum(view.counters[counter].values()) for counter in view.counters}
        assert totals[Counter.STARTED] == totals[Counter.FAILED]
        return totals[Counter.FAILED]


def tell(backend: Backend, what: Callable[[Story], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell it from beginning to end."""
    monkeypatch.setattr(memory, "REMEMBERED", 100)
    monkeypatch.setattr(memory, "_FORGOTTEN_AT_ONCE", 10)
    monkeypatch.setattr(calls, "PAGE_LIMIT", 50)
    monkeypatch.setattr(chaos, "LAGS_S", (0.0005, 0.002))
    monkeypatch.setattr(chaos, "SCANS_S", (0.001,))

    async def told(loop: VirtualLoop) -> None:
        story = Story(loop, backend)
        await what(story)
        assert story.task is not None
        story.task.cancel()
        await asyncio.wait([story.task])
        assert story.task.cancelled()

    run_virtually(told)


@pytest.mark.parametrize(("before", "after"), [(120, 40), (65, 70), (125, 8)])
def test_all_deleted_then_hundreds_more(before: int, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`deletepayments --all` on SQLite while we listen: what was counted since isn't counted again."""

    async def what(story: Story) -> None:
        await story.follow()
        await story.fail(before)
        story.node.database.delete_all()
        await story.fail(after, at_once=1, every_s=60)
        assert story.failed() == before + after
        remembered = story.follower.account.tracker.memory.indexes
        if before > memory.REMEMBERED:  # else the new indexes are above the floor, and nothing is noticed
            assert story.node.there() <= remembered.keys(), "the deleted ones are forgotten first"

    tell(Backend.SQLITE, what, monkeypatch)


def test_all_deleted_then_the_connection_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that is remembered has been deleted, and some of what came after it has been forgotten."""

    async def what(story: Story) -> None:
        await story.follow()
        await story.fail(260)
        story.node.database.delete_all()
        await story.fail(40, at_once=1, every_s=60)
        story.node.lose()
        await asyncio.sleep(300)
        assert story.failed() == 300

    tell(Backend.SQLITE, what, monkeypatch)


def test_all_deleted_then_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few payments are left to tell what the new numbers mean."""

    async def what(story: Story) -> None:
        await story.follow()
        await story.fail(125)
        story.node.database.delete_all()
        await story.fail(5)
        await story.migrate()
        await story.fail(40, at_once=1, every_s=5)
        assert story.failed() == 170

    tell(Backend.KV, what, monkeypatch)


def test_migrated_after_payments_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each two payments the lower index is visible a moment after the higher one."""

    async def what(story: Story) -> None:
        await story.follow()
        story.node.database.reserve_index()
        for number in range(65):
            low = story.node.database.reserve_index()
            story.apply()
            story.apply(low)
            if number % 3 == 0:
                await asyncio.sleep(2)
        await asyncio.sleep(5)
        await story.migrate()
        assert story.failed() == 130

    tell(Backend.KV, what, monkeypatch)


def test_migrated_after_a_clock_was_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """One payment was made before the node knew the time: history stays history all the same."""

    async def what(story: Story) -> None:
        story.node.database.reserve_index()
        for _ in range(150):
            story.apply()
        await story.follow()
        await story.fail(10, at_once=10)
        story.node.behind_ns = 10**16
        story.apply()
        story.node.behind_ns = 0
        await story.fail(10, at_once=10)
        await story.migrate()
        assert story.failed() == 21

    tell(Backend.KV, what, monkeypatch)


def test_a_process_that_is_always_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs for 0.15 s out of every 0.75 s, and counts all the same."""

    async def what(story: Story) -> None:
        await story.follow()

        async def busy() -> None:
            while True:
                await asyncio.sleep(0.15)
                story.loop.stand_still(0.6)

        starving = asyncio.create_task(busy())
        await story.fail(100, at_once=10, every_s=60)
        starving.cancel()
        assert story.failed() == 100

    tell(Backend.KV, what, monkeypatch)


@pytest.mark.parametrize("late", [10, 55])
def test_migrated_soon_after_counting_began(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two payments of history at once, and counting begins between them: the one below stays history."""

    async def what(story: Story) -> None:
        story.node.database.reserve_index()
        for _ in range(20):
            story.apply()
        for _ in range(25):
            low = story.node.database.reserve_index()
            story.apply()
            story.apply(low)
        story.apply()
        await asyncio.sleep(60)
        await story.follow()
        await story.fail(late)
        await story.migrate()
        assert story.failed() == late

    tell(Backend.KV, what, monkeypatch)
