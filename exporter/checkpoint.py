"""Durable before visible: what a page shows has been written to disk before anybody sees it."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence

import structlog

from exporter.follow import Account, Counted
from exporter.page import ExporterStatus, PageData
from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.view import View
from exporter.store import Busy, EncodedNode, Store, StoreError, encode

EVERY_S = 5.0
"""While nobody looks: what can't be asked of lnd again is lost for no longer than this."""
WAIT_S = 1.0
"""Whoever asks for a page waits for the disk this long; Prometheus gives up after ten seconds, or after less."""
LAST_S = 5.0
"""The last write before the process ends may take this long; container engines kill after ten seconds."""


class Checkpoint:
    """Takes all nodes at one instant, writes what changed, then shows it. Pages asked for together share a write.

    A disk that says it can't be written (full, read-only) keeps nothing from being shown: seeing less would be worse.
    But where a write may soon succeed, because another program holds a lock on the file or the disk is slow, the last
    page is shown once more.
    """

    def __init__(self, accounts: Sequence[Account], store: Store | None) -> None:
        """Without a store nothing is written, and each page is shown at once."""
        self._accounts = accounts
        self._store = store
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[PageData] | None = None
        self._versions: dict[str, int] = {}  # what of each node is written
        self._left = store.left([account.name for account in accounts]) if store else {}  # to be written once
        self._written_s: float | None = None
        self._failures = 0
        self._failed = ""
        self._replaced = 0
        self._late: set[asyncio.Task[PageData]] = set()  # writes that somebody waited for in vain; two at most
        self._on_time = True  # the last page that was asked for is on disk, or can't be written
        for account in accounts:
            account.keeps = store is not None
        self._log = structlog.get_logger("exporter.checkpoint")
        self._shown = [account.view() for account in accounts]  # before anything happens: what the disk says

    async def instant(self) -> PageData:
        """What a page shows, on disk: as it is now, or after `WAIT_S` as it was when it was written last."""
        if self._next is None:
            self._next = asyncio.create_task(self._take_turn())
        turn = self._next
        await asyncio.wait({turn}, timeout=WAIT_S)
        if turn.done():
            return turn.result()
        self._on_time = False
        if turn not in self._late:
            self._late.add(turn)
            turn.add_done_callback(self._late.discard)
            self._fail(f"the disk does not answer within {WAIT_S:g} s")
        return PageData(self._shown, self._exporter())

    async def finish(self) -> None:
        """Write for the last time; tried again for `LAST_S` where the disk is slow, or another program has the file."""
        end_s = asyncio.get_running_loop().time() + LAST_S
        await self.instant()
        while not self._on_time and asyncio.get_running_loop().time() < end_s:
            await self.instant()

    async def keep(self) -> None:
        """Write from time to time, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.instant()

    async def _take_turn(self) -> PageData:
        """Wait for the write that is under way, then capture and write."""
        async with self._turn:
            self._next = None  # whoever asks from here on wants to see what happens from here on
            views = [account.view() for account in self._accounts]
            self._on_time = True
            if self._store is not None:
                changed = self._capture(views)
                self._on_time = await self._write(self._store, changed)
            if self._on_time:
                self._shown = views
            return PageData(self._shown, self._exporter())

    def _capture(self, views: list[View]) -> dict[str, tuple[int, EncodedNode]]:
        changed = {
            view.node: (account.version, encode(account.saved(view)))
            for view, account in zip(views, self._accounts, strict=True)
            if account.version != self._versions.get(view.node)
        }
        return changed | {node: (0, frozen) for node, frozen in self._left.items()}

    async def _write(self, store: Store, changed: dict[str, tuple[int, EncodedNode]]) -> bool:
        """Write what changed; False if it may not be shown yet. A failure is counted, told, and tried again."""
        nodes = {node: frozen for node, (_, frozen) in changed.items()}
        try:
            await asyncio.get_running_loop().run_in_executor(store.thread, store.save, nodes)
        except (sqlite3.Error, OSError, StoreError) as error:
            self._fail(str(error))
            return not isinstance(error, Busy)
        if self._failed:
            self._failed = ""
            self._log.info("the state is written again", path=str(store.path))
        if store.replaced != self._replaced:
            self._replaced = store.replaced
            old = {"old": str(store.set_aside)} if store.set_aside else {}
            self._log.error("the state is written to a new file, nothing is lost", reason=store.broken, **old)
        for account in self._accounts:
            if account.name in changed:
                self._versions[account.name], frozen = changed[account.name]
                del account.ended[: len(frozen.ended)]
        self._left.clear()
        self._written_s = time.time()
        return True

    def _fail(self, reason: str) -> None:
        """Count a page that is not on disk in time, once; tell why, unless it is still the same."""
        if asyncio.current_task() not in self._late:
            self._failures += 1
        if reason != self._failed and self._store is not None:
            self._failed = reason
            self._log.error("the state can't be written: counting goes on", path=str(self._store.path), reason=reason)

    def _exporter(self) -> ExporterStatus:
        return ExporterStatus(
            checkpoint_s=self._written_s,
            checkpoint_failures=self._failures + (self._store.failed_reads if self._store else 0),
            state_resets=self._store.resets if self._store else dict.fromkeys(Reset, 0),
        )


def looking_up(store: Store, node: str) -> Counted:
    """The list of what was counted of a node; that it can't be read is counted with the failed writes."""
    log = structlog.get_logger("exporter.checkpoint")

    async def counted(runs: Sequence[Run]) -> set[Run] | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(store.thread, store.counted, node, runs)
        except sqlite3.Error as error:
            log.warning("the audit can't read what was counted, and tries again", node=node, reason=str(error))
            return None

    return counted
