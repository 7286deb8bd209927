"""Payments and faults in random order, a scraper that never looks away, and the truth at the end."""

import asyncio
import sys
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice, product, starmap
from pathlib import Path
from random import Random

import aiohttp

from exporter.config import AUTO, NodeConfig
from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.payments.labels import Mode
from exporter.simulator.clock import WallClock
from exporter.simulator.lives import Lives
from exporter.simulator.mix import Mix
from exporter.simulator.mutation import Life
from exporter.simulator.server import SimulatedNode
from tests.stories.page import NOT_SHOWN, Page, fallen, read, total
from tests.stories.process import Exporter
from tests.torture.books import differences
from tests.torture.strikes import Strikes

SPEED = 20.0
"""A minute of a payment's life takes 3 s."""
NAME = "alice"
CALM_S = 90.0
FAULT_S = 1.3
"""About as long a fault takes, with the pause before it."""
SCRAPE_S = 0.2
AFTERWARDS_S = 5.0
"""So long the last page must stay true."""
RETRIED = 0.05
"""Of all payments, beside those of the mix."""


@dataclass
class Told:
    """What a run of the torture came to."""

    payments: int = 0
    faults: Tally[str] = field(default_factory=Tally)
    scrapes: int = 0
    recovered: int = 0


class Torture:
    """One node, one exporter after the other, one state file."""

    def __init__(
        self, home: Path, seed: int, *, transports: Sequence[str] = TRANSPORTS, progress: bool = False
    ) -> None:
        """Nothing has happened yet; the same seed gives the same faults in the same order, if not at the same time.

        Each process of the exporter asks the node in another way than the one before, and follows it in another mode.
        """
        self._random = Random(seed)
        self._seed = seed
        self._node = SimulatedNode(home, clock=WallClock(SPEED))
        self._home = home
        self._transports = transports
        self._progress = progress
        self._before: Page = {}
        self._lives: set[asyncio.Task[None]] = set()
        self.told = Told()

    async def run(self, payments: int, faults: int) -> Told:
        """Let it all happen; raises AssertionError where a promise is broken."""
        async with self._node:
            node = self._node
            every_way = list(starmap(self._asked_by, product(Mode, self._transports)))
            ways = cycle(Random(self._seed).sample(every_way, len(every_way)))
            self._exporter = Exporter([next(ways)], self._home / "exporter")
            await self._exporter.start()
            self._strikes = Strikes(node, self._exporter, ways, self._random, self._see)
            await self._until(lambda page: total(page, NAME, "stream_up") == 1, "it follows")
            scraping = asyncio.create_task(self._scrape())
            paying = asyncio.create_task(self._pay(payments, faults))
            for number in range(faults):
                name = await self._strikes.strike()
                self.told.faults[name] += 1
                self._show(f"{number + 1}/{faults} {name}")
                if scraping.done():
                    scraping.result()
            while self._lives or not paying.done():
                self._show(f"{len(self._lives)} in flight")
                await asyncio.wait({paying, *self._lives}, timeout=1)
            await paying
            self._node.faults.heal()
            await self._until(lambda page: self._missing(page) == "", self._missing)
            await asyncio.sleep(AFTERWARDS_S)
            page = await self._page()
            assert self._missing(page) == "", "more was counted afterwards"
            self._look(page)
            scraping.cancel()
            with suppress(asyncio.CancelledError):
                await scraping
            self.told.recovered = int(total(page, NAME, "recovered_total"))
            assert self._strikes.noticed * 4 >= self.told.faults["disk full"], "nobody noticed that the disk was full"
            await self._exporter.stop()
        return self.told

    def _asked_by(self, mode: Mode, transport: str) -> NodeConfig:
        node = self._node
        address = node.address if transport == GRPC else f"https://{node.rest}"
        final = mode is Mode.FINAL
        asked = AUTO if final else mode.value
        return NodeConfig(NAME, address, node.tls_cert, node.macaroon, transport, mode=asked, final_only=final)

    # Payments.

    async def _pay(self, number: int, faults: int) -> None:
        """So many payments of every kind, spread over the time that the faults take."""
        more = Lives(self._node.world, ("more", self._seed))
        random = Random(self._seed)  # its own: how payments and faults fall in time doesn't change which faults come
        for life in islice(Mix(self._node.world, self._seed), number):
            await asyncio.sleep(random.expovariate(number / (faults * FAULT_S + 1)))
            mixed = more.retried_hash() if random.random() < RETRIED else life
            task = asyncio.create_task(self._play(mixed))
            self._lives.add(task)
            task.add_done_callback(self._lives.discard)
            self.told.payments += 1

    async def _play(self, life: Life) -> None:
        with suppress(ValueError):  # it has been deleted meanwhile
            await self._node.play(life)

    def _show(self, words: str) -> None:
        if self._progress:
            print(f"\r{words:40} {self.told.payments} payments ", end="", file=sys.stderr, flush=True)

    # What is seen.

    async def _scrape(self) -> None:
        """Again and again; a page that was never finished is none."""
        while True:
            await self._strikes.up.wait()
            with suppress(aiohttp.ClientError, TimeoutError):
                self._look(await self._page())
            await asyncio.sleep(SCRAPE_S)

    async def _page(self) -> Page:
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{self._exporter.target}/metrics") as answer,
        ):
            return read(await answer.text())

    def _look(self, page: Page) -> None:
        """The laws hold on this page, and nothing on it is less than it was."""
        self.told.scrapes += 1
        ended = sum(total(page, NAME, f"{name}_total") for name in ("succeeded", "failed", "lost"))
        resolved = sum(total(page, NAME, f"htlc_attempts_{name}_total") for name in ("settled", "failed", "unresolved"))
        in_flight = (
            total(page, NAME, "started_total") - ended,
            total(page, NAME, "htlc_attempts_started_total") - resolved,
        )
        if total(page, NAME, "mode", mode="final"):
            assert min(in_flight) >= 0
            hidden = {s: value for s, value in self._before.get(NAME, {}).items() if s.name.startswith(NOT_SHOWN)}
            assert not hidden.keys() & page[NAME].keys()
            page = page | {NAME: page[NAME] | hidden}  # when it is there again it may not be less
        else:
            assert in_flight == (total(page, NAME, "in_flight"), total(page, NAME, "in_flight_htlcs"))
        assert not total(page, NAME, "audit_unaccounted"), "the audit found something"
        assert not total(page, "", "exporter_state_resets_total"), "the state was lost"
        assert fallen(self._before, page, NAME) == [], "a counter went back"
        self._before = page

    async def _until(self, what: Callable[[Page], bool], words: "str | Callable[[Page], str]") -> Page:
        """Look until something is so."""
        async with asyncio.timeout(CALM_S) as limit:
            while True:
                page = await self._page()
                if what(page):
                    return page
                if (limit.when() or 0) - asyncio.get_running_loop().time() < 1:
                    raise AssertionError(words if isinstance(words, str) else words(page))
                await asyncio.sleep(0.2)

    async def _see(self) -> Page:
        """Wait for a page that is on disk: the exporter's own clock says so, which may be an hour ahead."""
        written = "exporter_checkpoint_timestamp_seconds"
        before = total(await self._page(), "", written)
        return await self._until(lambda page: total(page, "", written) > before, "the state is written")

    def _missing(self, page: Page) -> str:
        return differences(page, NAME, self._node, self._strikes.deleted)
