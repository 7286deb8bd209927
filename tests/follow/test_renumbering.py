"""Many payments deleted, numbered anew or created out of order, over a good connection in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from exporter.follow import Account, Backoff, Follower, calls
from exporter.payments import finished
from exporter.payments.totals import Counter
from exporter.simulator.database import Backend, Options
from exporter.simulator.mutation import Create
from exporter.simulator.scenarios import Scenarios
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.virtual import VirtualLoop, run_virtually


class Story:
    """A node behind a good connection, and its follower."""

    def __init__(self, loop: VirtualLoop, backend: Backend) -> None:
        """Create both; `follow` starts the follower."""
        self.loop = loop
        self.node = ChaoticNode(loop, 1, Options(backend=backend))
        self.scenarios = Scenarios(self.node.world)
        self.follower = Follower(Account("lnd", self.node.clocks, 5), self.node, backoff=Backoff(Random(1)))
        self.task: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Start counting."""
        self.task = asyncio.create_task(self.follower.run())
        await asyncio.sleep(20)

    async def fail(self, number: int, *, at_once: int = 5, every_s: float = 2) -> None:
        """Make payments without a route, `at_once` of them together."""
        for _ in range(number // at_once):
            for _ in range(at_once):
                self.apply()
            await asyncio.sleep(every_s)

    def apply(self, payment_index: int | None = None) -> None:
        """Make a payment without a route, under a reserved index if one is given."""
        for _, mutation in self.scenarios.no_route().steps:
            indexed = isinstance(mutation, Create) and payment_index is not None
            self.node.database.apply(mutation._replace(payment_index=payment_index) if indexed else mutation)  # type: ignore[call-arg]

    async def migrate(self) -> None:
        """Let lnd be away for a second and come back with other indexes."""
        await self.node.be_away(1)
        self.node.database.migrate()
        self.node.lose()
        await asyncio.sleep(300)

    def failed(self) -> int:
        """Return the payments counted as failed; check that none is lost or in flight."""
        view = self.follower.account.capture()
        totals = {counter: sum(view.counters[counter].values()) for counter in view.counters}
        assert totals[Counter.STARTED] == totals[Counter.FAILED]
        return totals[Counter.FAILED]


def run_story(backend: Backend, script: Callable[[Story], Awaitable[None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a story with small pages and a small finished."""
    monkeypatch.setattr(finished, "REMEMBERED", 100)
    monkeypatch.setattr(finished, "_FORGOTTEN_AT_ONCE", 10)
    monkeypatch.setattr(calls, "PAGE_LIMIT", 50)
    monkeypatch.setattr(chaos, "LAGS_S", (0.0005, 0.002))
    monkeypatch.setattr(chaos, "SCANS_S", (0.001,))

    async def scenario(loop: VirtualLoop) -> None:
        story = Story(loop, backend)
        await script(story)
        assert story.task is not None
        story.task.cancel()
        await asyncio.wait([story.task])
        assert story.task.cancelled()

    run_virtually(scenario)


@pytest.mark.parametrize(("before", "after"), [(120, 40), (65, 70), (125, 8)])
def test_payments_after_a_deletion_count_once(before: int, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """`deletepayments --all` on SQLite while the stream is up: later payments reuse the indexes."""

    async def script(story: Story) -> None:
        await story.follow()
        await story.fail(before)
        story.node.database.delete_all()
        await story.fail(after, at_once=1, every_s=60)
        assert story.failed() == before + after
        remembered = story.follower.account.tracker.finished.indexes
        if before > finished.REMEMBERED:  # else the new indexes are above the floor, and the deletion is not noticed
            assert story.node.there() <= remembered.keys(), "the deleted ones are forgotten first"

    run_story(Backend.SQLITE, script, monkeypatch)


def test_loss_after_a_deletion_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """All remembered payments were deleted, and some of the later ones have been forgotten."""

    async def script(story: Story) -> None:
        await story.follow()
        await story.fail(260)
        story.node.database.delete_all()
        await story.fail(40, at_once=1, every_s=60)
        story.node.lose()
        await asyncio.sleep(300)
        assert story.failed() == 300

    run_story(Backend.SQLITE, script, monkeypatch)


def test_migration_after_a_deletion_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few known payments are left to show script the new indexes mean."""

    async def script(story: Story) -> None:
        await story.follow()
        await story.fail(125)
        story.node.database.delete_all()
        await story.fail(5)
        await story.migrate()
        await story.fail(40, at_once=1, every_s=5)
        assert story.failed() == 170

    run_story(Backend.KV, script, monkeypatch)


def test_migration_after_payments_out_of_order_counts_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each pair of payments the lower index appears after the higher one."""

    async def script(story: Story) -> None:
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

    run_story(Backend.KV, script, monkeypatch)


def test_migration_after_a_clock_was_behind_keeps_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """One payment was made while the node's clock was far behind."""

    async def script(story: Story) -> None:
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

    run_story(Backend.KV, script, monkeypatch)


def test_process_that_is_always_late_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs for 0.15 s out of every 0.75 s."""

    async def script(story: Story) -> None:
        await story.follow()

        async def busy() -> None:
            while True:
                await asyncio.sleep(0.15)
                story.loop.stand_still(0.6)

        starving = asyncio.create_task(busy())
        await story.fail(100, at_once=10, every_s=60)
        starving.cancel()
        assert story.failed() == 100

    run_story(Backend.KV, script, monkeypatch)


@pytest.mark.parametrize("late", [10, 55])
def test_migration_soon_after_counting_began_keeps_history(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting begins between two payments that were created at the same time: the lower one stays history."""

    async def script(story: Story) -> None:
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

    run_story(Backend.KV, script, monkeypatch)
