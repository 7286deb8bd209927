"""Durable before visible: what a page shows has been written to disk before anybody sees it."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence

import structlog

from exporter.follow import Account, Counted
from exporter.metrics.row import Exporter, Instant
from exporter.payments.labels import Reset
from exporter.payments.payment import Run
from exporter.payments.view import View
from exporter.store import Frozen, Store, StoreError, freeze

EVERY_S = 5.0
"""While nobody looks: what can't be asked of lnd again is lost for no longer than this."""


class Checkpoint:
    """Takes all nodes at one instant, writes what changed, then shows it. Pages asked for together share a write."""

    def __init__(self, accounts: Sequence[Account], store: Store | None) -> None:
        """Without a store nothing is written, and each page is shown at once."""
        self._accounts = accounts
        self._store = store
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Instant] | None = None
        self._versions: dict[str, int] = {}  # what of each node is written
        self._left = store.left([account.name for account in accounts]) if store else {}  # to be written once
        self._written_s: float | None = None
        self._failures = 0
        self._failed = ""
        self._replaced = 0
        for account in accounts:
            account.keeps = store is not None
        self._log = structlog.get_logger("exporter.checkpoint")

    async def instant(self) -> Instant:
        """What a page shows, on disk."""
        if self._next is None:
            self._next = asyncio.create_task(self._take_turn())
        return await asyncio.shield(self._next)

    async def keep(self) -> None:
        """Write from time to time, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.instant()

    async def _take_turn(self) -> Instant:
        """Wait for the write that is under way, then capture and write."""
        async with self._turn:
            self._next = None  # whoever asks from here on wants to see what happens from here on
            views = [account.view() for account in self._accounts]
            if self._store is not None:
                changed = self._capture(views)
                await self._write(self._store, changed)
            return Instant(views, self._exporter())

    def _capture(self, views: list[View]) -> dict[str, tuple[int, Frozen]]:
        changed = {
            view.node: (account.version, freeze(account.saved(view)))
            for view, account in zip(views, self._accounts, strict=True)
            if account.version != self._versions.get(view.node)
        }
        return changed | {node: (0, frozen) for node, frozen in self._left.items()}

    async def _write(self, store: Store, changed: dict[str, tuple[int, Frozen]]) -> None:
        """Write what changed. If that fails, it is counted and told, shown all the same, and tried again."""
        try:
            await asyncio.to_thread(store.save, {node: frozen for node, (_, frozen) in changed.items()})
        except (sqlite3.Error, OSError, StoreError) as error:
            self._failures += 1
            if str(error) != self._failed:
                self._failed = str(error)
                self._log.error("the state can't be written: counting goes on", path=str(store.path), reason=str(error))
            return
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

    def _exporter(self) -> Exporter:
        return Exporter(
            checkpoint_s=self._written_s,
            checkpoint_failures=self._failures,
            state_resets=self._store.resets if self._store else dict.fromkeys(Reset, 0),
        )


def looking_up(store: Store, node: str) -> Counted:
    """The list of what was counted of a node."""

    async def counted(runs: Sequence[Run]) -> set[Run] | None:
        try:
            return await asyncio.to_thread(store.counted, node, runs)
        except sqlite3.Error as error:
            structlog.get_logger("exporter.checkpoint").warning("the audit can't read", node=node, reason=str(error))
            return None

    return counted
