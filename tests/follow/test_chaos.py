"""Random faults for an hour of a busy node, many times: whatever breaks when, every payment counts once."""

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from exporter.follow import audit, calls, per_payment
from exporter.payments import finished
from exporter.payments.labels import Mode
from exporter.simulator.database import Backend, Options
from tests.destination_law import paid_to, sums
from tests.ended_law import untrue
from tests.follow.chaos import SCANS_S, ChaoticNode
from tests.follow.exporter import ALWAYS, CALM_S, Exporter
from tests.follow.oracle import check, retried_runs
from tests.follow.virtual import VirtualLoop, run_virtually

SEEDS = int(os.environ.get("CHAOS_SEEDS", "6"))


async def an_hour(
    loop: VirtualLoop, seed: int, options: Options, path: Path, mode: Mode, *, kills: bool, reloads: bool = False
) -> None:
    """Make payments amid faults, then without; at the end the totals must agree with the node's database."""
    random = Random(seed)
    node = ChaoticNode(loop, seed, options)
    old = random.choice((0, 10))  # older than the history that is read: only the stream of all payments shows them
    node.hold(old if mode is Mode.FIREHOSE else 0)
    await asyncio.sleep(5)
    node.pay_at_once(random.choice((0, 3, 100)))
    await node.pay(20, every_s=1)  # some of them are in flight when counting begins
    exporter = Exporter(node, path, mode)
    exporter.reloads = reloads
    exporter.start()
    async with asyncio.TaskGroup() as group:
        scraping = group.create_task(exporter.scrape())
        await exporter.log.began.wait()
        history = node.history | exporter.log.history
        await asyncio.sleep(2 * max(SCANS_S) + 30)  # until the first stream has surely shown the old ones
        exporter.may_reload.set()
        faults = [group.create_task(node.cause_faults())]
        await exporter.page()
        if kills:
            faults.append(group.create_task(exporter.kill_repeatedly()))
        await node.pay(300, every_s=random.choice((0.2, 2.0, 10.0)))
        await asyncio.gather(*node.scenarios)
        for task in faults:
            task.cancel()
        await asyncio.wait(faults)
        if not exporter.up.is_set():
            await exporter.killed()
            exporter.start()
        await exporter.follows()
        node.end_faults()
        await asyncio.sleep(CALM_S)
        scraping.cancel()
    check(page := await exporter.page(), exporter.log, node.ends(), history=history, deleted=node.deleted)
    assert sums(page, ALWAYS) == paid_to(exporter.always, exporter.log.stories(history))
    truth = node.ends()
    assert untrue(exporter.listed(), truth, retried_runs(truth).union(node.deleted)) == []
    assert len(exporter) == 0
    assert bool(exporter.changes.total()) == reloads
    await exporter.kill()


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("reloads", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kills", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, SEEDS))])
def test_every_payment_counts_once(
    seed: int, mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, kills: bool, reloads: bool
) -> None:
    """Amid cuts, outages, slow scans, stale answers, gaps in the numbering, and stalls of the exporter.

    With `kills` the exporter is also killed again and again: no counter ever decreases from page to page. With
    `reloads` its configuration is reloaded meanwhile: the node is changed (into any mode), removed and added again.
    """
    random = Random(seed)
    monkeypatch.setattr(finished, "REMEMBERED", random.choice((100, 1000)))
    monkeypatch.setattr(calls, "PAGE_LIMIT", random.choice((50, 500)))
    monkeypatch.setattr(audit, "BATCH", 20)
    monkeypatch.setattr(per_payment, "MAX_STREAMS", random.choice((2, 100)))
    options = Options(backend=random.choice(list(Backend)))
    monkeypatch.setattr(calls, "MANY", random.choice((2, 20)))
    run_virtually(
        lambda loop: an_hour(loop, seed, options, tmp_path / "state.sqlite", mode, kills=kills, reloads=reloads)
    )
