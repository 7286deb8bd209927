"""Any order of reloads, requests, updates, kills and answers of the disk: pages and the state always agree."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter import checkpoint as checkpoint_module
from exporter.checkpoint import Checkpoint
from exporter.follow import Account
from exporter.page import PageData
from exporter.payments.payment import Run
from exporter.store import Busy, Store
from tests.follow.watch import Clocks
from tests.reload.test_checkpoint import call, calls, stored

NAMES = ("alice", "bob")
WAIT_S = 0.01
"""Longest wait of a page for the disk in these tests."""
Script = list[tuple[str, Any]]
"""Steps: what happens, and to which nodes."""
OK, BUSY, FULL = "ok", "busy", "full"
"""How the disk answers."""
Work = tuple[Callable[..., Any], tuple[Any, ...], Future[Any]]


class Disk(Executor):
    """The thread of a store, which does its work only when it is told to."""

    def __init__(self) -> None:
        """Start without any work."""
        self.work: list[Work] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Take work."""
        future = Future[Any]()
        self.work.append((fn, args, future))
        return future

    def answer(self, problem: Exception | None) -> None:
        """Do the first work, if there is any, or fail."""
        if not self.work:
            return
        fn, args, future = self.work.pop(0)
        if problem is None:
            future.set_result(fn(*args))
        else:
            future.set_exception(problem)


class Exporter:
    """A checkpoint, and what is true of each node: the calls that were counted, shown and written."""

    def __init__(self, path: Path) -> None:
        """Follow nothing."""
        self.path = path
        self.counted = dict.fromkeys(NAMES, 0)
        self.shown = dict.fromkeys(NAMES, 0)
        self.may_fall = False  # pages were shown while the disk was full
        self.runs = count(1)
        self.requests: list[asyncio.Task[None]] = []
        self.start(())

    def start(self, names: tuple[str, ...]) -> None:
        """Start a process."""
        self.store = Store(self.path)
        self.disk = Disk()
        self.store.executor.shutdown()
        self.store.executor = self.disk  # type: ignore[assignment]
        self.accounts = {name: self.resumed(name) for name in names}
        self.checkpoint = Checkpoint([*self.accounts.values()], self.store)

    def resumed(self, name: str) -> Account:
        """Return the account of the state."""
        account, saved = Account(name, Clocks(), 5), self.store.load(name)
        if saved is not None:
            account.resume(saved)
        return account

    def follow(self, names: tuple[str, ...]) -> None:
        """Reload with these nodes."""
        self.accounts = {
            name: self.accounts.get(name) or self.checkpoint.kept(name) or self.resumed(name) for name in names
        }
        self.checkpoint.follow([*self.accounts.values()])

    def update(self, name: str) -> None:
        """Count something, and the end of a payment, if the node is followed."""
        if (account := self.accounts.get(name)) is not None:
            call(account)
            account.ended.append(Run(f"{next(self.runs):064x}"[::-1], 1))
            self.counted[name] += 1

    def answer(self, how: str) -> None:
        """Let the disk do its first work, or fail."""
        self.may_fall = self.may_fall or (how == FULL and bool(self.disk.work))
        problems = {OK: None, BUSY: Busy(self.path, "a backup"), FULL: sqlite3.OperationalError("disk is full")}
        self.disk.answer(problems[how])

    def request(self, nodes: tuple[str, ...] | None) -> None:
        """Request a page, and check it when it comes."""
        self.requests.append(asyncio.create_task(self.check(nodes)))

    async def check(self, nodes: tuple[str, ...] | None) -> None:
        """Compare a page with the disk, with earlier ones, and with what was true when it was requested."""
        before, followed = dict(self.counted), {*self.accounts}
        page = await self.checkpoint.durable_page(nodes)
        on_time = self.checkpoint._on_time
        shown = calls(page)
        names = {view.node for view in page.views}
        assert names >= followed & {*self.accounts}, "a node is missing"
        for name, value in shown.items():
            assert value >= self.shown[name], f"{name} has fallen"
            if on_time and name in followed and (nodes is None or name in nodes):
                assert value >= min(before[name], self.counted[name]), f"{name}: the page is old"
            if value > self.shown[name] and (not on_time or not self.may_fall):
                assert stored(self.store, name)[0] >= value, f"{name} isn't on disk"
            self.shown[name] = value

    async def kill(self) -> None:
        """End the process, and start it again with the same nodes."""
        for request in self.requests:
            request.cancel()
        await asyncio.gather(*self.requests, return_exceptions=True)
        if self.checkpoint._next is not None:
            self.checkpoint._next.cancel()
        for _, _, future in self.disk.work:
            future.cancel()
        self.requests, self.disk.work = [], []
        await asyncio.sleep(0)
        self.store.close()
        followed = (*self.accounts,)
        self.start(followed)
        self.counted = {name: stored(self.store, name)[0] if self.store.load(name) else 0 for name in NAMES}
        for name in NAMES:
            assert self.may_fall or self.counted[name] >= self.shown[name], f"{name} was shown before it was written"
            self.shown[name] = min(self.shown[name], self.counted[name])

    async def written_page(self) -> PageData:
        """Let the disk work until there is a page."""
        request = asyncio.create_task(self.checkpoint.durable_page())
        while not request.done():
            self.disk.answer(None)
            await asyncio.sleep(0)
        return await request

    async def end(self) -> None:
        """Let the disk work, and compare it with what was counted."""
        await self.written_page()  # this one may begin after a write that is under way, and fail with it
        page = await self.written_page()
        await asyncio.gather(*self.requests)
        assert calls(page) == {name: self.counted[name] for name in self.accounts}
        for name, counted in self.counted.items():
            if counted:
                assert stored(self.store, name) == (counted, name not in self.accounts), name
        self.store.close()
        with closing(sqlite3.connect(self.path)) as connection:
            rows = dict(connection.execute("SELECT node, count(*) FROM counted_run GROUP BY node"))
        assert rows == {name: counted for name, counted in self.counted.items() if counted}


some_nodes = st.sampled_from([(), ("alice",), ("bob",), NAMES])
steps = st.one_of(
    st.tuples(st.just("follow"), some_nodes),
    st.tuples(st.just("update"), st.sampled_from(NAMES)),
    st.tuples(st.just("request"), st.one_of(st.none(), some_nodes)),
    st.tuples(st.just("answer"), st.sampled_from([OK, OK, BUSY, FULL])),
    st.tuples(st.just("pass"), st.just(())),
    st.tuples(st.just("late"), st.just(())),
    st.tuples(st.just("kill"), st.just(())),
)


async def play(path: Path, script: Script) -> None:
    """Play a script, and look at every page."""
    the = Exporter(path)
    for verb, what in script:
        if verb == "kill":
            await the.kill()
        elif verb == "late":
            await asyncio.sleep(WAIT_S * 1.5)
        elif verb != "pass":
            getattr(the, verb)(what)
        for _ in range(6 if verb in ("pass", "answer") else 1):
            await asyncio.sleep(0)
        for request in the.requests:
            if request.done():
                request.result()
    await the.end()


TWICE: Script = [
    ("follow", ("bob",)),
    ("update", "bob"),
    ("follow", ()),
    ("request", None),
    ("pass", ()),
    ("follow", ("bob",)),
    ("update", "bob"),
    ("follow", ()),
    ("answer", OK),
    ("answer", OK),
]
"""A node is removed, and added and removed once more while it is written."""
FULL_THEN_LATE: Script = [
    ("follow", ("bob",)),
    ("request", None),
    ("pass", ()),
    ("answer", OK),
    ("update", "bob"),
    ("follow", ()),
    ("request", None),
    ("pass", ()),
    ("answer", FULL),
    ("follow", ("bob",)),
    ("request", None),
    ("late", ()),
]
"""A node is removed while the disk is full, and added again while the disk is slow."""


@example(script=TWICE)
@example(script=FULL_THEN_LATE)
@given(script=st.lists(steps, max_size=30))
@settings(max_examples=60)
def test_any_order(script: Script) -> None:
    """No page is ahead of the disk, none has an older value, and everything counted is written at the end."""
    patch = pytest.MonkeyPatch()
    with patch.context() as patched, TemporaryDirectory() as home:
        patched.setattr(checkpoint_module, "WAIT_S", WAIT_S)
        asyncio.run(play(Path(home) / "state.sqlite", script))
