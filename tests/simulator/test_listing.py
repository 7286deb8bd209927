"""ListPayments: pages, and how indexes behave in both kinds of database."""

import itertools
from pathlib import Path

import pytest

from exporter.simulator.clock import ScriptClock
from exporter.simulator.database import Backend, Database, Options
from exporter.simulator.lives import Lives
from exporter.simulator.mutation import Create, Delete, Life
from exporter.simulator.server import SimulatedNode
from exporter.simulator.world import World
from tests.simulator.raw import Raw, connected


def indexes(database: Database) -> dict[str, int]:
    """Hash and index of each payment."""
    return {hash_: record.index for hash_, record in database._records.items()}


def database(backend: Backend, *lives: Life) -> Database:
    """A database in which these lives happened, one after the other."""
    made = Database(ScriptClock().now_ns, Options(backend=backend))
    live(made, *lives)
    return made


def live(database: Database, *lives: Life) -> None:
    """Let lives happen."""
    for step in itertools.chain.from_iterable(life.steps for life in lives):
        database.apply(step.mutation)


@pytest.fixture
def lives() -> Lives:
    """An author who needs no node."""
    return Lives(World.random())


async def test_pages(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """The offset is exclusive, pages ascend, and an empty page has no cursor: both offsets are 0."""
    await node.play(*(lives.success() for _ in range(5)))

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


async def test_no_maximum_means_a_hundred(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """As lnd since 0.20."""
    await node.play(*(lives.no_route() for _ in range(120)))
    assert len((await raw.list_payments()).payments) == 100


async def test_incomplete_must_be_asked_for(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """Without `include_incomplete` only successes are listed, and a page is filled with them."""
    await node.play(lives.success(), lives.no_route(), lives.stuck(), lives.success())
    complete = await raw.list_payments(limit=2, incomplete=False)
    assert [payment.payment_index for payment in complete.payments] == [1, 4]
    assert len((await raw.list_payments(limit=9)).payments) == 4


def test_key_value_indexes_are_never_reused(lives: Lives) -> None:
    """They rise, with gaps: after a delete, a retry, and by the rest of a block of 1000 after a restart."""
    first, second, retried, last = lives.success(), lives.success(), lives.retried_hash(), lives.success()
    database_ = database(Backend.KV, first, second, retried)
    database_.apply(Delete(second.payment_hash))
    live(database_, last)
    assert indexes(database_) == {first.payment_hash: 1, retried.payment_hash: 4, last.payment_hash: 5}
    database_.delete_all()
    database_.restarted()
    live(database_, after := lives.success(), later := lives.success())
    assert indexes(database_) == {after.payment_hash: 1001, later.payment_hash: 1002}


def test_native_sqlite_reuses_the_last_index(lives: Lives) -> None:
    """After a delete or a retry of the last payment, and from 1 after delete-all."""
    first, retried, last = lives.success(), lives.retried_hash(), lives.success()
    database_ = database(Backend.SQLITE, first, retried)
    assert indexes(database_) == {first.payment_hash: 1, retried.payment_hash: 2}
    database_.apply(Delete(retried.payment_hash))
    live(database_, last)
    assert indexes(database_) == {first.payment_hash: 1, last.payment_hash: 2}
    database_.delete_all()
    live(database_, again := lives.success())
    assert indexes(database_) == {again.payment_hash: 1}


def test_retry_is_another_run(lives: Lives) -> None:
    """The old run vanishes; the new one has its own creation time, and the truth knows both."""
    life = lives.retried_hash()
    database_ = database(Backend.SQLITE, life)
    old, new = database_.truth()
    assert (old.payment_hash, old.payment_index) == (new.payment_hash, new.payment_index)
    assert old.created_ns // 1000 < new.created_ns // 1000
    assert len(database_) == 1


def test_only_a_failed_hash_may_be_tried_again(lives: Lives) -> None:
    """What is open or succeeded is refused, as lnd refuses it."""
    done, open_ = lives.success(), lives.stuck()
    database_ = database(Backend.KV, done, open_)
    for life in (done, open_):
        with pytest.raises(ValueError, match="already paid"):
            database_.apply(life.steps[0].mutation)


async def test_migration_renumbers(tmp_path: Path) -> None:
    """Payments 1, 2, 3, 5 become 1 to 4, attempt ids jump to 1000; hashes and creation times stay."""
    async with SimulatedNode(tmp_path, clock=ScriptClock()) as node, connected(node) as raw:
        lives = Lives(node.world)
        told = [lives.success() for _ in range(5)]
        await node.play(*told)
        node.database.apply(Delete(told[3].payment_hash))
        before = (await raw.list_payments()).payments
        node.database.restarted()
        node.database.migrate()
        await node.play(lives.success())
        after = (await raw.list_payments()).payments
    assert [payment.payment_index for payment in before] == [1, 2, 3, 5]
    assert [payment.payment_index for payment in after] == [1, 2, 3, 4, 5]
    assert [(p.payment_hash, p.creation_time_ns) for p in after][:4] == [
        (p.payment_hash, p.creation_time_ns) for p in before
    ]
    assert [p.htlcs[0].attempt_id for p in after] == [1, 2, 3, 5, 1000]


async def test_an_index_becomes_visible_after_a_higher_one(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """The number is taken before the payment is written."""
    taken = node.database.reserve_index()
    await node.play(lives.success())
    assert [payment.payment_index for payment in (await raw.list_payments()).payments] == [2]
    late = lives.success().steps[0].mutation
    assert isinstance(late, Create)
    node.database.apply(late._replace(payment_index=taken))
    assert [payment.payment_index for payment in (await raw.list_payments()).payments] == [1, 2]


def test_postgres_keeps_microseconds(lives: Lives) -> None:
    """What is smaller is gone."""
    truth = database(Backend.POSTGRES, *(lives.no_route() for _ in range(3))).truth()
    assert {run.created_ns % 1000 for run in truth} == {0}
