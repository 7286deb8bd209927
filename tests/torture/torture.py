"""Payments and faults in random order, frequent scrapes, and a comparison with the truth at the end."""

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
from exporter.simulator.mutation import Scenario
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from tests.stories.page import NOT_SHOWN, Page, decreased_counters, parse, total
from tests.stories.process import Exporter
from tests.torture.ended import check_list
from tests.torture.random_faults import NAME, RandomFaults
from tests.torture.totals import differences

SPEED = 20.0
"""A minute of a scenario takes 3 s."""
TIMEOUT_S = 90.0
"""Seconds to wait for a page with a given content."""
FAULT_S = 1.3
"""Seconds that a fault takes on average, with the pause before it."""
SCRAPE_S = 0.2
AFTERWARDS_S = 5.0
"""Seconds for which the last page must stay right."""
RETRIED = 0.05
"""Share of payments that are replaced by a retried hash."""


@dataclass
class Summary:
    """The numbers of a torture run."""

    payments: int = 0
    faults: Tally[str] = field(default_factory=Tally)
    scrapes: int = 0
    recovered: int = 0


class Torture:
    """One node, a sequence of exporter processes, one state file."""

    def __init__(
        self, home: Path, seed: int, *, transports: Sequence[str] = TRANSPORTS, progress: bool = False
    ) -> None:
        """Prepare; `run` starts it. The same seed gives the same faults in the same order, though at other times.

        Each exporter process follows the node in another mode or over another transport than the one before.
        """
        self._random = Random(seed)
        self._seed = seed
        self._node = SimulatedNode(home, clock=WallClock(SPEED))
        self._home = home
        self._transports = transports
        self._progress = progress
        self._before: Page = {}
        self._playing: set[asyncio.Task[None]] = set()
        self.summary = Summary()

    async def run(self, payments: int, faults: int) -> Summary:
        """Make the payments and faults. Raises AssertionError if a page is wrong or a counter decreases."""
        async with self._node:
            node = self._node
            all_configs = list(starmap(self._config, product(Mode, self._transports)))
            configs = cycle(Random(self._seed).sample(all_configs, len(all_configs)))
            shop = {other.pubkey: "shop" for other in node.world.far[::2]}
            self._exporter = Exporter([next(configs)], self._home / "exporter", destinations=shop)
            await self._exporter.start()
            self._faults = RandomFaults(node, self._exporter, configs, self._random, self._saved_page)
            await self._until(lambda page: total(page, NAME, "stream_up") == 1, "the node is followed")
            scraping = asyncio.create_task(self._scrape())
            paying = asyncio.create_task(self._pay(payments, faults))
            for number in range(faults):
                name = await self._faults.inject()
                self.summary.faults[name] += 1
                self._show(f"{number + 1}/{faults} {name}")
                if scraping.done():
                    scraping.result()
            while self._playing or not paying.done():
                self._show(f"{len(self._playing)} in flight")
                await asyncio.wait({paying, *self._playing}, timeout=1)
            await paying
            self._node.faults.heal()
            await self._until(lambda page: self._differences(page) == "", self._differences)
            await asyncio.sleep(AFTERWARDS_S)
            page = await self._page()
            assert self._differences(page) == "", "more was counted afterwards"
            self._check(page)
            scraping.cancel()
            with suppress(asyncio.CancelledError):
                await scraping
            self.summary.recovered = int(total(page, NAME, "recovered_total"))
            assert self._faults.noticed * 4 >= self.summary.faults["disk full"], "full disks weren't noticed"
            await self._exporter.stop()
            check_list(self._exporter.state, NAME, page, self._node, self._faults.deleted)
        return self.summary

    def _config(self, mode: Mode, transport: str) -> NodeConfig:
        node = self._node
        address = node.address if transport == GRPC else f"https://{node.rest}"
        final = mode is Mode.FINAL
        setting = AUTO if final else mode.value
        return NodeConfig(NAME, address, node.tls_cert, node.macaroon, transport, mode=setting, final_only=final)

    # Payments.

    async def _pay(self, number: int, faults: int) -> None:
        """Make `number` payments of every kind, spread over the time that the faults take."""
        more = Scenarios(self._node.world, ("more", self._seed))
        random = Random(self._seed)  # a separate one, so that the sequence of faults doesn't depend on timing
        for scenario in islice(RandomTraffic(self._node.world, self._seed), number):
            await asyncio.sleep(random.expovariate(number / (faults * FAULT_S + 1)))
            played = more.retried_hash() if random.random() < RETRIED else scenario
            task = asyncio.create_task(self._play(played))
            self._playing.add(task)
            task.add_done_callback(self._playing.discard)
            self.summary.payments += 1

    async def _play(self, scenario: Scenario) -> None:
        with suppress(ValueError):  # the payment has been deleted meanwhile
            await self._node.play(scenario)

    def _show(self, progress: str) -> None:
        if self._progress:
            print(f"\r{progress:40} {self.summary.payments} payments ", end="", file=sys.stderr, flush=True)

    # Pages.

    async def _scrape(self) -> None:
        """Get and check pages until cancelled; scrapes that a fault interrupts are ignored."""
        while True:
            await self._faults.up.wait()
            with suppress(aiohttp.ClientError, TimeoutError):
                self._check(await self._page())
            await asyncio.sleep(SCRAPE_S)

    async def _page(self) -> Page:
        timeout = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"http://{self._exporter.target}/metrics") as answer,
        ):
            return parse(await answer.text())

    def _check(self, page: Page) -> None:
        """Check the laws on a page, and that no counter has decreased."""
        self.summary.scrapes += 1
        if NAME not in page:  # a reload has removed it, and will add it again
            return
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
            page = page | {NAME: page[NAME] | hidden}  # kept, to compare it when it is shown again
        else:
            assert in_flight == (total(page, NAME, "in_flight"), total(page, NAME, "in_flight_htlcs"))
        for name in ("succeeded", "failed", "lost"):
            by_destination = total(page, NAME, "destination_ended_total", outcome=name)
            assert by_destination == total(page, NAME, f"{name}_total"), "the destinations are not all payments"
        for name in ("sent_msat_total", "fees_msat_total"):
            assert total(page, NAME, f"destination_{name}") == total(page, NAME, name)
        assert not total(page, NAME, "audit_unaccounted"), "the audit found something"
        assert not total(page, "", "exporter_state_resets_total"), "the state was lost"
        assert decreased_counters(self._before, page, NAME) == [], "a counter decreased"
        self._before = page

    async def _until(self, condition: Callable[[Page], bool], failure: "str | Callable[[Page], str]") -> Page:
        """Get pages until a condition holds; return the page. Raises AssertionError with `failure` after a timeout."""
        async with asyncio.timeout(TIMEOUT_S) as limit:
            while True:
                page = await self._page()
                if condition(page):
                    return page
                if (limit.when() or 0) - asyncio.get_running_loop().time() < 1:
                    raise AssertionError(failure if isinstance(failure, str) else failure(page))
                await asyncio.sleep(0.2)

    async def _saved_page(self) -> Page:
        """Wait for a page that is on disk. Its checkpoint's time is of the exporter's clock, which faults put ahead."""
        written = "exporter_checkpoint_timestamp_seconds"
        before = total(await self._page(), "", written)
        return await self._until(lambda page: total(page, "", written) > before, "the state is written")

    def _differences(self, page: Page) -> str:
        return differences(page, NAME, self._node, self._faults.deleted)
