"""The whole program: SIGHUP and POST /-/reload while payments are in flight, with kills in between."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from exporter.config import NodeConfig
from exporter.config.addresses import REST
from exporter.payments.labels import Method
from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import Scenario
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.follow.test_counting import begin
from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.stories.page import Page, decreased_counters, parse, total
from tests.stories.process import Exporter, node_configs

pytestmark = pytest.mark.slow

NAMES = ("alice", "bob", "carol", "dave")
SUCCESSFUL = "exporter_config_last_reload_successful"
WHEN = "exporter_config_last_reload_success_timestamp_seconds"


class Node(SimulatedNode):
    """A simulated node with a name."""

    def __init__(self, home: Path, name: str) -> None:
        """Write its files."""
        home.mkdir()
        super().__init__(home, seed=name, clock=WallClock(float("inf")))
        self.name = name
        self.paid = 0

    async def pay(self) -> None:
        """Make a payment that succeeds."""
        self.paid += 1
        await self.play(Scenarios(self.world, self.paid).success())

    def begin(self) -> list[Scenario]:
        """Begin a payment; return the rest of it."""
        self.paid += 1
        return begin(self, Scenarios(self.world, self.paid).held_then_settled())


@asynccontextmanager
async def nodes_of(home: Path) -> AsyncIterator[dict[str, Node]]:
    """Run the nodes within the block."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(Node(home / name, name)) for name in NAMES}


def config(node: Node, transport: str = "grpc") -> NodeConfig:
    """Return how a node is followed."""
    return node_configs(node, transport)[0]


async def request(exporter: Exporter, method: str, path: str) -> tuple[int, str]:
    """Return the answer of the exporter."""
    async with aiohttp.ClientSession() as session, session.request(method, f"http://{exporter.target}{path}") as got:
        return got.status, await got.text()


async def page_of(exporter: Exporter) -> Page:
    """Return the present page."""
    return parse((await request(exporter, "GET", "/metrics"))[1])


def ends(page: Page, name: str) -> tuple[float, ...]:
    """Return how many payments of a node have begun and succeeded."""
    return tuple(total(page, name, counter) for counter in ("started_total", "succeeded_total"))


async def followed(exporter: Exporter, *names: str) -> None:
    """Wait until these nodes are followed: what they pay from then on isn't history."""

    async def all_of_them() -> bool:
        page = await page_of(exporter)
        return all(total(page, name, "stream_up") == 1 for name in names)

    await until(f"{names} are followed", all_of_them)


async def counted(exporter: Exporter, before: Page, **expected: tuple[int, int]) -> Page:
    """Wait until the page has these numbers of payments begun and succeeded; no counter may fall meanwhile."""
    page: Page = {}

    async def right() -> bool:
        nonlocal page
        page = await page_of(exporter)
        for name in expected:
            if name in before and name in page:
                assert decreased_counters(before, page, name) == []
        return all(name in page and ends(page, name) == numbers for name, numbers in expected.items())

    await until(f"{expected} on the page", right)
    return page


async def test_nodes_come_go_and_change(tmp_path: Path) -> None:
    """Alice is changed, bob removed and added again, carol added: dave is not touched, and kills change nothing."""
    async with nodes_of(tmp_path) as nodes:
        alice, bob, carol, dave = nodes.values()
        exporter = Exporter([config(alice), config(bob), config(dave)], tmp_path / "exporter")
        await exporter.start()
        await followed(exporter, "alice", "bob", "dave")
        rest = {node.name: node.begin() for node in (alice, bob, dave)}
        for node in (alice, bob, dave):
            await node.pay()
        first = await counted(exporter, {}, alice=(2, 1), bob=(2, 1), dave=(2, 1))
        await bob.wait_for_subscribers(1)

        exporter.configure([config(alice, REST), config(carol), config(dave)])
        await exporter.reload()
        page = await page_of(exporter)
        assert sorted(page) == ["", "alice", "carol", "dave"]
        assert ends(page, "alice") == (2, 1)
        await bob.wait_for_subscribers(0)
        await bob.play(*rest["bob"])
        await followed(exporter, "carol")
        await carol.pay()
        page = await counted(exporter, first, alice=(2, 1), carol=(1, 1), dave=(2, 1))
        assert total(page, "alice", "interruptions_total", cause="reload") == 1

        exporter.configure([config(node) for node in nodes.values()])
        exporter.signal(signal.SIGHUP)
        await exporter.kill()  # during the reload, or right after it
        await exporter.start()
        await alice.play(*rest["alice"])
        second = await counted(
            exporter, page | {"bob": first["bob"]}, alice=(2, 2), bob=(2, 2), carol=(1, 1), dave=(2, 1)
        )

        exporter.configure([config(dave), config(alice), config(bob)])
        status, text = await request(exporter, "POST", "/-/reload")
        assert (status, text) == (200, "Reloaded. Nodes: 1 removed (carol), 3 unchanged.\n")
        await exporter.kill()
        exporter.configure([config(node) for node in nodes.values()])
        await exporter.start()
        await dave.play(*rest["dave"])
        third = await counted(exporter, second, alice=(2, 2), bob=(2, 2), carol=(1, 1), dave=(2, 2))
        assert total(third, "dave", "interruptions_total") == 0
        assert [total(third, name, "lost_total") for name in NAMES] == [0, 0, 0, 0]
        await exporter.stop()


async def test_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    """One line in the log with all problems, and a metric; the next good file is taken. No subscription is touched."""
    async with nodes_of(tmp_path) as nodes:
        alice, bob, *_ = nodes.values()
        exporter = Exporter([config(alice)], tmp_path / "exporter")
        await exporter.start()
        await followed(exporter, "alice")
        await alice.pay()
        before = await counted(exporter, {}, alice=(1, 1))
        assert (total(before, "", SUCCESSFUL), total(before, "", WHEN) > 1.7e9) == (1, True)
        exporter.replace_config("nodes: [{name: bob, address: 'localhost:1', colour: blue}]\nlog: {level: loud}\n")
        exporter.signal(signal.SIGHUP)

        async def refused() -> bool:
            return "not reloaded" in exporter.text()

        await until("the reload is refused", refused)
        status, text = await request(exporter, "PUT", "/-/reload")
        assert (status, text.splitlines()[0]) == (500, "Not reloaded, nothing has changed:")
        assert "colour" in text
        assert "loud" in text
        lines = [json.loads(line) for line in exporter.text().splitlines() if "not reloaded" in line]
        assert [line["level"] for line in lines] == ["error"] * 2
        assert [f"  {problem}" for problem in lines[0]["problems"]] == text.splitlines()[1:]
        page = await page_of(exporter)
        assert sorted(page) == ["", "alice"]
        assert (total(page, "", SUCCESSFUL), total(page, "", WHEN)) == (0, total(before, "", WHEN))
        exporter.configure([config(alice), config(bob)])
        await exporter.reload()
        page = await page_of(exporter)
        assert sorted(page) == ["", "alice", "bob"]
        assert (total(page, "", SUCCESSFUL), total(page, "", WHEN) > total(before, "", WHEN)) == (1, True)
        assert (alice.calls[Method.SUBSCRIBE_STATE], alice.calls[Method.TRACK_PAYMENTS]) == (1, 1)
        await exporter.stop()


async def test_a_reload_during_the_start(tmp_path: Path) -> None:
    """SIGHUP never ends the exporter, however early it comes after Python runs; what it asks for is done."""
    async with nodes_of(tmp_path) as nodes:
        exporter = Exporter([config(nodes["alice"])], tmp_path / "exporter")
        starting = asyncio.create_task(exporter.start())

        async def handles_signals() -> bool:
            try:
                status = Path(f"/proc/{exporter.pid}/status").read_text()
            except AssertionError:
                return False
            caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
            return bool(caught >> (signal.SIGHUP - 1) & 1)

        await until("the process handles SIGHUP", handles_signals)
        exporter.signal(signal.SIGHUP)
        await starting

        async def reloaded() -> bool:
            return "the configuration was reloaded" in exporter.text()

        await until("the reload is done", reloaded)
        await exporter.stop()


async def test_signal_that_is_ignored_at_the_start_reloads(tmp_path: Path) -> None:
    """As `nohup` starts it, against the end of the terminal: that ends the exporter in no case."""
    async with nodes_of(tmp_path) as nodes:
        exporter = Exporter([config(nodes["alice"])], tmp_path / "exporter")
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            await exporter.start()
        finally:
            signal.signal(signal.SIGHUP, before)
        exporter.signal(signal.SIGHUP)

        async def reloaded() -> bool:
            return "the configuration was reloaded" in exporter.text()

        await until("the reload is done", reloaded)
        await exporter.stop()


async def test_many_signals(tmp_path: Path) -> None:
    """50 reloads in a row under traffic, half by signals that come faster than they are handled; files stay closed."""

    def open_files(exporter: Exporter) -> int:
        return len(list(Path(f"/proc/{exporter.pid}/fd").iterdir()))

    async with nodes_of(tmp_path) as nodes:
        alice, bob, *_ = nodes.values()
        exporter = Exporter([config(alice), config(bob)], tmp_path / "exporter")
        await exporter.start()
        await followed(exporter, "alice", "bob")
        first = 0
        for number in range(50):
            transport = ("grpc", "rest")[number % 2]
            exporter.configure([config(alice), config(bob, transport)])
            await asyncio.gather(alice.pay(), bob.pay())
            exporter.signal(signal.SIGHUP)
            if number % 2:
                assert (await request(exporter, "POST", "/-/reload"))[0] == 200
            if number == 9:
                await counted(exporter, {}, alice=(10, 10), bob=(10, 10))
                first = open_files(exporter)
        page = await counted(exporter, {}, alice=(50, 50), bob=(50, 50))
        assert total(page, "alice", "interruptions_total") == 0
        await alice.wait_for_subscribers(1)
        await asyncio.wait_for(bob.wait_for_subscribers(1), PATIENCE_S)

        async def closed() -> bool:
            return open_files(exporter) <= first + 2  # a request of its own, a check of the connection

        await until("connections are closed", closed)
        await exporter.stop()
