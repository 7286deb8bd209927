"""Three exporters share six nodes, and a fourth one is added: with a handover of its nodes, and without."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from random import Random

import aiohttp
import pytest

from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, REST, WEBSOCKET
from exporter.config.shard import shard_of
from exporter.simulator.clock import WallClock
from exporter.simulator.mutation import Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.server import SimulatedNode
from tests.network.process import NotReady, until
from tests.stories.page import Page, decreased_counters, parse, total
from tests.stories.process import Exporter
from tests.torture.totals import differences

pytestmark = pytest.mark.slow

STAY = {"heidi": 0, "alice": 1, "bob": 2}
MOVE = {"erin": 0, "frank": 1, "olivia": 2}
"""Nodes by their shard of three. Of four the first ones keep theirs, and the others belong to the new one."""
NEW = 3
SPEED = 60.0
PAYMENTS = 60
"""Payments of each simulated lnd before a change, and as many during it."""


def test_which_nodes_move() -> None:
    """The names have been chosen so."""
    nodes = STAY | MOVE
    assert {name: shard_of(name, 3) for name in nodes} == nodes
    assert {name: shard_of(name, 4) for name in nodes} == STAY | dict.fromkeys(MOVE, NEW)


class Fleet:
    """Two simulated lnds, each known under three names over another transport, and exporters that share these nodes."""

    def __init__(self, lnds: list[SimulatedNode], home: Path) -> None:
        """Prepare four exporters with the same list of nodes; none is started."""
        self.home = home
        self.of: dict[str, SimulatedNode] = {}
        configs = []
        names = [*STAY, *MOVE]
        for lnd, three in zip(lnds, (names[::2], names[1::2]), strict=True):
            addresses = (
                (GRPC, lnd.address),
                (REST, f"https://{lnd.rest}"),
                (WEBSOCKET, f"https://localhost:{lnd.rest.rpartition(':')[2]}"),
            )
            for name, (transport, address) in zip(three, addresses, strict=True):
                self.of[name] = lnd
                configs.append(NodeConfig(name, address, lnd.tls_cert, lnd.macaroon, transport))
        self.exporters = [Exporter(configs, home / f"exporter-{number}") for number in range(NEW + 1)]
        for exporter in self.exporters:
            exporter.hold_s = 5  # two lnds in one busy process may take more than a second between two updates
        self._seen: dict[str, Page] = {}
        self._traffic = [iter(RandomTraffic(lnd.world, number)) for number, lnd in enumerate(lnds)]
        self._playing: list[asyncio.Task[None]] = []

    async def start(self, number: int, count: int) -> None:
        """Start an exporter as shard `number` of `count`."""
        self.exporters[number].flags = (f"--shard={number}/{count}",)
        await self.exporters[number].start()

    async def pages(self, count: int) -> list[Page]:
        """Return the page of each exporter, and check that no counter of a node is below one seen before."""
        pages = []
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            for exporter in self.exporters[:count]:
                async with session.get(f"http://{exporter.target}/metrics") as answer:
                    pages.append(parse(await answer.text()))
        for page in pages:
            for name in page.keys() & self.of.keys():
                assert decreased_counters(self._seen.get(name, {}), page, name) == []
                self._seen[name] = page
        return pages

    def begin_anew(self, name: str) -> None:
        """Let the counters of a node begin at zero."""
        self._seen.pop(name, None)

    def pay(self) -> None:
        """Begin payments of both lnds, spread over some seconds."""
        for lnd, traffic in zip(dict.fromkeys(self.of.values()), self._traffic, strict=True):
            for at, scenario in enumerate(islice(traffic, PAYMENTS)):
                self._playing.append(asyncio.create_task(self._play(lnd, at * 0.1, scenario)))

    @staticmethod
    async def _play(lnd: SimulatedNode, delay_s: float, scenario: Scenario) -> None:
        await asyncio.sleep(delay_s)
        await lnd.play(scenario)

    async def all_ended(self) -> None:
        """Wait until all payments have ended."""
        await asyncio.gather(*self._playing)

    async def followed(self, count: int) -> None:
        """Wait until each node is followed, by one exporter alone."""

        async def each_once() -> bool:
            pages = await self.pages(count)
            assert sorted(name for page in pages for name in page if name) == sorted(self.of)
            return all(total(self.page_of(name, pages), name, "stream_up") for name in self.of)

        await until("each node is followed", each_once)

    @staticmethod
    def page_of(name: str, pages: list[Page]) -> Page:
        """Return the page that has a node."""
        (page,) = (page for page in pages if name in page)
        return page

    async def agree(self, count: int, *names: str) -> None:
        """Wait until the pages agree with the truth about these nodes."""
        wrong: list[str] = []

        async def right() -> bool:
            pages = await self.pages(count)
            wrong[:] = [
                f"{name}: {difference}"
                for name in names
                if (difference := differences(self.page_of(name, pages), name, self.of[name], {}))
            ]
            return not wrong

        with suppress(NotReady):
            await until("the pages agree with the truth", right)
        assert wrong == []

    async def command(self, number: int, *words: str) -> asyncio.subprocess.Process:
        """Start a command with the state file of an exporter."""
        return await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "exporter", "state", *words, f"--storage.path={self.exporters[number].state}"],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def export(self, name: str, number: int) -> Path:
        """Export a node from the file of an exporter, which doesn't follow it any more."""
        path = self.home / f"{name}.state"
        said = b""

        async def without_warning() -> bool:  # once the exporter has noted on disk that it has left the node
            nonlocal said
            path.unlink(missing_ok=True)
            process = await self.command(number, "export", name, str(path))
            _, said = await process.communicate()
            assert process.returncode == 0, said
            return b"warning" not in said

        await until("the node has been left", without_warning)
        assert said.startswith(f"{name}: exported as of ".encode())
        return path


@asynccontextmanager
async def fleet(home: Path, count: int = NEW) -> AsyncIterator[Fleet]:
    """Run two lnds and `count` exporters of a fleet, which are killed at the end."""
    for name in "ab":
        (home / name).mkdir()
    lnds = [SimulatedNode(home / name, seed=name, clock=WallClock(SPEED)) for name in "ab"]
    async with lnds[0], lnds[1]:
        fleet = Fleet(lnds, home)
        try:
            for number in range(count):
                await fleet.start(number, count)
            await fleet.followed(count)
            yield fleet
        finally:
            for exporter in fleet.exporters:
                with suppress(AssertionError, ProcessLookupError):
                    await exporter.kill()


@pytest.mark.parametrize("kills", [False, True])
async def test_a_shard_is_added(tmp_path: Path, *, kills: bool) -> None:
    """Traffic goes on all the time. Every payment is counted once by the exporter that has its node, no counter falls.

    With kills the exporters are killed instead of stopped, so is the new one after its start, and the import
    at a random moment, until it says that it is done.
    """
    random = Random(1)
    async with fleet(tmp_path) as nodes:
        nodes.pay()
        await asyncio.sleep(2)
        await nodes.pages(NEW)
        for number in range(NEW):  # one after the other, as Kubernetes does it
            exporter = nodes.exporters[number]
            await (exporter.kill() if kills else exporter.stop())
            await nodes.start(number, NEW + 1)
        exports = [str(await nodes.export(name, MOVE[name])) for name in MOVE]
        for _ in range(4 * kills):
            process = await nodes.command(NEW, "import", *exports)
            await asyncio.sleep(random.uniform(0.1, 0.6))
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        process = await nodes.command(NEW, "import", *exports)
        out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        words = ("imported into", "is already, with the same content, in") if kills else ("imported into",)
        said = out.decode().replace(f" {nodes.exporters[NEW].state}\n", "\n")
        assert said in [f"erin: {word}\nfrank: {word}\nolivia: {word}\n" for word in words]
        nodes.pay()
        await nodes.start(NEW, NEW + 1)
        if kills:
            await nodes.exporters[NEW].kill()
            await nodes.start(NEW, NEW + 1)
        await nodes.followed(NEW + 1)
        await nodes.all_ended()
        await nodes.agree(NEW + 1, *STAY, *MOVE)
        refused = await nodes.command(NEW, "import", exports[0])
        _, err = await refused.communicate()
        assert (refused.returncode, b"An exporter is running with " in err) == (2, True)


async def test_a_shard_is_removed(tmp_path: Path) -> None:
    """Its nodes go to the others, each of which is stopped for the import; traffic goes on all the time."""
    async with fleet(tmp_path, NEW + 1) as nodes:
        nodes.pay()
        await asyncio.sleep(2)
        await nodes.pages(NEW + 1)
        await nodes.exporters[NEW].stop()
        for name, number in MOVE.items():
            path = await nodes.export(name, NEW)
            await nodes.exporters[number].stop()
            process = await nodes.command(number, "import", str(path))
            assert await process.communicate() == (
                f"{name}: imported into {nodes.exporters[number].state}\n".encode(),
                b"",
            )
            await nodes.start(number, NEW)
        nodes.pay()
        await nodes.followed(NEW)
        await nodes.all_ended()
        await nodes.agree(NEW, *STAY, *MOVE)


async def test_a_shard_is_added_without_a_handover(tmp_path: Path) -> None:
    """The nodes that move begin at zero there, and count what begins from then on. The others are counted as before."""
    async with fleet(tmp_path) as nodes:
        nodes.pay()
        await nodes.all_ended()
        await nodes.agree(NEW, *STAY, *MOVE)
        before = {name: len(nodes.of[name].truth()) for name in MOVE}
        for number in range(NEW):
            await nodes.exporters[number].stop()
        for name in MOVE:
            nodes.begin_anew(name)
        for number in range(NEW + 1):
            await nodes.start(number, NEW + 1)
        await nodes.followed(NEW + 1)
        page = (await nodes.pages(NEW + 1))[NEW]
        assert {name: total(page, name, "started_total") for name in MOVE} == dict.fromkeys(MOVE, 0)
        nodes.pay()
        await nodes.all_ended()
        await nodes.agree(NEW + 1, *STAY)
        begun = {name: len(nodes.of[name].truth()) - before[name] for name in MOVE}

        async def counted() -> bool:
            page = (await nodes.pages(NEW + 1))[NEW]
            return {name: total(page, name, "started_total") for name in MOVE} == begun

        await until("the new exporter has counted what began", counted)
