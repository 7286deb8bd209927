"""The stories of the command `backfill`: hundreds of payments that were made before, in a real Prometheus.

On real lnds alice keeps her payments in a key-value database, and dave in tables (native SQL).
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.config import NodeConfig
from exporter.config.addresses import GRPC
from exporter.payments.labels import Reason
from exporter.payments.payment import NS_PER_S
from tests.backfill.blocks import import_files, querying, raw
from tests.backfill.test_seam_in_prometheus import never_falls
from tests.network.process import run
from tests.stories.in_lnd import METRICS, Key, Sums, by_step, listed, sums
from tests.stories.lab import Invoice
from tests.stories.payer import SHORT_PAUSE_S, Payer, make_past, paying
from tests.stories.process import Exporter, node_configs
from tests.stories.prometheus import JOB, Prometheus
from tests.stories.real import RealLab
from tests.stories.summed import in_prometheus, merged, number, on_page, risen, risen_to
from tests.stories.world import World

pytestmark = pytest.mark.usefixtures("programs")

STEP_S = 1
AHEAD_S = 120
"""The command's clock is that much ahead where the past is to be over for longer than it is."""
MANY = 40
"""Payments that end while history is read."""
SOME_S = 4.0
"""So long payments are made on either side of what happens."""

# The command, with a clock that is ahead by seconds (first argument).
AHEAD = """
import sys, time
true_ns, ahead_ns = time.time_ns, int(sys.argv.pop(1)) * 10**9
time.time_ns = lambda: true_ns() + ahead_ns
from exporter.__main__ import main
sys.exit(main())
"""


async def backfill(node: NodeConfig, name: str, home: Path, *flags: str, ahead_s: int = 0) -> Path:
    """Run the command for a node, which is called `name` there; return the directory of its files."""
    output = home / f"history-{node.name}"
    command = [
        *(sys.executable, "-c", AHEAD, str(ahead_s), "backfill", f"--lnd.name={name}", f"--output={output}"),
        *(f"--lnd.transport={node.transport}", f"--lnd.address={node.address}"),
        *(f"--lnd.tls-cert={node.tls_cert}", f"--lnd.macaroon={node.macaroon}", f"--step={STEP_S}s", *flags),
    ]
    await run(command, home)
    return output


@pytest.fixture(scope="module")
async def payers(world: World) -> AsyncIterator[list[Payer]]:
    """Return nodes that have a past."""
    found = [Payer(world.alice, "bob", "carol")]
    if isinstance(world.alice, RealLab):
        dave = RealLab(world.alice.network, "dave")
        await dave.open()
        found.append(Payer(dave, "carol", "alice"))
    await asyncio.gather(*map(make_past, found))
    yield found
    world.erased.update(found[0].erased)
    for payer in found:
        for invoice in [*payer.open]:
            await payer.cancel(invoice)
        await payer.quiet()
    for payer in found[1:]:
        assert isinstance(payer.lab, RealLab)
        await payer.lab.close()


@asynccontextmanager
async def holding(payer: Payer) -> AsyncIterator[None]:
    """Hold payments from the beginning of the block; at its end settle one, and cancel the others.

    lnd deletes failed attempts when a payment ends: so what is in flight may have some though lnd doesn't keep them.
    """
    settled, *cancelled = await payer.held(), await payer.held()
    if payer.lab.name == "alice":
        cancelled.append(await payer.held_after_a_failure())
    try:
        yield
    finally:
        await payer.settle(settled)
        for invoice in cancelled:
            await payer.cancel(invoice)


async def test_each_step_has_what_lnd_lists(payers: list[Payer], tmp_path: Path) -> None:
    """The differences of raw samples, over each transport, while payments are in flight."""
    expected: dict[tuple[str, str], dict[int, Sums]] = {}
    for payer in payers:
        name = payer.lab.name
        async with holding(payer):
            for node in node_configs(payer.lab):
                flags = f"--labels=job={JOB},instance={node.transport}", f"--storage.path={tmp_path / node.name}.sqlite"
                files = await backfill(node, name, tmp_path, "--adopt", *flags, ahead_s=AHEAD_S)
                await asyncio.to_thread(import_files, files, tmp_path / "data")
            payments = await listed(payer.lab)
        await payer.quiet()
        steps = by_step(payments, payer, STEP_S * NS_PER_S)
        assert len(steps) > (10 if isinstance(payer.lab, RealLab) else 0)  # the simulator takes no time
        expected |= {(name, node.transport): steps for node in node_configs(payer.lab)}
        known = sums(payments, payer)
        assert {key.kind for key in known} >= {"invoice", "keysend", "amp", "rebalance", "probe", "other", "unknown"}
        reasons = {"no_route", "insufficient_balance", "incorrect_payment_details", "timeout", "canceled"}
        assert {key.reason for key in known} >= reasons
    found: dict[tuple[str, str], dict[int, Sums]] = {}
    with querying(tmp_path) as server:
        ends_s = round(time.time()) + AHEAD_S
        for name in METRICS:
            for labels, values in raw(server, name, ends_s).items():
                own = dict(labels)
                steps, before = found.setdefault((own["node"], own["instance"]), {}), 0.0
                for at_ms in sorted(values):
                    if rise := int(values[at_ms] - before):
                        assert at_ms % (STEP_S * 1000) == 0
                        key = Key(name, own["kind"], own.get("reason", ""))
                        steps.setdefault(at_ms // (STEP_S * 1000), Sums())[key] += rise
                    before = values[at_ms]
        assert not raw(server, "lnd_payments_htlc_attempts_failed_total", ends_s), "lnd has deleted most of them"
    assert found == expected


async def in_lnd(payer: Payer) -> dict[Key, int]:
    """Return the sums of what lnd lists, when only what is held is in flight."""
    await payer.quiet()
    return merged(sums(await listed(payer.lab), payer).items())


async def test_hash_that_failed_in_history_is_paid_again(payers: list[Payer], tmp_path: Path) -> None:
    """After adoption, once before the exporter starts, once later: lnd erases the failed runs, history has them.

    One of them is the newest payment: native SQL gives its index to the run that follows it.
    """
    exporter = Exporter([node_configs(payer.lab, GRPC)[0] for payer in payers], tmp_path / "exporter")
    flags = f"--labels=job={JOB},instance={exporter.target}", f"--storage.path={exporter.state}"
    world = World("", {}, exporter.target, exporter.log)
    failed, before = {}, {}
    for payer in payers:
        failed[payer] = [await payer.failed(), await payer.failed()]
        before[payer] = await in_lnd(payer)
        (node,) = node_configs(payer.lab, GRPC)
        await backfill(node, payer.lab.name, tmp_path, "--adopt", *flags)
        await payer.pay_again(failed[payer].pop())
    try:
        await exporter.start()
        for payer in payers:
            await world.counted(payer.lab.name, number(before[payer]) + 1, len(payer.open))
            await payer.pay_again(failed[payer].pop())
            page = await world.counted(payer.lab.name, number(before[payer]) + 2, len(payer.open))
            erased = {key: by for key, by in before[payer].items() if key[1:] == ("invoice", Reason.NO_ROUTE)}
            listed_now = await in_lnd(payer)
            assert on_page(page, payer.lab.name) == listed_now | erased != listed_now
    finally:
        await exporter.stop()


async def end_one_by_one(payer: Payer, invoices: Sequence[Invoice]) -> None:
    """Settle and cancel what is held, in turn: it takes longer than reading, so some end between two of its steps."""
    for place, invoice in enumerate(invoices):
        await (payer.cancel if place % 2 else payer.settle)(invoice)
        await asyncio.sleep(SHORT_PAUSE_S)


async def test_adopted_before_the_exporter_starts(payers: list[Payer], tmp_path: Path) -> None:
    """Payments end while history is read, before the exporter starts, and then: all sums are lnd's, nothing falls."""
    exporter = Exporter([node_configs(payer.lab, GRPC)[0] for payer in payers], tmp_path / "exporter")
    prometheus = Prometheus(tmp_path / "prometheus", exporter.target)
    flags = f"--labels=job={JOB},instance={exporter.target}", f"--storage.path={exporter.state}"
    world = World("", {}, exporter.target, exporter.log)
    ended_then = [*(await asyncio.gather(*(payer.held() for payer in payers)))]
    held = [*(await asyncio.gather(*(payer.held() for payer in payers)))]
    async with paying(payers, SHORT_PAUSE_S):
        for payer in payers:
            (node,) = node_configs(payer.lab, GRPC)
            many = await asyncio.gather(*(payer.held() for _ in range(MANY)))
            written = asyncio.create_task(backfill(node, payer.lab.name, tmp_path, "--adopt", *flags))
            await end_one_by_one(payer, many)
            files = await written
            await asyncio.to_thread(import_files, files, tmp_path / "prometheus" / "data")
        for payer, invoice in zip(payers, ended_then, strict=True):
            await payer.settle(invoice)
            await payer.settle(payer.deep.pop())
    try:
        await exporter.start()
        for payer in payers:
            expected = await in_lnd(payer)
            page = await world.counted(payer.lab.name, number(expected), len(payer.open))
            assert on_page(page, payer.lab.name) == expected
        await prometheus.start()
        async with paying(payers):
            await asyncio.sleep(SOME_S)
            for payer, invoice in zip(payers, held, strict=True):
                await payer.cancel(invoice)
        for payer in payers:
            expected = await in_lnd(payer)
            page = await world.counted(payer.lab.name, number(expected), len(payer.open))
            assert on_page(page, payer.lab.name) == expected
            await prometheus.next_scrape()
            samples = await in_prometheus(prometheus, payer.lab.name)
            assert all(never_falls(values) for series in samples.values() for values in series.values())
            assert risen(samples) == expected
    finally:
        await prometheus.stop()
        await exporter.stop()


async def test_read_while_the_exporter_counts(payers: list[Payer], tmp_path: Path) -> None:
    """Payments end before counting begins, then, and while history is read: each is in history or in the counters."""
    exporter = Exporter([node_configs(payer.lab, GRPC)[0] for payer in payers], tmp_path / "exporter")
    prometheus = Prometheus(tmp_path / "prometheus", exporter.target)
    flags = f"--labels=job={JOB},instance={exporter.target}", f"--storage.path={exporter.state}"
    world = World("", {}, exporter.target, exporter.log)
    earlier, meanwhile, later = [
        [*(await asyncio.gather(*(payer.held() for payer in payers)))] for _ in ("earlier", "meanwhile", "later")
    ]
    try:
        async with paying(payers):
            await asyncio.sleep(SOME_S)
            await exporter.start()
            await prometheus.start()
            for payer, invoice in zip(payers, earlier, strict=True):
                await payer.settle(invoice)
                await payer.cancel(payer.deep.pop())
            await asyncio.sleep(SOME_S)
            written = asyncio.gather(
                *(backfill(node_configs(payer.lab, GRPC)[0], payer.lab.name, tmp_path, *flags) for payer in payers)
            )
            for payer, invoice in zip(payers, meanwhile, strict=True):
                await payer.settle(invoice)
            directories = await written
            await prometheus.stop()
            for directory in directories:
                await asyncio.to_thread(import_files, directory, tmp_path / "prometheus" / "data")
            await prometheus.start()
            for payer, invoice in zip(payers, later, strict=True):
                await payer.cancel(invoice)
            await asyncio.sleep(SOME_S)
        for payer in payers:
            expected = await in_lnd(payer)
            page = await world.counted(payer.lab.name, 1, len(payer.open))
            assert await risen_to(prometheus, payer.lab.name, number(expected)) == expected
            assert 0 < number(on_page(page, payer.lab.name)) < number(expected)
    finally:
        await prometheus.stop()
        await exporter.stop()
