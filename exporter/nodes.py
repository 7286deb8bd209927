"""The nodes that are followed: each has an account and a running follower; a reload adds, removes and changes some."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from exporter.checkpoint import Checkpoint
from exporter.config import NodeConfig
from exporter.follow import Account, Follower
from exporter.payments.saved import SavedNode
from exporter.store import Store

NO_NODE = "this exporter follows no node: none of the file belongs to its shard"
"""A warning."""
LONG_NS = 3_600_000_000_000
"""A node that was left longer ago than this has probably not just been handed over or put back: the log warns."""
NewAccount = Callable[[str], Account]
"""Returns an empty account for a name."""
NewFollower = Callable[[NodeConfig, Account], Follower]
"""Returns a follower that counts in this account."""


class Changes(NamedTuple):
    """The names of the nodes that a reload added, removed and changed, and how many it left alone."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int


class FollowedNodes:
    """One follower for each node of the configuration."""

    def __init__(
        self,
        configs: Iterable[NodeConfig],
        destinations: Mapping[str, str],
        store: Store | None,
        new_account: NewAccount,
        new_follower: NewFollower,
    ) -> None:
        """Take up each node where the state file left it; nothing is followed before `start`.

        `destinations`: see `Account.group_destinations`.
        """
        self._configs = {config.name: config for config in configs}
        self._store = store
        self._new_account = new_account
        self._new_follower = new_follower
        self._log = structlog.get_logger("exporter.app")
        self._accounts = {name: self._resumed(name, store.load(name) if store else None) for name in self._configs}
        self.destinations: Mapping[str, str] = {}
        """The name of the group of each key of a recipient that is in one."""
        self._followers: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self.checkpoint = Checkpoint(self.accounts(), store)  # it takes what they are now for what is on disk
        self._group_destinations(destinations)

    def accounts(self) -> list[Account]:
        """Return the accounts of the nodes that are followed now."""
        return list(self._accounts.values())

    def start(self, group: asyncio.TaskGroup) -> None:
        """Follow all nodes, each in a task of this group; nodes that are added later get theirs there, too."""
        self._group = group
        for name in self._configs:
            self._start(name)

    async def change(self, configs: Iterable[NodeConfig], destinations: Mapping[str, str]) -> Changes:
        """Follow these nodes from now on, and touch none whose configuration is the same. Only one call at a time.

        `destinations`: see `Account.group_destinations`.
        Returns when the state has been written without the nodes that were removed, or can't be written now.
        """
        old, new = self._configs, {config.name: config for config in configs}
        added = [name for name in new if name not in old]
        removed = [name for name in old if name not in new]
        changed = [name for name in new if name in old and new[name] != old[name]]
        loaded = {name: await self._load(name) for name in added}  # may wait for the disk: before anything changes
        await asyncio.gather(*(self._stop(name) for name in [*removed, *changed]))
        # No await from here on: a page shows either the old nodes or the new ones.
        self._configs = new
        self._accounts = {name: loaded.get(name) or self._accounts[name] for name in new}
        self.checkpoint.follow(self.accounts())
        self._group_destinations(destinations)
        for name in [*changed, *added]:
            self._start(name)
        await self.checkpoint.durable_page()
        return Changes(tuple(added), tuple(removed), tuple(changed), len(new) - len(added) - len(changed))

    async def _load(self, name: str) -> Account:
        """Return the account of a node that is added: where it was left, or an empty one."""
        if (account := self.checkpoint.kept(name)) is not None:
            return account
        saved = None
        if self._store is not None:
            loop = asyncio.get_running_loop()
            saved = await loop.run_in_executor(self._store.executor, self._store.load, name)
        return self._resumed(name, saved)

    def _resumed(self, name: str, saved: SavedNode | None) -> Account:
        account = self._new_account(name)
        if saved is not None:
            account.resume(saved)
            path = str(self._store.path) if self._store else ""
            self._log.info("counting goes on", node=name, in_flight=len(account.tracker.open), path=path)
            saved_ns = saved.state.at.wall_ns
            if saved.state.heard.left and account.now().wall_ns - saved_ns > LONG_NS:
                self._log.warning(
                    "this exporter had stopped following the node, and counts what has happened since: if another one"
                    " has followed it, both count that",
                    node=name,
                    since=f"{datetime.fromtimestamp(saved_ns / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC",
                )
        return account

    def _group_destinations(self, groups: Mapping[str, str]) -> None:
        self.destinations = groups
        for account in self.accounts():
            account.group_destinations(groups)

    def _start(self, name: str) -> None:
        if self._group is None:
            raise RuntimeError("call `start` first")
        follower = self._new_follower(self._configs[name], self._accounts[name])
        self._followers[name] = follower, self._group.create_task(follower.run(), name=f"follow {name}")

    async def _stop(self, name: str) -> None:
        follower, task = self._followers.pop(name)
        await follower.stop(task)
