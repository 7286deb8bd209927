"""Payments that end before, while and after history is read, many times: each is in exactly one of history and live."""

import asyncio
import os
from collections import Counter as Tally
from pathlib import Path
from random import Random

import pytest

from exporter.backfill import border
from exporter.backfill.border import SeamError
from exporter.follow import calls
from exporter.lnd.client import LndError
from exporter.payments import finished
from exporter.payments.labels import Mode
from exporter.payments.payment import NS_PER_S, Run
from exporter.simulator.database import Backend, Options
from tests.backfill.reading import Reading, calm, end_faults
from tests.follow import chaos
from tests.follow.chaos import ChaoticNode
from tests.follow.exporter import Exporter
from tests.follow.virtual import VirtualLoop, run_virtually

SEEDS = int(os.environ.get("CHAOS_SEEDS", "6"))
AHEAD_S = (0, 0, 0, 3600, -3600)
"""How far lnd's clock is ahead when counting begins; later it is right."""


async def read_to_the_end(node: ChaoticNode, path: Path, faults: list[asyncio.Task[None]]) -> Reading:
    """Read the history; again if the border says so, or without further faults if the connection was too bad."""
    while True:
        reading = Reading(node, path)
        try:
            await reading.run()
        except SeamError:
            continue
        except LndError:
            await end_faults(node, faults)
        else:
            return reading


async def cross(loop: VirtualLoop, seed: int, options: Options, path: Path, mode: Mode) -> None:
    """Make payments, begin to count amid them, and read history amid more of them and faults."""
    random = Random(seed)
    node = ChaoticNode(loop, seed, options)
    node.deletes = False
    node.behind_ns = -random.choice(AHEAD_S) * NS_PER_S
    node.hold(random.choice((0, 60)), longest_s=random.choice((100, 400, 900)))
    await asyncio.sleep(5)
    node.pay_at_once(random.choice((3, 100, 300)))
    await node.pay(20, every_s=1)
    exporter = Exporter(node, path, mode)
    exporter.start()
    await exporter.log.began.wait()
    await exporter.page()
    if random.random() < 0.5:
        node.behind_ns = 0
    faults = [asyncio.create_task(node.cause_faults())] if random.random() < 0.7 else []
    if random.random() < 0.5:
        faults.append(asyncio.create_task(exporter.kill_repeatedly()))
    paying = asyncio.create_task(node.pay(150, every_s=random.choice((0.2, 2.0, 5.0))))
    await asyncio.sleep(random.choice((0.0, 1.0, 30.0, 400.0)))
    node._migrates = False  # the reader's cursor would mean another payment
    reading = await read_to_the_end(node, path, faults)
    await paying
    await asyncio.gather(*node.scenarios)
    await end_faults(node, faults)
    await calm(exporter)
    await exporter.page()
    check(node, reading, {entry.run for entry in exporter.listed()})
    await exporter.kill()


def check(node: ChaoticNode, reading: Reading, live: set[Run]) -> None:
    """Compare with the node's database; what was in flight at the end of the reading may be in neither."""
    assert [run for run, times in Tally(reading.history).items() if times > 1] == []
    history = {*reading.history}
    assert history & live == set(), "a payment is in both"
    ended = node.ends().keys()
    assert history - ended == set(), "a payment that hasn't ended is in history"
    kept = ended & node.there()  # lnd erases a run whose hash is paid again
    assert kept - history - live - reading.nobodys == set(), "a payment is in neither"


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, SEEDS))])
def test_every_payment_is_in_exactly_one(
    seed: int, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Amid cuts, outages, late streams, kills of the exporter, gaps in the numbering, and clocks that are put right."""
    random = Random(seed)
    monkeypatch.setattr(finished, "REMEMBERED", random.choice((100, 1000)))
    monkeypatch.setattr(calls, "PAGE_LIMIT", random.choice((20, 50, 500)))
    monkeypatch.setattr(border, "RECENT_NS", random.choice((1, 900)) * NS_PER_S)
    monkeypatch.setattr(chaos, "STEP", 0)
    options = Options(backend=random.choice(list(Backend)))
    run_virtually(lambda loop: cross(loop, seed, options, tmp_path / "state.sqlite", mode))
