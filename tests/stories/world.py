"""The world of the stories: two labs, and the exporter's pages about them."""

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
from tests.stories.page import Page, changes, golden, parse, total
from tests.stories.prometheus import Prometheus

UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


@dataclass
class World:
    """The labs, and an exporter process that follows them."""

    kind: str
    """`real` or `simulator`."""
    labs: Mapping[str, Lab]
    target: str
    """HOST:PORT of the exporter."""
    log: Path
    """The log of the exporter."""
    erased: Counter[Reason] = field(default_factory=Counter)
    """Number of alice's failed runs that lnd has erased because their hash was paid again, or deleted; by reason."""
    storm: "asyncio.Task[None] | None" = None
    """The story of the storm; it takes minutes, so it runs beside the others."""
    prometheus: Prometheus | None = None
    """Scrapes the exporter from the beginning; on the real network only."""

    @property
    def alice(self) -> Lab:
        """The lab of most stories."""
        return self.labs["alice"]

    async def storm_is_over(self) -> None:
        """Wait for carol's payment, which needs dave and the balance of bob."""
        assert self.storm is not None
        await asyncio.wait([self.storm])

    async def refill(self) -> None:
        """Let alice send as much as at the beginning again, after the storm, whatever earlier stories have sent."""
        await self.storm_is_over()
        await self.alice.refill()

    async def text(self) -> str:
        """Get the page as text."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.target}/metrics") as answer:
            assert answer.status == HTTPStatus.OK
            return await answer.text()

    async def page(self) -> Page:
        """Get the page."""
        return parse(await self.text())

    async def in_state(self, name: str, state: str) -> Page:
        """Wait until the page shows a node in a state; return the page."""

        def shown(page: Page) -> bool:
            return total(page, name, "node_state", state=state) == 1

        return await self.until(shown, f"{name} {state}")

    async def followed(self, name: str) -> Page:
        """Wait until the stream of a node is up; return the page."""
        return await self.until(lambda page: total(page, name, "stream_up") == 1, f"{name} is followed")

    async def counted(self, name: str, at_least: int, in_flight: float = 0) -> Page:
        """Wait until at least this many runs of a node are counted as ended, and exactly `in_flight` are in flight."""

        def done(page: Page) -> bool:
            return ended(page, name) >= at_least and total(page, name, "in_flight") == in_flight

        return await self.until(done, f"{at_least} payments of {name} counted")

    async def until(self, condition: Callable[[Page], bool], description: str) -> Page:
        """Get the page until a condition holds for each transport; return the page."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(map(condition, views(page := await self.page()))):
            assert time.monotonic() < deadline, f"never happened: {description}\n{self.log.read_text()[-2000:]}"
            await asyncio.sleep(0.1)
        return page


def views(page: Page) -> list[Page]:
    """Return a page for each transport over which a node is followed, all with the nodes' plain names."""
    suffixes = ("-rest", "-websocket")
    others = [{name.removesuffix(end): page[name] for name in page if name.endswith(end)} for end in suffixes]
    return [page, *(page | other for other in others if other)]


def ended(page: Page, name: str) -> float:
    """Return the number of a node's runs that are counted as ended."""
    return sum(total(page, name, counter) for counter in ("succeeded_total", "failed_total", "lost_total"))


@asynccontextmanager
async def page_changes(
    world: World, story: str, ends: int, *, lab: str = "alice", restarts: bool = False
) -> AsyncIterator[Lab]:
    """Check that the block, in which `ends` payments of a node end, leads to the golden changes of the page.

    They are in `pages/`, one file for both the real network and the simulator. `UPDATE_GOLDEN=1` writes them again, on
    the real network only.
    """
    in_flight = sum(not payment.status.ended for payment in await world.labs[lab].list_payments())
    before = await world.counted(lab, 0, in_flight)  # the end of an earlier payment may be on hold until then
    yield world.labs[lab]
    after = await world.counted(lab, int(ended(before, lab)) + ends, total(before, lab, "in_flight"))
    names = {key: name for name, key in world.labs[lab].pubkeys.items()}
    actual = [changes(*two, lab, names, restarts=restarts) for two in zip(views(before), views(after), strict=True)]
    path = golden(story)
    if UPDATE and world.kind == "real":
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(actual[0]) + "\n")
    for lines, view in zip(actual, views(after), strict=True):
        assert lines == path.read_text().splitlines()
        check_times(view, lab)


def check_times(page: Page, name: str) -> None:
    """Check that values that depend on timing are plausible: durations from 0 s to an hour, timestamps of today."""
    for series, value in page[name].items():
        if "_seconds" in series.name and series.name.endswith("_sum"):
            count = total(page, name, series.name.replace("_sum", "_count"), **dict(series.labels))
            assert 0 <= value <= 3600 * count, f"{series} {value}"
        if series.name.endswith("_timestamp_seconds") and "certificate" not in series.name:
            assert abs(value - time.time()) < 86_400, f"{series} {value}"
