"""Durable before visible: everything on a page is on disk before the page is served."""

import asyncio
import sqlite3
import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

import structlog

from exporter.follow import Account, CountedLookup
from exporter.page import ExporterStatus, PageData, ReloadStatus
from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.view import View
from exporter.store import Busy, EncodedNode, Store, StoreError, encode, mark_unfollowed

INTERVAL_S = 5.0
"""Time between writes without scrapes: a bound for the loss of data that can't be asked of lnd again."""
TOGETHER = 20
"""Nodes in a write without a scrape. Of a new node all rows are written: 200 at once take longer than `WAIT_S`."""
WAIT_S = 1.0
"""Longest wait of a page for the disk; Prometheus' scrape timeout is ten seconds by default, and often shorter."""
LAST_S = 5.0
"""Time for retries of the last write before the process ends; container engines kill after ten seconds."""
PAUSE_AFTER_S = 0.0005
"""Nodes are captured for this long at a time, then other tasks of the event loop run; one node is never interrupted."""


class _Captured(NamedTuple):
    """An account as it was at one instant: that of its view."""

    account: Account
    version: int
    encoded: EncodedNode
    left: bool
    """True if it is marked as no longer followed."""


class Checkpoint:
    """Captures nodes, each at one instant, writes what changed, then returns the page; requests share a write.

    If the disk reports that it can't be written (full, read-only), the present page is returned nevertheless: no
    metrics would be worse. But if a retry will probably succeed, because another program holds a lock on the file or
    the disk is slow, the last page that was written is returned again.

    The nodes may change. One that is no longer followed stays in memory until its last state is on disk; if it is
    followed again before that, this is where it continues.
    """

    def __init__(self, accounts: Sequence[Account], store: Store | None) -> None:
        """Start with the page that is on disk. Without a store nothing is written, and pages don't wait."""
        self._accounts = {account.name: account for account in accounts}
        # Accounts that are no longer followed and not on disk yet; without a store they stay here.
        self._left: dict[str, Account] = {}
        self._store = store
        self._write_lock = asyncio.Lock()
        self._next: asyncio.Task[PageData] | None = None  # waits for the lock; later requests share it
        self._wanted: set[str] | None = set()  # the nodes that the next checkpoint must capture; None for all
        self._versions: dict[str, int] = {}  # the version of each account that is on disk
        # Nodes of the file that are no longer followed: written once.
        self._unfollowed = store.unfollowed([account.name for account in accounts]) if store else {}
        self._written_s: float | None = None
        self._failures = 0
        self._failure = ""  # reason of the present failure, empty if the last write succeeded
        self._replacements = 0
        self._late: set[asyncio.Task[PageData]] = set()  # checkpoints that took longer than WAIT_S; two at most
        self._on_time = True  # False if the last request got an earlier page
        for account in accounts:
            self._begin_lists(account)
        self._log = structlog.get_logger("exporter.checkpoint")
        # At the start: the content of the file.
        self._last_views = {account.name: account.capture() for account in accounts}
        # As they were shown last: nodes that are on no page any more, but not on disk yet either (it is full).
        self._hidden_views: dict[str, View] = {}
        self.reload = ReloadStatus(time.time())
        """How the last reload of the configuration went; the start is the first one."""

    def kept(self, name: str) -> Account | None:
        """Return the account of a node that is no longer followed, if its last state is not on disk yet."""
        return self._left.get(name)

    def follow(self, accounts: Sequence[Account]) -> None:
        """Show these accounts from now on; those of them that are new contain what is on disk, or are `kept`.

        Those that are missing are on the next page no longer, and are written before that.
        """
        old, self._accounts = self._accounts, {account.name: account for account in accounts}
        self._left |= {name: account for name, account in old.items() if name not in self._accounts}
        for name, account in self._accounts.items():
            if name not in old:
                self._begin_lists(account)
                self._left.pop(name, None)
                self._unfollowed.pop(name, None)
                if name not in self._last_views:
                    hidden = self._hidden_views.pop(name, None)
                    self._last_views[name] = account.capture() if hidden is None else hidden

    def _begin_lists(self, account: Account) -> None:
        """Have the account note which runs end, for the lists on disk."""
        account.lists_ended = self._store is not None
        account.newly_ended.limit(self._store.ended_length if self._store else 0)

    def nodes(self) -> list[str]:
        """Return the names of the present nodes, without writing."""
        return list(self._accounts)

    async def durable_page(self, nodes: Collection[str] | None = None) -> PageData:
        """Return a page that is on disk: the present one, or after `WAIT_S` the last one that was written.

        With `nodes` only these are captured and written, and sure to be as they are now; the others are as they were
        last written. After a write that failed all are written, so that the time of the last write is true of all that
        pages show.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._capture_and_write())
        self._wanted = None if nodes is None or self._wanted is None else self._wanted.union(nodes)
        checkpoint = self._next
        await asyncio.wait({checkpoint}, timeout=WAIT_S)
        if checkpoint.done():
            return checkpoint.result()
        self._on_time = False
        if checkpoint not in self._late:
            self._late.add(checkpoint)
            checkpoint.add_done_callback(self._late.discard)
            self._fail(f"the disk does not answer within {WAIT_S:g} s")
        return PageData([*self._last_views.values()], self._status())

    async def finish(self) -> None:
        """Write for the last time; retry for `LAST_S` if the disk is slow or another program has locked the file."""
        end_s = asyncio.get_running_loop().time() + LAST_S
        await self.durable_page()
        while not self._on_time and asyncio.get_running_loop().time() < end_s:
            await self.durable_page()

    async def run(self) -> None:
        """Write at once, so that the state tells which nodes are followed; then every `INTERVAL_S` until cancelled."""
        while True:
            names = self._unwritten()
            for first in range(0, max(1, len(names)), TOGETHER):  # also without any: the file is looked at
                await self.durable_page(names[first : first + TOGETHER])
            await asyncio.sleep(INTERVAL_S)

    async def _capture_and_write(self) -> PageData:
        """Wait for the write that is under way, then capture and write."""
        async with self._write_lock:
            self._next = None  # a request from here on must see events from here on
            wanted, self._wanted = self._wanted, set()
            wanted = None if self._failure else wanted
            changed: dict[str, _Captured] = {}  # by name: a node that is removed meanwhile is captured twice
            views = await self._capture_present(wanted, changed)
            present = {*self._accounts}  # no await since the last capture: the nodes of the page
            await self._capture_left(changed)
            self._on_time = True
            if self._store is not None:
                self._on_time = await self._write(self._store, [*changed.values()])
            if self._on_time:
                self._last_views |= views
                # Those that were added during the write stay, too.
                for name in self._last_views.keys() - present - self._accounts.keys():
                    view = self._last_views.pop(name)
                    if self._store is not None and name in self._left:
                        self._hidden_views[name] = view
            return self._last_page()

    def _unwritten(self) -> list[str]:
        return [name for name, account in self._accounts.items() if self._must_be_written(account)]

    def _last_page(self) -> PageData:
        return PageData([*self._last_views.values()], self._status())

    def _must_be_written(self, account: Account) -> bool:
        return self._store is not None and account.version != self._versions.get(account.name)

    async def _capture_present(self, wanted: set[str] | None, changed: dict[str, _Captured]) -> dict[str, View]:
        """Return views of the wanted nodes, None for all; add those that are not on disk as they are to `changed`."""
        views: dict[str, View] = {}
        began_s = time.perf_counter()
        for name, account in [*self._accounts.items()]:
            if wanted is not None and name not in wanted:
                continue
            if time.perf_counter() - began_s > PAUSE_AFTER_S:
                await asyncio.sleep(0)
                began_s = time.perf_counter()
            if self._accounts.get(name) is not account:  # removed during a pause
                continue
            views[name] = view = account.capture()
            if self._must_be_written(account):
                changed[name] = _Captured(account, account.version, encode(account.save(view)), left=False)
        return views

    async def _capture_left(self, changed: dict[str, _Captured]) -> None:
        """Add the nodes that are no longer followed to `changed`, where they replace what was captured before."""
        if self._store is None:
            return
        for account in [*self._left.values()]:
            if self._left.get(account.name) is account:  # not added again during a pause
                encoded = mark_unfollowed(encode(account.save(account.capture())))
                changed[account.name] = _Captured(account, account.version, encoded, left=True)
                await asyncio.sleep(0)

    async def _write(self, store: Store, changed: list[_Captured]) -> bool:
        """Write changed nodes; count and log a failure. Return False if the page must not be served yet."""
        unfollowed = dict(self._unfollowed)
        nodes = {captured.account.name: captured.encoded for captured in changed} | unfollowed
        try:
            await asyncio.get_running_loop().run_in_executor(store.executor, store.save, nodes)
        except (sqlite3.Error, OSError, StoreError) as error:
            self._fail(str(error))
            return not isinstance(error, Busy)
        if self._failure:
            self._failure = ""
            self._log.info("the state is written again", path=str(store.path))
        if store.replacements != self._replacements:
            self._replacements = store.replacements
            old = {"old": str(store.set_aside)} if store.set_aside else {}
            self._log.error("the state is written to a new file, nothing is lost", reason=store.replace_reason, **old)
        for account, version, encoded, left in changed:
            del account.ended[: len(encoded.ended)]
            if encoded.newly_ended:
                account.newly_ended.written(encoded.newly_ended[-1].number)
            if not left:
                self._versions[account.name] = version
                continue
            self._versions.pop(account.name, None)  # if it is followed again, it is written without the mark
            # It may have been followed and left once more during this write: then the next one writes the rest.
            if self._left.get(account.name) is account and account.version == version:
                del self._left[account.name]
                self._hidden_views.pop(account.name, None)
        for node in unfollowed:
            self._unfollowed.pop(node, None)
        self._written_s = time.time()
        return True

    def _fail(self, reason: str) -> None:
        """Count a checkpoint that failed or is late, each one once; log the reason if it is a new one."""
        if asyncio.current_task() not in self._late:
            self._failures += 1
        if reason != self._failure and self._store is not None:
            self._failure = reason
            self._log.error("the state can't be written: counting goes on", path=str(self._store.path), reason=reason)

    def _status(self) -> ExporterStatus:
        return ExporterStatus(
            checkpoint_s=self._written_s,
            checkpoint_failures=self._failures + (self._store.failed_reads if self._store else 0),
            state_resets=self._store.resets if self._store else dict.fromkeys(Reset, 0),
            reload=self.reload,
        )


def counted_lookup(store: Store, node: str) -> CountedLookup:
    """Return a function that looks up which runs of a node were counted; it returns None if that can't be read.

    Failures to read are part of the checkpoint failures.
    """
    log = structlog.get_logger("exporter.checkpoint")

    async def counted(runs: Sequence[Run]) -> set[Run] | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(store.executor, store.counted, node, runs)
        except sqlite3.Error as error:
            log.warning("the audit can't read what was counted, and tries again", node=node, reason=str(error))
            return None

    return counted
