"""The reloader: one reload at a time, nothing changes if anything is wrong, and everybody gets an answer."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from exporter.config import Config, ConfigError, ListenAddress, LogConfig, NodeConfig, Problem, StorageConfig, WebConfig
from exporter.follow import Account, Follower
from exporter.metrics.groups import Group
from exporter.nodes import FollowedNodes
from exporter.payments.totals import Counter
from exporter.reload import Reloader
from exporter.web.lifecycle import ReloadResult
from tests.follow.chaos import ChaoticNode
from tests.follow.virtual import VirtualLoop
from tests.follow.watch import Clocks
from tests.patience import PATIENCE_S

ALICE, BOB = (NodeConfig(name, f"{name}:10009", None, Path("macaroon")) for name in ("alice", "bob"))
STARTED = Config(
    (ALICE,),
    WebConfig((ListenAddress("", 10019),), "/metrics"),
    LogConfig("info", "json", (600,)),
    StorageConfig(None),
    50,
)


class Running:
    """A reloader with nodes that can't be reached."""

    def __init__(self, load: Callable[[], Config]) -> None:
        """Prepare it; `load` returns the configuration."""
        self.reloader = Reloader(load)
        self.logs: list[LogConfig] = []
        self.held_back = False
        self.nodes = FollowedNodes([ALICE], {}, None, lambda name: Account(name, Clocks(), 5), self._follower)

    @staticmethod
    def _follower(_: NodeConfig, account: Account) -> Follower:
        loop = VirtualLoop()
        loop.close()
        node = ChaoticNode(loop, 1)
        node._unreachable = True
        return Follower(account, node)

    async def run(self) -> None:
        """Follow the nodes and reload."""
        async with asyncio.TaskGroup() as group:
            self.nodes.start(group)
            group.create_task(self.reloader.run(STARTED, self.nodes, self.logs.append, lambda: self.held_back))


@asynccontextmanager
async def running(load: Callable[[], Config]) -> AsyncIterator[Running]:
    """Run a reloader within the block."""
    made = Running(load)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


async def test_changes_are_named() -> None:
    """In the answer and in the log; the settings of the log take effect at once."""
    config = replace(STARTED, nodes=(BOB,), log=replace(STARTED.log, open_after_s=(60,)))
    with capture_logs() as logs:
        async with running(lambda: config) as run:
            started_s = run.nodes.checkpoint.reload.success_s
            assert await run.reloader.reload() == ReloadResult(
                successful=True, text="Reloaded. Nodes: 1 added (bob), 1 removed (alice), 0 unchanged.\n"
            )
            assert await run.reloader.reload() == ReloadResult(successful=True, text="Reloaded. Nodes: 1 unchanged.\n")
            assert run.logs == [config.log] * 2
            reload = run.nodes.checkpoint.reload
            assert reload.successful
            assert reload.success_s > started_s
    assert [line for line in logs if line["event"] == "the configuration was reloaded"] == [
        {
            "event": "the configuration was reloaded",
            "log_level": "info",
            "added": ["bob"],
            "removed": ["alice"],
            "changed": [],
            "unchanged": 0,
        },
        {
            "event": "the configuration was reloaded",
            "log_level": "info",
            "added": [],
            "removed": [],
            "changed": [],
            "unchanged": 1,
        },
    ]


async def test_many_nodes() -> None:
    """The answer and the log name ten of them."""
    many = tuple(replace(ALICE, name=f"node{n}") for n in range(13))
    with capture_logs() as logs:
        async with running(lambda: replace(STARTED, nodes=(ALICE, *many))) as run:
            text = (await run.reloader.reload()).text
    ten = [*(f"node{n}" for n in range(10)), "3 more"]
    assert text == f"Reloaded. Nodes: 13 added ({', '.join(ten)}), 1 unchanged.\n"
    assert [line["added"] for line in logs if "added" in line] == [ten]


async def test_settings_that_need_a_restart() -> None:
    """They are named in one warning and in the answer, at each reload until the restart; the rest takes effect."""
    config = Config(
        (ALICE, BOB),
        WebConfig((ListenAddress("localhost", 9999),), "/other", enable_lifecycle=True),
        replace(STARTED.log, format="console"),
        StorageConfig(Path("/elsewhere"), "alice", 5, ended_destinations=False),
        7,
        without=(Group.PEERS,),
    )
    names = [
        "web.listen-address", "web.telemetry-path", "web.enable-lifecycle", "storage.path", "storage.reset",
        "storage.ended", "storage.ended-destinations", "metrics.max-peers", "metrics.without", "log.format",
    ]  # fmt: skip
    with capture_logs() as logs:
        async with running(lambda: config) as run:
            text = f"A restart is needed for: {', '.join(names)}.\n"
            first, second = await run.reloader.reload(), await run.reloader.reload()
    assert first == ReloadResult(successful=True, text=f"Reloaded. Nodes: 1 added (bob), 1 unchanged.\n{text}")
    assert second == ReloadResult(successful=True, text=f"Reloaded. Nodes: 2 unchanged.\n{text}")
    assert [line["settings"] for line in logs if line["log_level"] == "warning" and "settings" in line] == [names] * 2


async def test_destinations() -> None:
    """They take effect at once; the log and the answer name the groups whenever they change."""
    key, other = "02" + "aa" * 32, "03" + "bb" * 32
    answers = [{key: "shop", other: "bank"}, {other: "bank", key: "shop"}, {key: "bank"}, {}]
    configs = iter([replace(STARTED, destinations=groups) for groups in answers])
    with capture_logs() as logs:
        async with running(lambda: next(configs)) as run:
            texts = [(await run.reloader.reload()).text for _ in answers]
            (account,) = run.nodes.accounts()
            assert {name for (name,) in account.ledger.counters[Counter.DESTINATION_SENT]} == {"other", "former"}
    same = "Reloaded. Nodes: 1 unchanged.\n"
    assert texts == [
        f"{same}Destinations: shop, bank.\n", same, f"{same}Destinations: bank.\n", f"{same}Destinations: none.\n",
    ]  # fmt: skip
    named = [line.get("destinations") for line in logs if line["event"] == "the configuration was reloaded"]
    assert named == [["shop", "bank"], None, ["bank"], []]


async def test_a_web_file_that_needs_a_restart() -> None:
    """It is named until it can be used, or is what it was."""
    async with running(lambda: STARTED) as run:
        run.held_back = True
        text = "Reloaded. Nodes: 1 unchanged.\nA restart is needed for: web.config.file.\n"
        assert await run.reloader.reload() == ReloadResult(successful=True, text=text)
        run.held_back = False
        assert (await run.reloader.reload()).text == "Reloaded. Nodes: 1 unchanged.\n"


async def test_no_node_is_left() -> None:
    """A shard may lose its last node; the log says so, as at a start."""
    with capture_logs() as logs:
        async with running(lambda: replace(STARTED, nodes=())) as run:
            assert (await run.reloader.reload()).text == "Reloaded. Nodes: 1 removed (alice), 0 unchanged.\n"
    what = "this exporter follows no node: none of the file belongs to its shard"
    assert [line["log_level"] for line in logs if line["event"] == what] == ["warning"]


async def test_a_wrong_configuration_changes_nothing() -> None:
    """Every problem is in one line of the log and in the answer; the next good one is taken again."""
    answers: list[Config | Exception] = [
        ConfigError(
            [
                Problem("a.yml:3 lnd.mode", "is\nwrong.", "Mend it."),
                Problem("a.yml:4", "socks5://me:pass@tor:1 is bad.", "Go."),
            ]
        ),
        RuntimeError("macaroon 0201036c6e64"),
        replace(STARTED, nodes=(BOB,)),
    ]

    def load() -> Config:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with capture_logs() as logs:
        async with running(load) as run:
            (account,) = run.nodes.accounts()
            started = run.nodes.checkpoint.reload
            lines = ["a.yml:3 lnd.mode: is wrong. Mend it.", "a.yml:4: socks5://me:[redacted]@tor:1 is bad. Go."]
            assert await run.reloader.reload() == ReloadResult(
                successful=False, text=f"Not reloaded, nothing has changed:\n  {lines[0]}\n  {lines[1]}\n"
            )
            assert await run.reloader.reload() == ReloadResult(
                successful=False, text="Not reloaded, nothing has changed:\n  a bug, which the log shows\n"
            )
            assert (run.nodes.accounts(), run.logs) == ([account], [])
            assert run.nodes.checkpoint.reload == started._replace(successful=False)
            assert (await run.reloader.reload()).successful
            assert run.nodes.checkpoint.reload.successful
    assert [line["problems"] for line in logs if "problems" in line] == [lines, ["a bug, which the log shows"]]


async def test_requests_during_a_reload_share_one_more() -> None:
    """They may have come after the file was read; reloads never run at the same time."""
    reading, go_on = Event(), Event()
    configs = [STARTED, replace(STARTED, nodes=(ALICE, BOB))]

    def load() -> Config:
        config = configs.pop(0)
        reading.set()
        assert go_on.wait(PATIENCE_S)
        return config

    async with running(load) as run:
        first = asyncio.create_task(run.reloader.reload())
        assert await asyncio.to_thread(reading.wait, PATIENCE_S)
        others = [asyncio.create_task(run.reloader.reload()) for _ in range(5)]
        gone = asyncio.create_task(run.reloader.reload())
        run.reloader.request()
        await asyncio.sleep(0)
        gone.cancel()
        go_on.set()
        answers = [result.text for result in await asyncio.gather(first, *others)]
    assert answers == ["Reloaded. Nodes: 1 unchanged.\n", *["Reloaded. Nodes: 1 added (bob), 1 unchanged.\n"] * 5]
    assert configs == []


async def test_stop_during_a_reload() -> None:
    """Those who wait are told, and so are those who come later."""
    reading, go_on = Event(), Event()

    def load() -> Config:
        reading.set()
        assert go_on.wait(PATIENCE_S)
        return STARTED

    async with running(load) as run:
        waiting = asyncio.create_task(run.reloader.reload())
        assert await asyncio.to_thread(reading.wait, PATIENCE_S)
    go_on.set()
    stopped = ReloadResult(successful=False, text="Not reloaded: the exporter is being stopped.\n")
    assert (await waiting, await run.reloader.reload()) == (stopped, stopped)


@pytest.mark.usefixtures("logging_as_before")
async def test_the_level_of_the_log_changes_at_once() -> None:
    """And back."""
    levels = iter(["debug", "debug", "error"])
    async with running(lambda: replace(STARTED, log=replace(STARTED.log, level=next(levels)))) as run:
        seen = []
        for _ in range(3):
            await run.reloader.reload()
            seen.append(logging.getLogger().level)
    assert seen == [logging.DEBUG, logging.DEBUG, logging.ERROR]
