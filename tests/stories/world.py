"""A world for stories: two labs, the exporter as a process of its own that watches both in every way, its pages."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp

from exporter.payments.labels import Reason
from tests.patience import PATIENCE_S
from tests.stories.lab import Lab
from tests.stories.page import Page, change, golden, read, total
from tests.stories.prometheus import Prometheus

UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


@dataclass
class World:
    """What a story has to do with."""

    kind: str
    """`real` or `simulator`."""
    labs: Mapping[str, Lab]
    target: str
    """HOST:PORT of the exporter."""
    log: Path
    """All that the exporter said."""
    erased: Counter[Reason] = field(default_factory=Counter)
    """Failed runs of alice that lnd has erased because their hash was tried again, or deleted."""
    storm: "asyncio.Task[None] | None" = None
    """It takes minutes, so it runs beside the other stories."""
    prometheus: Prometheus | None = None
    """Scrapes the exporter from the beginning; on the real network only."""

    @property
    def alice(self) -> Lab:
        """The lab of most stories."""
        return self.labs["alice"]

    async def text(self) -> str:
        """The page."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.target}/metrics") as answer:
            assert answer.status == HTTPStatus.OK
            return await answer.text()

    async def page(self) -> Page:
        """The page, read."""
        return read(await self.text())

    async def state(self, name: str, state: str) -> Page:
        """Wait until the exporter says that a node is in a state."""

        def there(page: Page) -> bool:
            return total(page, name, "node_state", state=state) == 1

        return await self.until(there, f"{name} {state}")

    async def live(self, name: str) -> Page:
        """Wait until the stream of a node is up."""
        return await self.until(lambda page: total(page, name, "stream_up") == 1, f"{name} is followed")

    async def settled(self, name: str, at_least: int, in_flight: float = 0) -> Page:
        """Wait until so many runs of a node have been counted as ended, and so many are in flight."""

        def done(page: Page) -> bool:
            return ended(page, name) >= at_least and total(page, name, "in_flight") == in_flight

        return await self.until(done, f"{at_least} payments of {name} counted")

    async def until(self, what: Callable[[Page], bool], words: str) -> Page:
        """Ask for the page until something is so, in whatever way a node is asked."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(map(what, views(page := await self.page()))):
            assert time.monotonic() < deadline, f"never happened: {words}\n{self.log.read_text()[-2000:]}"
            await asyncio.sleep(0.1)
        return page


def views(page: Page) -> list[Page]:
    """The page, and the same as each other way to ask nodes shows it, where a node is asked in several."""
    ways = ("-rest", "-websocket")
    others = [{name.removesuffix(way): page[name] for name in page if name.endswith(way)} for way in ways]
    return [page, *(page | other for other in others if other)]


def ended(page: Page, name: str) -> float:
    """Runs of a node that have been counted as ended."""
    return sum(total(page, name, counter) for counter in ("succeeded_total", "failed_total", "lost_total"))


@asynccontextmanager
async def telling(
    world: World, story: str, ends: int, *, lab: str = "alice", restarts: bool = False
) -> AsyncIterator[Lab]:
    """Tell a story in which so many payments of a node end; then the whole change of the page is as it must be.

    The change is kept in `pages/`, one file for the real network and the simulator: what a real lnd leads to, a
    simulated one must lead to as well. `UPDATE_GOLDEN=1` writes it anew, on the real network only.
    """
    before = await world.page()
    yield world.labs[lab]
    after = await world.settled(lab, int(ended(before, lab)) + ends, total(before, lab, "in_flight"))
    names = {key: name for name, key in world.labs[lab].pubkeys.items()}
    told = [change(*two, lab, names, restarts=restarts) for two in zip(views(before), views(after), strict=True)]
    path = golden(story)
    if UPDATE and world.kind == "real":
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(told[0]) + "\n")
    for lines, view in zip(told, views(after), strict=True):
        assert lines == path.read_text().splitlines()
        times_are_sane(view, lab)


def times_are_sane(page: Page, name: str) -> None:
    """What depends on timing isn't compared, but it must be possible: nothing here takes an hour, or less than 0 s."""
    for series, value in page[name].items():
        if "_seconds" in series.name and series.name.endswith("_sum"):
            count = total(page, name, series.name.replace("_sum", "_count"), **dict(series.labels))
            assert 0 <= value <= 3600 * count, f"{series} {value}"
        if series.name.endswith("_timestamp_seconds") and "certificate" not in series.name:
            assert abs(value - time.time()) < 86_400, f"{series} {value}"
