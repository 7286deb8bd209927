"""What a page shows is on disk before anybody sees it; pages asked for together share a write."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter import checkpoint as checkpoint_module
from exporter.checkpoint import Checkpoint, looking_up
from exporter.follow import Account
from exporter.page import PageData
from exporter.payments.event import LndCalled
from exporter.payments.labels import CallOutcome, Method, Source, Status
from exporter.payments.totals import Counter
from exporter.store import EncodedNode, Store
from tests.follow.watch import Clocks
from tests.payments.build import flying, payment, settled
from tests.store.another_program import another_program


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a page waits for the disk however busy the machine is, unless a test says otherwise."""
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 60.0)


class SlowStore(Store):
    """A disk that takes its time, or has no room."""

    def __init__(self, path: Path) -> None:
        """Quick until told otherwise."""
        super().__init__(path)
        self.go_on = threading.Event()
        self.go_on.set()
        self.under_way = threading.Event()
        self.saves: list[list[str]] = []
        self.problem: Exception | None = None

    def save(self, nodes: Mapping[str, EncodedNode]) -> None:
        """Write when it is allowed to."""
        self.saves.append(list(nodes))
        self.under_way.set()
        assert self.go_on.wait(10)
        if self.problem is not None:
            raise self.problem
        super().save(nodes)


def accounts(number: int) -> list[Account]:
    """Nodes of which each has a payment in flight."""
    made = [Account(f"node{n}", Clocks(), 5) for n in range(number)]
    for account in made:
        account.record(payment(), Source.STREAM)
    return made


async def test_on_disk_before_visible(tmp_path: Path) -> None:
    """The answer waits for the disk; what happens meanwhile isn't on it."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    store.go_on.clear()
    asked = asyncio.create_task(checkpoint.instant())
    assert await asyncio.to_thread(store.under_way.wait, 5), "nothing is written"
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    assert not asked.done()
    store.go_on.set()
    (view,) = (await asked).views
    store.close()
    store = SlowStore(tmp_path / "state.sqlite")
    saved = store.load("node0")
    store.close()
    assert saved is not None
    assert saved.counters == {name: series for name, series in view.counters.items() if series}
    assert sum(sum(series.values()) for name, series in view.counters.items() if name == "lnd_calls") == 0


@pytest.mark.slow
async def test_together_they_share_a_write(tmp_path: Path) -> None:
    """200 pages asked for while one is written: one more write for all of them, with what happened until then."""
    nodes = accounts(200)
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(nodes, store)
    store.go_on.clear()
    first = asyncio.create_task(checkpoint.instant())
    assert await asyncio.to_thread(store.under_way.wait, 5), "nothing is written"
    nodes[7].apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    others = [asyncio.create_task(checkpoint.instant()) for _ in range(200)]
    await asyncio.sleep(0)
    store.go_on.set()
    await first
    instants = await asyncio.gather(*others)
    assert [len(nodes) for nodes in store.saves] == [200, 1]
    assert all(instant is instants[0] for instant in instants)
    calls = instants[0].views[7].counters["lnd_calls"]  # type: ignore[index]  # a word of a StrEnum is its text
    assert sum(calls.values()) == 1
    store.close()


async def test_nothing_new_is_no_write(tmp_path: Path) -> None:
    """An idle node costs nothing, however often it is looked at; the state is known to be right all the same."""
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(accounts(2), store)
    first = await checkpoint.instant()
    changes = store._files.connection.total_changes
    later = await checkpoint.instant()
    assert store._files.connection.total_changes == changes
    assert store.saves[1:] == [[]]
    assert first.exporter.checkpoint_s
    assert later.exporter.checkpoint_s
    assert later.exporter.checkpoint_s > first.exporter.checkpoint_s
    store.close()


@pytest.mark.parametrize("problem", [sqlite3.OperationalError("database or disk is full"), OSError(28, "No space")])
async def test_a_disk_that_is_full(tmp_path: Path, problem: Exception) -> None:
    """Pages are served all the while, the failures counted and told once; with room again all is written."""
    store, nodes = SlowStore(tmp_path / "state.sqlite"), accounts(2)
    checkpoint = Checkpoint(nodes, store)
    with capture_logs() as logs:
        store.problem = problem
        instants = [await checkpoint.instant() for _ in range(3)]
        assert [instant.exporter.checkpoint_failures for instant in instants] == [1, 2, 3]
        assert instants[-1].exporter.checkpoint_s is None
        assert all(view.in_flight.runs for view in instants[-1].views)
        store.problem = None
        assert (await checkpoint.instant()).exporter.checkpoint_s is not None
    assert [line["event"] for line in logs] == [
        "the state can't be written: counting goes on",
        "the state is written again",
    ]
    store.close()
    store = SlowStore(tmp_path / "state.sqlite")
    assert store.load("node0")
    assert store.load("node1")
    store.close()


async def test_the_list_of_what_was_counted(tmp_path: Path) -> None:
    """A run that ended is on it after the next write, or still known here; never neither."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    account.record(payment(Status.SUCCEEDED, settled(flying(1))), Source.STREAM)
    account.tracker.postpone(-(10**10))
    account.release()
    run = payment().run
    assert account.ended == [run]
    store.problem = sqlite3.OperationalError("database or disk is full")
    await checkpoint.instant()
    assert (account.ended, store.counted("node0", [run])) == ([run], set())
    store.problem = None
    await checkpoint.instant()
    assert (account.ended, store.counted("node0", [run])) == ([], {run})
    store.close()


async def test_who_hangs_up_does_not_stop_the_write(tmp_path: Path) -> None:
    """A scraper that goes away while the page is written takes nothing from the others."""
    store = SlowStore(tmp_path / "state.sqlite")
    checkpoint = Checkpoint(accounts(1), store)
    store.go_on.clear()
    impatient, patient = (asyncio.create_task(checkpoint.instant()) for _ in range(2))
    assert await asyncio.to_thread(store.under_way.wait, 5), "nothing is written"
    impatient.cancel()
    await asyncio.wait([impatient])
    store.go_on.set()
    assert (await patient).exporter.checkpoint_s is not None
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
async def test_another_program_holds_the_lock(tmp_path: Path, how: str) -> None:
    """While it does, the last page that was written is shown, and each one counts as a failure; then all is written."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    written = await checkpoint.instant()
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    with capture_logs() as logs:
        with another_program(store.path, how):
            held = [await checkpoint.instant() for _ in range(2)]
            await checkpoint.finish()
        after = await checkpoint.instant()
    assert [page.views for page in held] == [written.views] * 2
    assert [page.exporter.checkpoint_failures for page in held] == [1, 2]
    assert [page.exporter.checkpoint_s for page in held] == [written.exporter.checkpoint_s] * 2
    assert calls(after) == calls(written) + 1
    assert [line["event"] for line in logs] == [
        "the state can't be written: counting goes on",
        "the state is written again",
    ]
    assert "another program holds a lock" in logs[0]["reason"]
    store.close()


def calls(page: PageData) -> int:
    """Calls to lnd on a page of one node."""
    (view,) = page.views
    return sum(view.counters[Counter.LND_CALLS].values())


async def test_disk_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of before is shown meanwhile, one failure for each write; other threads are free, also for the audit."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    written = await checkpoint.instant()
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    store.go_on.clear()
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 0.01)
    audits = [asyncio.ensure_future(looking_up(store, "node0")([payment().run])) for _ in range(200)]
    late = [await checkpoint.instant() for _ in range(3)]
    assert [page.views for page in late] == [written.views] * 3
    assert late[-1].exporter.checkpoint_failures == 2, "the write under way, and the next one that waits for it"
    assert await asyncio.to_thread(lambda: "free") == "free"
    monkeypatch.setattr(checkpoint_module, "WAIT_S", 60.0)
    store.go_on.set()
    after = await checkpoint.instant()
    assert calls(after) == calls(written) + 1
    assert after.exporter.checkpoint_failures == 2
    assert await asyncio.gather(*audits) == [set()] * 200
    store.close()


async def test_locked_after_the_disk_was_full(tmp_path: Path) -> None:
    """What was shown while the disk was full stays on the page while another program holds the lock."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    store.problem = sqlite3.OperationalError("database or disk is full")
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    assert calls(await checkpoint.instant()) == 1
    store.problem = None
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    with another_program(store.path, "BEGIN IMMEDIATE"):
        assert calls(await checkpoint.instant()) == 1
    assert calls(await checkpoint.instant()) == 2
    store.close()


async def test_locked_before_the_first_write(tmp_path: Path) -> None:
    """What the file says is shown, nothing that was counted since."""
    store, account = SlowStore(tmp_path / "state.sqlite"), Account("node0", Clocks(), 5)
    checkpoint = Checkpoint([account], store)
    account.apply([LndCalled(Method.GET_INFO, CallOutcome.OK)])
    with another_program(store.path, "BEGIN IMMEDIATE"):
        assert calls(await checkpoint.instant()) == 0
    assert calls(await checkpoint.instant()) == 1
    store.close()


async def test_audit_that_can_not_read_is_counted(tmp_path: Path) -> None:
    """With the failed writes; None is no answer, so the audit asks again."""
    store, (account,) = SlowStore(tmp_path / "state.sqlite"), accounts(1)
    checkpoint = Checkpoint([account], store)
    store._files.connection.execute("ALTER TABLE counted_run RENAME TO elsewhere")
    with capture_logs() as logs:
        assert await looking_up(store, "node0")([payment().run]) is None
    assert [line["event"] for line in logs] == ["the audit can't read what was counted, and tries again"]
    assert (await checkpoint.instant()).exporter.checkpoint_failures == 1
    assert await looking_up(store, "node0")([payment().run]) == {payment().run}, "in a new file, of which it is older"
    store.close()


async def test_nothing_is_kept() -> None:
    """Without a file there is no time of a checkpoint, and nothing that could fail."""
    instant = await Checkpoint(accounts(1), None).instant()
    assert (instant.exporter.checkpoint_s, instant.exporter.checkpoint_failures) == (None, 0)
    assert len(instant.views) == 1
