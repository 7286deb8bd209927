"""A page is on disk before it is served; concurrent requests share a write."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter import checkpoint as checkpoint_module
from exporter.checkpoint import Checkpoint, counted_lookup
from exporter.follow import Account
from exporter.page import PageData
from exporter.payments.event import LndCalled
from exporter.payments.labels import CallOutcome, Method, Source, Status
from exporter.payments.totals import Counter
from exporter.payments.view import View
from exporter.store import Busy, EncodedNode, Store
from tests.follow.watch import Clocks
from tests.payments.build import flying, payment, settled
from tests.store.another_program import another_program


@pytest.fixture(autouse=True)
def unlimited_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages wait for the disk on a busy machine, too; tests of the time limit set a short one."""
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 60.0)


class SlowStore(Store):
    """A store on a disk that can be slow or full."""

    def __init__(self, path: Path) -> None:
        """Open the state; writes are fast while `go_on` is set, and succeed while `problem` is None."""
        super().__init__(path)
        self.go_on = threading.Event()
        self.go_on.set()
        self.write_started = threading.Event()
        self.saves: list[list[str]] = []
        self.problem: Exception | None = None

    def save(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Wait for `go_on`, then write or raise `problem`."""
        self.saves.append(list(nodes))
        self.write_started.set()
        assert self.go_on.wait(10)
        if self.problem is not None:
            raise self.problem
        super().save(nodes)


def accounts(number: int) -> list[Account]:
    """Return accounts with one payment in flight each."""
    made = [Account(f"node{n}", Clocks(), 5) for n in range(number)]
    for account in made:
        account.record(payment(), Source.STREAM)
    return made


async def test_page_waits_for_the_disk(tmp_path: Path) -> None:
    """A call that is counted meanwhile is neither on the page nor on disk."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    store.go_on.clear()
    request = asyncio.create_task(checkpoint.durable_page())
    assert await asyncio.to_thread(store.write_started.wait, 5), "no write has started"
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    assert not request.done()
    store.go_on.set()
    (view,) = (await request).views
    store.close()
    store = SlowStore(tmp_path / "state.sqlite")
    saved = store.load("node0")
    store.close()
    assert saved is not None
    assert saved.counters == view.counters
    assert sum(sum(series.values()) for name, series in view.counters.items() if name == "lnd_calls") == 0


@pytest.mark.slow
async def test_concurrent_requests_share_a_write(tmp_path: Path) -> None:
    """200 requests during a write cause one more write, with everything counted until it begins."""
    nodes = accounts(200)
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(nodes, store)
    store.go_on.clear()
    first = asyncio.create_task(checkpoint.durable_page())
    assert await asyncio.to_thread(store.write_started.wait, 5), "no write has started"
    nodes[7].apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    others = [asyncio.create_task(checkpoint.durable_page()) for _ in range(200)]
    await asyncio.sleep(0)
    store.go_on.set()
    await first
    pages = await asyncio.gather(*others)
    assert [len(nodes) for nodes in store.saves] == [200, 1]
    assert all(page is pages[0] for page in pages)
    calls = pages[0].views[7].counters["lnd_calls"]  # type: ignore[index]  # a member of a StrEnum is a string
    assert sum(calls.values()) == 1
    store.close()


async def test_page_of_a_node_copies_no_other(tmp_path: Path) -> None:
    """It alone is written with it, if it has changed; while another program has a lock, all are on the last page."""
    nodes, store = accounts(4), SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(nodes, store)
    names = [account.name for account in nodes]
    page = await checkpoint.durable_page(["node1"])

    async def copied(*wanted: str) -> list[str]:
        nonlocal page
        before, page = page, await checkpoint.durable_page(wanted)
        assert [view.node for view in page.views] == names
        return [new.node for new, old in zip(page.views, before.views, strict=True) if new is not old]

    def call(*numbers: int) -> None:
        for number in numbers:
            nodes[number].apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])

    assert await copied("node1", "node9") == []
    call(1, 3)
    assert await copied("node1", "node9") == ["node1"]
    assert await copied() == []
    assert await copied("node3") == ["node3"]
    assert store.saves == [["node1"], [], ["node1"], [], ["node3"]]
    call(0, 1, 2)
    one, other = await asyncio.gather(checkpoint.durable_page(["node1"]), checkpoint.durable_page(["node0"]))
    assert one is other, "one write for both"
    assert store.saves[5:] == [["node0", "node1"]]
    assert [new.node for new, old in zip(one.views, page.views, strict=True) if new is not old] == ["node0", "node1"]
    call(*range(4))
    every = await checkpoint.durable_page()
    assert all(new is not old for new, old in zip(every.views, one.views, strict=True))
    assert store.saves[6:] == [names]
    store.problem = Busy(store.path, "a backup")
    nodes[2].apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    late = await checkpoint.durable_page(["node2"])
    assert late.views[2] is every.views[2]
    store.problem = None
    await checkpoint.durable_page(["node1"])
    assert store.saves[8:] == [["node2"]], "after a failure everything is written"
    store.close()


async def test_capturing_lets_others_run_and_no_node_is_of_two_instants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another task counts, removes and adds nodes between any two captures: each view is what was written of it."""
    monkeypatch.setattr(checkpoint_module, "PAUSE_AFTER_S", 0.0)
    nodes, store = accounts(6), SlowStore(tmp_path / "state.sqlite")
    checkpoint, steps = Checkpoint(nodes, store), 0

    async def interfere() -> None:
        nonlocal steps
        while True:
            number = steps % 200  # or each write would have more to write than the last one, and so take longer
            for account in nodes:
                account.record(payment(payment_hash=f"{number + 1:064x}", payment_index=number + 2), Source.STREAM)
                account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
            steps += 1
            checkpoint.follow(nodes if steps % 3 else [nodes[0], *nodes[2:4]])
            await asyncio.sleep(0)

    interfering = asyncio.create_task(interfere())
    for number in range(12):
        wanted = None if number % 2 else ["node0", "node2"]
        page = await checkpoint.durable_page(wanted)
        written = {view.node: view for view in page.views}
        for name in wanted or ["node0", "node2", "node3"]:
            saved = store._written[name]
            assert saved.counters == written[name].counters, name
            assert saved.histograms == written[name].histograms, name
            assert len(saved.open) == sum(written[name].in_flight.runs.values()), name
    interfering.cancel()
    assert steps > 24, "the loop was never free"
    await checkpoint.durable_page()
    assert all(saved.counters == nodes[int(name[-1])].ledger.counters for name, saved in store._written.items())
    store.close()


async def test_an_interval_without_changes_captures_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a node nor the disk is touched; what has changed is written by itself."""
    monkeypatch.setattr(checkpoint_module, "INTERVAL_S", 0.01)
    nodes, store = accounts(3), SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(nodes, store)
    await checkpoint.durable_page()
    captured: list[str] = []
    capture = Account.capture

    def noted(account: Account) -> View:
        captured.append(account.name)
        return capture(account)

    monkeypatch.setattr(Account, "capture", noted)

    async def intervals() -> list[list[str]]:
        """Return what is written in some intervals."""
        store.saves.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await checkpoint.run()
        await asyncio.get_running_loop().run_in_executor(store.executor, lambda: None)
        assert len(store.saves) > 1
        return [saved for saved in store.saves if saved]

    assert (await intervals(), captured) == ([], [])
    nodes[2].apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    assert (await intervals(), captured) == ([["node2"]], ["node2"])
    store.close()


async def test_many_new_nodes_are_written_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows of all of them at once would take longer than a page waits."""
    monkeypatch.setattr(checkpoint_module, "TOGETHER", 2)
    store = SlowStore(tmp_path / "state.sqlite")
    running = asyncio.create_task(Checkpoint(accounts(5), store).run())
    await asyncio.sleep(0)
    while sum(map(len, store.saves)) < 5:
        await asyncio.get_running_loop().run_in_executor(store.executor, lambda: None)
    running.cancel()
    assert [saved for saved in store.saves if saved] == [["node0", "node1"], ["node2", "node3"], ["node4"]]
    store.close()


async def test_unchanged_state_is_not_written(tmp_path: Path) -> None:
    """Each page checks the file nevertheless, and shows a later time of the checkpoint."""
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(accounts(2), store)
    first = await checkpoint.durable_page()
    changes = store._files.connection.total_changes
    later = await checkpoint.durable_page()
    assert store._files.connection.total_changes == changes
    assert store.saves[1:] == [[]]
    assert first.exporter.checkpoint_s
    assert later.exporter.checkpoint_s
    assert later.exporter.checkpoint_s > first.exporter.checkpoint_s
    store.close()


@pytest.mark.parametrize("problem", [sqlite3.OperationalError("database or disk is full"), OSError(28, "No space")])
async def test_full_disk(tmp_path: Path, problem: Exception) -> None:
    """Pages are served, each failure is counted, the reason is logged once; with room again everything is written."""
    store, nodes = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint(nodes, store)
    with capture_logs() as logs:
        store.problem = problem
        pages = [await checkpoint.durable_page() for _ in range(3)]
        assert [page.exporter.checkpoint_failures for page in pages] == [1, 2, 3]
        assert pages[-1].exporter.checkpoint_s is None
        assert all(view.in_flight.runs for view in pages[-1].views)
        store.problem = None
        assert (await checkpoint.durable_page()).exporter.checkpoint_s is not None
    assert [line["event"] for line in logs] == [
        "the state can't be written: counting goes on",
        "the state is written again",
    ]
    store.close()
    store = SlowStore(tmp_path / "state.sqlite")
    assert store.load("node0")
    assert store.load("node1")
    store.close()


async def test_counted_run_is_in_memory_until_it_is_listed(tmp_path: Path) -> None:
    """An ended run stays in `ended` until a write has put it on the list on disk."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    account.record(payment(Status.SUCCEEDED, settled(flying(1))), Source.STREAM)
    account.tracker.postpone(-(10**10))
    account.release()
    run = payment().run
    assert account.ended == [run]
    store.problem = sqlite3.OperationalError("database or disk is full")
    await checkpoint.durable_page()
    assert (account.ended, store.counted("node0", [run])) == ([run], set())
    store.problem = None
    await checkpoint.durable_page()
    assert (account.ended, store.counted("node0", [run])) == ([], {run})
    store.close()


async def test_cancelled_request_does_not_stop_the_write(tmp_path: Path) -> None:
    """A scraper disconnects during the write; other requests get their page."""
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(accounts(1), store)
    store.go_on.clear()
    cancelled, other = (asyncio.create_task(checkpoint.durable_page()) for _ in range(2))
    assert await asyncio.to_thread(store.write_started.wait, 5), "no write has started"
    cancelled.cancel()
    await asyncio.wait([cancelled])
    store.go_on.set()
    assert (await other).exporter.checkpoint_s is not None
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
async def test_lock_of_another_program_shows_the_last_page(tmp_path: Path, how: str) -> None:
    """Each page that could not be written counts as a failure; after the lock is released everything is written."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    written = await checkpoint.durable_page()
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    with capture_logs() as logs:
        with another_program(store.path, how):
            during_lock = [await checkpoint.durable_page() for _ in range(2)]
            await checkpoint.finish()
        after = await checkpoint.durable_page()
    assert [page.views for page in during_lock] == [written.views] * 2
    assert [page.exporter.checkpoint_failures for page in during_lock] == [1, 2]
    assert [page.exporter.checkpoint_s for page in during_lock] == [written.exporter.checkpoint_s] * 2
    assert calls(after) == calls(written) + 1
    assert [line["event"] for line in logs] == [
        "the state can't be written: counting goes on",
        "the state is written again",
    ]
    assert "another program holds a lock" in logs[0]["reason"]
    store.close()


def calls(page: PageData) -> int:
    """Return the number of calls to lnd on a page of one node."""
    (view,) = page.views
    return sum(view.counters[Counter.LND_CALLS].values())


async def test_hanging_disk_shows_the_last_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure is counted for each write; look-ups of the audit wait, too, but block no other thread."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    written = await checkpoint.durable_page()
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    store.go_on.clear()
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 0.01)
    audits = [asyncio.ensure_future(counted_lookup(store, "node0")([payment().run])) for _ in range(200)]
    late = [await checkpoint.durable_page() for _ in range(3)]
    assert [page.views for page in late] == [written.views] * 3
    assert late[-1].exporter.checkpoint_failures == 2, "the write that hangs, and the next one, which waits for it"
    assert await asyncio.to_thread(lambda: "free") == "free"
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 60.0)
    store.go_on.set()
    after = await checkpoint.durable_page()
    assert calls(after) == calls(written) + 1
    assert after.exporter.checkpoint_failures == 2
    assert await asyncio.gather(*audits) == [set()] * 200
    store.close()


async def test_lock_after_a_full_disk(tmp_path: Path) -> None:
    """The page shown while the disk was full is the last one, so a counter doesn't go back during the lock."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    store.problem = sqlite3.OperationalError("database or disk is full")
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    assert calls(await checkpoint.durable_page()) == 1
    store.problem = None
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    with another_program(store.path, "BEGIN IMMEDIATE"):
        assert calls(await checkpoint.durable_page()) == 1
    assert calls(await checkpoint.durable_page()) == 2
    store.close()


async def test_lock_before_the_first_write(tmp_path: Path) -> None:
    """The content of the file is shown, without anything that was counted since the start."""
    store, account = SlowStore(tmp_path / "state.sqlite"), Account("node0", Clocks(), 5)
    checkpoint = Checkpoint([account], store)
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    with another_program(store.path, "BEGIN IMMEDIATE"):
        assert calls(await checkpoint.durable_page()) == 0
    assert calls(await checkpoint.durable_page()) == 1
    store.close()


async def test_failed_read_of_the_audit_is_counted(tmp_path: Path) -> None:
    """It is part of the checkpoint failures; None makes the audit ask again."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    store._files.connection.execute("ALTER TABLE counted_run RENAME TO elsewhere")
    with capture_logs() as logs:
        assert await counted_lookup(store, "node0")([payment().run]) is None
    assert [line["event"] for line in logs] == ["the audit can't read what was counted, and tries again"]
    assert (await checkpoint.durable_page()).exporter.checkpoint_failures == 1
    assert await counted_lookup(store, "node0")([payment().run]) == {payment().run}, (
        "the file is new, and the run is older"
    )
    store.close()


async def test_without_a_store() -> None:
    """There is no time of a checkpoint, and no failure."""
    page = await Checkpoint(accounts(1), None).durable_page()
    assert (page.exporter.checkpoint_s, page.exporter.checkpoint_failures) == (None, 0)
    assert len(page.views) == 1
