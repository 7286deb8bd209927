"""The exporter is killed at every single point of a catch-up: after each message of lnd."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from exporter.follow import audit, calls
from exporter.payments import finished
from exporter.simulator.database import Backend, Options
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.exporter import CALM_S, Exporter
from tests.follow.oracle import check
from tests.follow.virtual import VirtualLoop, run_virtually

pytestmark = pytest.mark.slow

ENOUGH = 15
"""Messages that each of these catch-ups takes at least."""


class CountingNode(ChaoticNode):
    """Sets `struck` when `strike_at` messages have been delivered."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Start at no messages."""
        super().__init__(loop, 1, Options(backend=Backend.KV))
        self.deletes = False
        self.deliveries = 0
        self.strike_at = 0
        self.struck = asyncio.Event()

    def delivered(self) -> None:
        """Count a message."""
        self.deliveries += 1
        if self.deliveries == self.strike_at:
            self.struck.set()


async def unchanged(_: CountingNode) -> None:
    """Leave the database unchanged."""


async def migrated(node: CountingNode) -> None:
    """Number all payments anew."""
    node.database.migrate()


async def deleted(node: CountingNode) -> None:
    """Delete payments that are over."""
    node.delete()


Gap = Callable[[CountingNode], Awaitable[None]]


async def a_gap(loop: VirtualLoop, path: Path, gap: Gap, strike_at: int) -> bool:
    """Make payments before, during and after a gap; kill the exporter at the nth message after it.

    Returns False if there were fewer messages.
    """
    node = CountingNode(loop)
    node.pay_at_once(5)
    exporter = Exporter(node, path)
    exporter.start()
    await exporter.log.began.wait()
    history = node.history | exporter.log.history
    await asyncio.sleep(20)
    node.hold(2, longest_s=120)
    await node.pay(6, every_s=1)
    await exporter.page()
    node.lose()
    await exporter.kill()
    node.pay_at_once(12)
    node.hold(1, longest_s=120)
    await asyncio.sleep(30)
    await gap(node)
    node.deliveries, node.strike_at = 0, strike_at
    exporter.start()
    going_on = asyncio.create_task(node.pay(3, every_s=2))
    calm = asyncio.create_task(asyncio.sleep(15))
    struck = asyncio.create_task(node.struck.wait())
    await asyncio.wait([calm, struck], return_when=asyncio.FIRST_COMPLETED)
    if struck.done():
        if strike_at % 2:
            await exporter.page()
        await exporter.kill()
        exporter.start()
    for task in (calm, struck):
        task.cancel()
    await going_on
    await asyncio.gather(*node.scenarios)
    await asyncio.sleep(CALM_S)
    check(await exporter.page(), exporter.log, node.ends(), history=history, deleted=node.deleted)
    assert len(exporter) == 0
    await exporter.kill()
    return node.struck.is_set()


@pytest.mark.parametrize("gap", [unchanged, migrated, deleted])
def test_kill_after_any_message_loses_nothing(gap: Gap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page showed just before (every other time) stays counted; what it didn't show is requested again."""
    monkeypatch.setattr(finished, "REMEMBERED", 20)
    monkeypatch.setattr(calls, "PAGE_LIMIT", 5)
    monkeypatch.setattr(audit, "BATCH", 5)
    monkeypatch.setattr(chaos, "LAGS_S", (0.0005, 0.002))
    monkeypatch.setattr(chaos, "SCANS_S", (0.001, 1.0))
    monkeypatch.setattr(chaos, "SLOW", 0.0)
    monkeypatch.setattr(chaos, "LISTING_S", (0.0,))
    for strike_at in count(1):
        struck = [False]

        async def scenario(loop: VirtualLoop, strike_at: int = strike_at, struck: list[bool] = struck) -> None:
            struck[0] = await a_gap(loop, tmp_path / f"{strike_at}.sqlite", gap, strike_at)

        run_virtually(scenario)
        if not struck[0]:
            assert strike_at > ENOUGH
            return
