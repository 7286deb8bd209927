"""ListPayments: pages, and the payment indexes of each backend."""

import itertools
from pathlib import Path

import pytest

from exporter.simulator.clock import VirtualClock
from exporter.simulator.database import Backend, Database, Options
from exporter.simulator.mutation import Create, Delete, Scenario
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.world import World
from tests.simulator.raw import Raw, connected


def indexes(database: Database) -> dict[str, int]:
    """Return the index of each payment by its hash."""
    return {hash_: record.index for hash_, record in database._records.items()}


def database(backend: Backend, *scenarios: Scenario) -> Database:
    """Return a database to which these scenarios were applied, one after the other."""
    made = Database(VirtualClock().now_ns, Options(backend=backend))
    apply(made, *scenarios)
    return made


def apply(database: Database, *scenarios: Scenario) -> None:
    """Apply all steps of scenarios, one scenario after the other."""
    for step in itertools.chain.from_iterable(scenario.steps for scenario in scenarios):
        database.apply(step.mutation)


@pytest.fixture
def scenarios() -> Scenarios:
    """Return scenarios for tests without a node."""
    return Scenarios(World.random())


async def test_offsets_of_pages(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """The offset is exclusive, pages ascend in both directions, and the offsets of an empty page are 0."""
    await node.play(*(scenarios.success() for _ in range(5)))

    async def page(after: int = 0, *, reverse: bool = False) -> tuple[list[int], int, int]:
        answer = await raw.list_payments(after=after, limit=2, reverse=reverse)
        return [p.payment_index for p in answer.payments], answer.first_index_offset, answer.last_index_offset

    assert await page() == ([1, 2], 1, 2)
    assert await page(2) == ([3, 4], 3, 4)
    assert await page(4) == ([5], 5, 5)
    assert await page(5) == ([], 0, 0)
    assert await page(900) == ([], 0, 0)
    assert await page(reverse=True) == ([4, 5], 4, 5)
    assert await page(4, reverse=True) == ([2, 3], 2, 3)
    assert await page(1, reverse=True) == ([], 0, 0)
    assert await page(900, reverse=True) == ([4, 5], 4, 5)


async def test_page_has_a_hundred_payments_by_default(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """As in lnd since 0.20."""
    await node.play(*(scenarios.no_route() for _ in range(120)))
    assert len((await raw.list_payments()).payments) == 100


async def test_incomplete_payments_are_listed_on_request_only(
    node: SimulatedNode, raw: Raw, scenarios: Scenarios
) -> None:
    """Without `include_incomplete` a page is filled with successful payments only."""
    await node.play(scenarios.success(), scenarios.no_route(), scenarios.stuck(), scenarios.success())
    complete = await raw.list_payments(limit=2, incomplete=False)
    assert [payment.payment_index for payment in complete.payments] == [1, 4]
    assert len((await raw.list_payments(limit=9)).payments) == 4


def test_key_value_indexes_are_never_reused(scenarios: Scenarios) -> None:
    """They rise, with gaps after a deletion and a retry, and to the next block of 1000 after a restart."""
    first, second, retried, last = (
        scenarios.success(),
        scenarios.success(),
        scenarios.retried_hash(),
        scenarios.success(),
    )
    database_ = database(Backend.KV, first, second, retried)
    database_.apply(Delete(second.payment_hash))
    apply(database_, last)
    assert indexes(database_) == {first.payment_hash: 1, retried.payment_hash: 4, last.payment_hash: 5}
    database_.delete_all()
    database_.drop_reserved_ids()
    apply(database_, after := scenarios.success(), later := scenarios.success())
    assert indexes(database_) == {after.payment_hash: 1001, later.payment_hash: 1002}


def test_native_sqlite_reuses_the_last_index(scenarios: Scenarios) -> None:
    """The index of the last payment is used again after its deletion or retry; after delete-all it begins at 1."""
    first, retried, last = scenarios.success(), scenarios.retried_hash(), scenarios.success()
    database_ = database(Backend.SQLITE, first, retried)
    assert indexes(database_) == {first.payment_hash: 1, retried.payment_hash: 2}
    database_.apply(Delete(retried.payment_hash))
    apply(database_, last)
    assert indexes(database_) == {first.payment_hash: 1, last.payment_hash: 2}
    database_.delete_all()
    apply(database_, again := scenarios.success())
    assert indexes(database_) == {again.payment_hash: 1}


def test_retried_hash_is_another_run(scenarios: Scenarios) -> None:
    """The old run is erased; the new one has its own creation time, and `truth` has both."""
    scenario = scenarios.retried_hash()
    database_ = database(Backend.SQLITE, scenario)
    old, new = database_.truth()
    assert (old.payment_hash, old.payment_index) == (new.payment_hash, new.payment_index)
    assert old.created_ns // 1000 < new.created_ns // 1000
    assert len(database_) == 1


def test_only_a_failed_hash_can_be_paid_again(scenarios: Scenarios) -> None:
    """Another run of an open or successful hash is refused with lnd's error."""
    done, open_ = scenarios.success(), scenarios.stuck()
    database_ = database(Backend.KV, done, open_)
    for scenario in (done, open_):
        with pytest.raises(ValueError, match="already paid"):
            database_.apply(scenario.steps[0].mutation)


async def test_migration_renumbers_payments(tmp_path: Path) -> None:
    """Payments 1, 2, 3, 5 become 1 to 4, attempt ids go on at 1000; hashes and creation times stay."""
    async with SimulatedNode(tmp_path, clock=VirtualClock()) as node, connected(node) as raw:
        scenarios = Scenarios(node.world)
        played = [scenarios.success() for _ in range(5)]
        await node.play(*played)
        node.database.apply(Delete(played[3].payment_hash))
        before = (await raw.list_payments()).payments
        node.database.drop_reserved_ids()
        node.database.migrate()
        await node.play(scenarios.success())
        after = (await raw.list_payments()).payments
    assert [payment.payment_index for payment in before] == [1, 2, 3, 5]
    assert [payment.payment_index for payment in after] == [1, 2, 3, 4, 5]
    assert [(p.payment_hash, p.creation_time_ns) for p in after][:4] == [
        (p.payment_hash, p.creation_time_ns) for p in before
    ]
    assert [p.htlcs[0].attempt_id for p in after] == [1, 2, 3, 5, 1000]


async def test_index_can_become_visible_after_a_higher_one(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """lnd reserves the index before it writes the payment."""
    taken = node.database.reserve_index()
    await node.play(scenarios.success())
    assert [payment.payment_index for payment in (await raw.list_payments()).payments] == [2]
    late = scenarios.success().steps[0].mutation
    assert isinstance(late, Create)
    node.database.apply(late._replace(payment_index=taken))
    assert [payment.payment_index for payment in (await raw.list_payments()).payments] == [1, 2]


def test_postgres_truncates_times_to_microseconds(scenarios: Scenarios) -> None:
    """The last three digits of the nanoseconds are 0."""
    truth = database(Backend.POSTGRES, *(scenarios.no_route() for _ in range(3))).truth()
    assert {run.created_ns % 1000 for run in truth} == {0}
