"""Pages while nodes come and go: a page never misses a node's unwritten updates, and never shows an older value."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from exporter import checkpoint as checkpoint_module
from exporter.checkpoint import Checkpoint
from exporter.follow import Account
from exporter.page import PageData
from exporter.payments.event import LndCalled
from exporter.payments.labels import CallOutcome, Method
from exporter.payments.totals import Counter
from exporter.store import Store
from tests.follow.watch import Clocks
from tests.store.another_program import another_program
from tests.test_checkpoint import SlowStore, accounts


@pytest.fixture(autouse=True)
def unlimited_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages wait for the disk on a busy machine, too; tests of the time limit set a short one."""
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 60.0)


def call(account: Account) -> None:
    """Count a call to lnd."""
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])


def calls(page: PageData) -> dict[str, int]:
    """Return the number of calls on a page, by node."""
    return {view.node: sum(view.counters[Counter.LND_CALLS].values()) for view in page.views}


def stored(store: Store, name: str) -> tuple[int, bool]:
    """Return the number of calls of a node in the state, and whether it is marked as no longer followed."""
    saved = store.load(name)
    assert saved is not None
    return sum(saved.counters[Counter.LND_CALLS].values()), saved.state.heard.left


async def until_writing(store: SlowStore, checkpoint: Checkpoint) -> asyncio.Task[PageData]:
    """Request a page, and wait until its write has begun; it ends when the test sets `store.go_on`."""
    store.write_started.clear()
    store.go_on.clear()
    request = asyncio.create_task(checkpoint.durable_page())
    assert await asyncio.to_thread(store.write_started.wait, 5), "no write has started"
    return request


async def test_a_removed_node_is_written_once_more(tmp_path: Path) -> None:
    """With what was counted since the last page, and marked; then it is forgotten, and nothing is written any more."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    await checkpoint.durable_page()
    call(other)
    checkpoint.follow([one])
    assert checkpoint.kept("node1") is other
    assert calls(await checkpoint.durable_page()) == {"node0": 0}
    assert stored(store, "node1") == (1, True)
    assert checkpoint.kept("node1") is None
    await checkpoint.durable_page()
    assert store.saves[1:] == [["node1"], []]
    store.close()


async def test_removed_and_added_again_without_a_change(tmp_path: Path) -> None:
    """The mark is removed from the state, although no counter has moved."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    await checkpoint.durable_page()
    checkpoint.follow([one])
    await checkpoint.durable_page()
    checkpoint.follow([one, other])
    assert list(calls(await checkpoint.durable_page())) == ["node0", "node1"]
    assert stored(store, "node1") == (0, False)
    store.close()


async def test_removed_during_a_write(tmp_path: Path) -> None:
    """The page of that write has the node, the next one hasn't; what was counted in between is written."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    call(other)
    request = await until_writing(store, checkpoint)
    call(other)
    checkpoint.follow([one])
    following = asyncio.create_task(checkpoint.durable_page())
    store.go_on.set()
    assert (calls(await request), calls(await following)) == ({"node0": 0, "node1": 1}, {"node0": 0})
    assert stored(store, "node1") == (2, True)
    store.close()


async def test_added_during_a_write(tmp_path: Path) -> None:
    """It is on the page of that write, too, and on a later one that the disk delays."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one], store)
    request = await until_writing(store, checkpoint)
    checkpoint.follow([one, other])
    call(other)
    store.go_on.set()
    assert calls(await request) == {"node0": 0, "node1": 0}
    with another_program(store.path, "BEGIN IMMEDIATE"):
        assert calls(await checkpoint.durable_page()) == {"node0": 0, "node1": 0}
    assert calls(await checkpoint.durable_page()) == {"node0": 0, "node1": 1}
    store.close()


async def test_removed_and_added_again_during_its_last_write(tmp_path: Path) -> None:
    """The write that marks it ends after it has come back: the next one removes the mark, nothing is lost."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    await checkpoint.durable_page()
    call(other)
    checkpoint.follow([one])
    request = await until_writing(store, checkpoint)
    kept = checkpoint.kept("node1")
    assert kept is other
    checkpoint.follow([one, kept])
    store.go_on.set()
    assert calls(await request) == {"node0": 0, "node1": 0}, "as it was shown last"
    assert stored(store, "node1") == (1, True)
    assert calls(await checkpoint.durable_page()) == {"node0": 0, "node1": 1}
    assert stored(store, "node1") == (1, False)
    store.close()


@pytest.mark.parametrize("again", [False, True])
async def test_removed_while_the_disk_is_full(tmp_path: Path, *, again: bool) -> None:
    """It leaves the page, is kept until there is room, and continues from memory if it comes back before that."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    await checkpoint.durable_page()
    store.problem = sqlite3.OperationalError("database or disk is full")
    call(other)
    checkpoint.follow([one])
    assert calls(await checkpoint.durable_page()) == {"node0": 0}
    assert stored(store, "node1") == (0, False)
    kept = checkpoint.kept("node1")
    assert kept is other
    if again:
        checkpoint.follow([one, kept])
        assert calls(await checkpoint.durable_page()) == {"node0": 0, "node1": 1}
    store.problem = None
    await checkpoint.durable_page()
    assert stored(store, "node1") == (1, not again)
    store.close()


async def test_removed_while_the_disk_is_locked(tmp_path: Path) -> None:
    """Pages show the node as it was last written, until its last state is on disk."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    await checkpoint.durable_page()
    with another_program(store.path, "BEGIN IMMEDIATE"):
        call(other)
        checkpoint.follow([one])
        assert calls(await checkpoint.durable_page()) == {"node0": 0, "node1": 0}
    assert calls(await checkpoint.durable_page()) == {"node0": 0}
    assert stored(store, "node1") == (1, True)
    store.close()


async def test_added_before_the_first_write(tmp_path: Path) -> None:
    """A node of an earlier process that is added at once isn't overwritten by its mark as no longer followed."""
    store, nodes = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    call(nodes[0])
    await Checkpoint(nodes, store).durable_page()
    store.close()
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint, again = Checkpoint([], store), Account("node0", Clocks(), 5)
    saved = store.load("node0")
    assert saved is not None
    again.resume(saved)
    checkpoint.follow([again])
    call(again)
    assert calls(await checkpoint.durable_page()) == {"node0": 2}
    assert stored(store, "node0") == (2, False)
    store.close()


async def test_loaded_while_the_file_is_replaced(tmp_path: Path) -> None:
    """The file was removed and can't be written again yet: what it contained is still known."""
    store, nodes = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    call(nodes[0])
    checkpoint = Checkpoint(nodes, store)
    await checkpoint.durable_page()
    checkpoint.follow([])
    await checkpoint.durable_page()
    store.path.unlink()
    store._files.recreate()
    store._to_rewrite, store._written = store._written, {}
    assert stored(store, "node0") == (1, True)
    assert list(store.unfollowed([])) == ["node0"]
    store.close()


async def test_the_start_is_written_at_once(tmp_path: Path) -> None:
    """Before any page: an export must not take a node that is followed again for one that was left, or vice versa."""
    store, (one, other) = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint([one, other], store)
    await checkpoint.durable_page()
    checkpoint.follow([one])
    await checkpoint.durable_page()
    store.close()
    store = SlowStore(tmp_path / "state.sqlite")
    running = asyncio.create_task(Checkpoint(accounts(2)[1:], store).run())
    assert await asyncio.to_thread(store.write_started.wait, 4), "nothing is written at once"
    running.cancel()
    await asyncio.get_running_loop().run_in_executor(store.executor, lambda: None)
    assert [stored(store, name)[1] for name in ("node0", "node1")] == [True, False]
    store.close()
