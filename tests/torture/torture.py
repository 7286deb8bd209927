"""Payments and faults in random order, a scraper that never looks away, and the truth at the end."""

import asyncio
import signal
import sys
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random

import aiohttp
import grpc

from exporter.config import NodeConfig
from exporter.payments.labels import Method
from exporter.simulator.clock import WallClock
from exporter.simulator.lives import Lives
from exporter.simulator.mix import Mix
from exporter.simulator.server import SimulatedNode
from exporter.simulator.tower import End
from exporter.simulator.truth import Finished
from tests.stories.page import Page, fallen, read, total
from tests.stories.process import Exporter

SPEED = 20.0
"""A minute of a payment's life takes 3 s."""
NAME = "alice"
CALM_S = 90.0
PAUSES_S = (0.0, 0.05, 0.5, 2.0)


@dataclass
class Told:
    """What a run of the torture came to."""

    payments: int = 0
    faults: Tally[str] = field(default_factory=Tally)
    scrapes: int = 0
    recovered: int = 0


class Torture:
    """One node, one exporter after the other, one state file."""

    def __init__(self, home: Path, seed: int, *, progress: bool = False) -> None:
        """Nothing has happened yet; the same seed gives the same faults in the same order, if not at the same time."""
        self._random = Random(seed)
        self._seed = seed
        self._node = SimulatedNode(home, clock=WallClock(SPEED))
        self._home = home
        self._progress = progress
        self._before: Page = {}
        self._up = asyncio.Event()
        self._lives: set[asyncio.Task[None]] = set()
        self.told = Told()

    async def run(self, payments: int, faults: int) -> Told:
        """Let it all happen; raises AssertionError where a promise is broken."""
        async with self._node:
            node = self._node
            self._exporter = Exporter(
                [NodeConfig(NAME, node.address, node.tls_cert, node.macaroon)], self._home / "exporter"
            )
            await self._start()
            await self._until(lambda page: total(page, NAME, "stream_up") == 1, "it follows")
            scraping = asyncio.create_task(self._scrape())
            paying = asyncio.create_task(self._pay(payments, faults))
            for number in range(faults):
                await self._strike(number, faults)
                if scraping.done():
                    scraping.result()
            await paying
            await asyncio.gather(*self._lives)
            self._node.faults.heal()
            page = await self._until(lambda page: self._missing(page) == "", self._missing)
            scraping.cancel()
            self.told.recovered = int(total(page, NAME, "recovered_total"))
            await self._exporter.stop()
        return self.told

    # Payments.

    async def _pay(self, number: int, faults: int) -> None:
        """So many payments of every kind, spread over the time that the faults take."""
        more = Lives(self._node.world, ("more", self._seed))
        random = Random(
            self._seed
        )  # of its own: how payments and faults fall in time must not change which faults come
        for life in islice(Mix(self._node.world, self._seed), number):
            await asyncio.sleep(random.expovariate(number / (faults * 1.2 + 1)))
            mixed = more.retried_hash() if random.random() < 0.05 else life
            task = asyncio.create_task(self._node.play(mixed))
            self._lives.add(task)
            task.add_done_callback(self._lives.discard)
            self.told.payments += 1

    # Faults.

    async def _strike(self, number: int, faults: int) -> None:
        blows: dict[str, Callable[[], Awaitable[None]]] = {
            "exporter killed": self._kill,
            "exporter stopped": self._stop,
            "exporter stalled": self._stall,
            "stream ended": self._end,
            "stream cut at a message": self._cut,
            "lnd restarted": self._node.restart,
            "lnd killed": self._kill_lnd,
            "lnd locked": self._lock,
            "page failed half-way": self._fail_page,
            "scan slow": self._slow_scan,
        }
        name = self._random.choice([*blows, "exporter killed", "exporter killed", "exporter killed"])
        await asyncio.sleep(self._random.choice(PAUSES_S))
        if self._progress:
            print(
                f"\r{number + 1}/{faults} {name:24} {self.told.payments} payments", end="", file=sys.stderr, flush=True
            )
        await blows[name]()
        self.told.faults[name] += 1

    async def _start(self) -> None:
        await self._exporter.start()
        self._up.set()

    async def _kill(self) -> None:
        self._up.clear()
        await self._exporter.kill()
        await asyncio.sleep(self._random.choice(PAUSES_S))
        await self._start()

    async def _stop(self) -> None:
        self._up.clear()
        await self._exporter.stop()
        await self._start()

    async def _stall(self) -> None:
        self._exporter.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.choice((0.3, 1.5, 3.0)))
        self._exporter.signal(signal.SIGCONT)

    async def _end(self) -> None:
        self._node.end_streams(End())

    async def _cut(self) -> None:
        self._node.faults.cut(Method.TRACK_PAYMENTS, after=self._random.randrange(30))
        self._node.end_streams(End(grpc.StatusCode.UNAVAILABLE, "Socket closed"))

    async def _kill_lnd(self) -> None:
        await self._node.kill()
        await asyncio.sleep(self._random.choice(PAUSES_S))
        await self._node.start()

    async def _lock(self) -> None:
        await self._node.lock()
        await asyncio.sleep(self._random.choice(PAUSES_S))
        await self._node.unlock()

    async def _fail_page(self) -> None:
        self._node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=2, times=2)
        await self._end()

    async def _slow_scan(self) -> None:
        before_s, after_s = (self._random.choice((0.0, 0.1, 2.0)) for _ in range(2))
        self._node.faults.slow_scan(before_s=before_s, after_s=after_s)
        await self._end()

    # What is seen.

    async def _scrape(self) -> None:
        """As fast as it goes; a page that was never finished is none."""
        while True:
            await self._up.wait()
            try:
                self._look(await self._page())
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.05)

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
        assert total(page, NAME, "started_total") == ended + total(page, NAME, "in_flight")
        resolved = sum(total(page, NAME, f"htlc_attempts_{name}_total") for name in ("settled", "failed", "unresolved"))
        assert total(page, NAME, "htlc_attempts_started_total") == resolved + total(page, NAME, "in_flight_htlcs")
        assert not total(page, NAME, "audit_unaccounted"), "the audit found something"
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

    def _missing(self, page: Page) -> str:
        """In what the page differs from the truth; empty if in nothing but what left no trace."""
        truth = self._node.truth()
        last = {end.payment_hash: end for end in truth}
        expected = Tally(_words(end) for end in truth)
        erased = Tally(_words(end) for end in truth if last[end.payment_hash] is not end)
        counted = Tally[str]()
        for series, value in page[NAME].items():
            if series.name == "failed_total":
                counted[f"failed {dict(series.labels)['reason']}"] += int(value)
            if series.name == "succeeded_late_total":
                counted[f"succeeded {dict(series.labels)['reason']}"] += int(value)
        late = sum(n for words, n in counted.items() if words.startswith("succeeded"))
        counted["succeeded none"] = int(total(page, NAME, "succeeded_total")) - late
        succeeded = [end for end in truth if end.status.value == "succeeded"]
        differences = {
            "too many": +(counted - expected),
            "too few": +(expected - counted - erased),
            "in flight": total(page, NAME, "in_flight"),
            "sent": total(page, NAME, "sent_msat_total") - sum(end.value_msat for end in succeeded),
            "fees": total(page, NAME, "fees_msat_total") - sum(end.fee_msat for end in succeeded),
            "settled": total(page, NAME, "htlc_attempts_settled_total") - sum(end.settled for end in succeeded),
        }
        return ", ".join(f"{what}: {value}" for what, value in differences.items() if value)


def _words(end: Finished) -> str:
    return f"{end.status.value} {end.reason.value}"
