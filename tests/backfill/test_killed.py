"""Killed again and again while it sends to a receiver, in both orders: what arrives is what arrives without kills."""

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from tests.backfill.counting import HOUR_S, Counting
from tests.backfill.process import LABELS, Command
from tests.backfill.receiver import Receiver, receiving
from tests.bench.fake_lnd import fake_lnd
from tests.payments.build import SECOND, T0

KILLS = 8
FLAGS = (f"--labels={LABELS}", "--lnd.name=alice", "--metrics.without=peers,amounts,attempt-histograms,fee-histograms")
TOTAL = "lnd_payments_started_total"
PAYMENTS = 2500


async def killed(command: Command, receiver: Receiver, chance: random.Random, *flags: str) -> bool:
    """Start it, and kill it a random while after some requests; return False if it was too late."""
    process = await command.start(*FLAGS, f"--remote-write={receiver.url}", *flags)
    enough = len(receiver.kept) + chance.randrange(1, 4)
    while process.returncode is None and len(receiver.kept) < enough:  # noqa: ASYNC110 - another process sends them
        await asyncio.sleep(0.01)
    await asyncio.sleep(chance.uniform(0, 0.1))
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
    await process.communicate()
    return process.returncode == -signal.SIGKILL


async def sent(command: Command, kills: int, *flags: str) -> dict[tuple[tuple[str, str], ...], dict[int, float]]:
    """Run it to its end, with kills before; return the samples of whole steps: those after depend on when it ran."""
    chance = random.Random(3)
    async with receiving() as receiver:
        for _ in range(kills):
            assert await killed(command, receiver, chance, *flags), "it was killed at fewer places"
        process = await command.start(*FLAGS, f"--remote-write={receiver.url}", *flags)
        _, error = await process.communicate()
        assert process.returncode == 0, error.decode()
        seen: dict[tuple[tuple[tuple[str, str], ...], int], float] = {}
        for labels, samples in (series for request in receiver.kept for series in request):
            for at_ms, value in samples:
                assert seen.setdefault((labels, at_ms), value) == value, "the same time has two values"
        return {
            labels: {at_ms: value for at_ms, value in samples.items() if at_ms % 60_000 == 0}
            for labels, samples in receiver.samples().items()
        }


@pytest.mark.parametrize("adopts", [True, False])
async def test_each_payment_arrives_once(tmp_path: Path, *, adopts: bool) -> None:
    """Before the exporter counts the node, and after it has begun to: no sample differs, and no payment is missing."""
    newest_ns = (time.time_ns() if adopts else T0) - 3 * int(HOUR_S) * SECOND
    async with fake_lnd(tmp_path) as lnd:
        await lnd.remember(PAYMENTS, 3.0, newest_ns)
        found = []
        for kills in (0, KILLS):
            command = Command(lnd, tmp_path / str(kills))
            command.directory.mkdir()
            if not adopts:
                Counting(command.state, floor=PAYMENTS + 1).write(9)
            samples = await sent(command, kills, "--step=1m", *(["--adopt"] if adopts else []))
            ends_ms = (newest_ns + int(HOUR_S) * SECOND) // 10**6
            found.append(
                {
                    labels: {at_ms: value for at_ms, value in own.items() if at_ms < ends_ms}
                    for labels, own in samples.items()
                }
            )
    whole, broken = found
    assert {labels: len(samples) for labels, samples in broken.items()} == {
        labels: len(samples) for labels, samples in whole.items()
    }
    assert broken == whole
    (started,) = (samples for labels, samples in whole.items() if ("__name__", TOTAL) in labels)
    assert max(started.values()) == PAYMENTS
