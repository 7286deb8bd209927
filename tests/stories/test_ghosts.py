"""Stories of HTLCs that aren't on their channel: frozen peers and forced closes make no ghosts; a ghost is found."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.addresses import GRPC
from exporter.explain.verdict import Verdict
from exporter.payments.labels import Reason, Status
from exporter.why.command import IN_FLIGHT
from tests.network.regtest import Network
from tests.stories.lab import Invoice
from tests.stories.page import total
from tests.stories.pair import DUST_SAT, Pair, RealPair, SimulatedPair
from tests.stories.process import GHOST_S, Exporter, exporting, node_configs
from tests.stories.test_why import why
from tests.stories.world import World

LISTS_S = 0.05
"""Between two polls, seconds: every fifth lists the channels."""
SOON_S = 1
"""After how long an HTLC that is missing is a ghost, seconds, where lnd's own waiting times don't matter."""
MANY = 6
"""Lists that take longer than that."""
HOUR_S = 3600
NO_OTHER_CHANNEL = Reason.INSUFFICIENT_BALANCE
"""Why lnd gives up a payment whose only channel is closed."""


@pytest.fixture(scope="module")
async def simulated_pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SimulatedPair]:
    """Return a simulated payer."""
    pair = SimulatedPair(tmp_path_factory.mktemp("pair"))
    await pair.lab.open()
    yield pair
    await pair.lab.close()


@pytest.fixture(scope="module")
async def real_pair(
    network: Network, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RealPair]:
    """Return a real payer."""
    pair = RealPair(network, programs, tmp_path_factory.mktemp("pair"))
    try:
        await pair.open()
        yield pair
    finally:
        await pair.close()


@pytest.fixture(scope="module", params=["simulator", pytest.param("real", marks=pytest.mark.network)])
def pair(request: pytest.FixtureRequest) -> Pair:
    """Return either, whose only channel the last story closes. Not async: it requests a fixture that is."""
    found: Pair = request.getfixturevalue("real_pair" if request.param == "real" else "simulated_pair")
    return found


@asynccontextmanager
async def followed(pair: Pair, home: Path, ghost_s: int = GHOST_S) -> AsyncIterator[tuple[World, Exporter]]:
    """Follow the payer; the exporter may list its channels, and does so often."""
    (config,) = node_configs(pair.lab, GRPC)
    config = replace(config, macaroon=await pair.lab.readonly_macaroon())
    async with exporting([config], home / "exporter", ghost_s=ghost_s, poll_s=LISTS_S) as exporter:
        world = World("", {pair.name: pair.lab}, exporter.target, exporter.log)
        await world.followed(pair.name)
        yield world, exporter


async def lists(world: World, pair: Pair, number: int) -> None:
    """Wait until the channels have been listed so often from now on; there must be no ghost."""
    calls = {"method": "list_channels", "outcome": "ok"}
    before = total(await world.page(), pair.name, "lnd_calls_total", **calls)
    page = await world.until(
        lambda page: total(page, pair.name, "lnd_calls_total", **calls) >= before + number, "channels are listed"
    )
    assert total(page, pair.name, "in_flight_ghost_htlcs") == 0


async def reasons(pair: Pair, *invoices: Invoice) -> list[Reason]:
    """Return why the payments of these invoices failed."""
    by_hash = {payment.payment_hash: payment.reason for payment in await pair.lab.list_payments()}
    return [by_hash[invoice.payment_hash] for invoice in invoices]


async def test_frozen_peer(pair: Pair, tmp_path: Path) -> None:
    """Its channel is active for minutes, and lacks an HTLC that it hasn't acknowledged: fewer than ten minutes."""
    async with followed(pair, tmp_path) as (world, exporter):
        known, late = [await pair.lab.invoice(sat, at=pair.peer, hold=True) for sat in (6_000, 7_000)]
        first = await pair.pay(known)
        await first.held()
        await pair.freeze()
        try:
            second = await pair.pay(late)
            await world.until(lambda page: total(page, pair.name, "in_flight_htlcs") == 2, "both are in flight")
            assert await pair.listed() == (True, 1), "the second isn't on the channel"
            await lists(world, pair, 2)
            code, document = await why(pair.lab, second.payment_hash)
            assert (code, document["verdict"], document["ghost_htlcs"]) == (IN_FLIGHT, Verdict.ON_ITS_WAY, 0)
            noticing = asyncio.create_task(pair.dropped())
            while not noticing.done():
                await lists(world, pair, 1)
            await noticing
            assert (await pair.listed() or (True,))[0] is False
            await lists(world, pair, 2)
        finally:
            await pair.thaw()
        await second.held()
        assert await pair.listed() == (True, 2)
        await lists(world, pair, 2)
        for invoice, sending in ((known, first), (late, second)):
            await pair.lab.settle(invoice)
            assert (await sending.ended()).status is Status.SUCCEEDED
        await world.counted(pair.name, 2)
        assert await exporter.open() == f"{pair.name}: nothing in flight\n"


async def test_forced_close(pair: Pair, tmp_path: Path) -> None:
    """Until the HTLCs are resolved on chain, the gauge stays 0: they are where they should be."""
    async with followed(pair, tmp_path, ghost_s=SOON_S) as (world, exporter):
        large, dust = [await pair.lab.invoice(sat, at=pair.peer, hold=True) for sat in (50_000, DUST_SAT - 1)]
        sendings = [await pair.pay(large), await pair.pay(dust)]
        for sending in sendings:
            await sending.held()
        await world.until(lambda page: total(page, pair.name, "in_flight_htlcs") == 2, "both are in flight")
        assert await pair.listed() == (True, 2), "lnd lists HTLCs without an output, too"
        await lists(world, pair, 2)
        await pair.force_close()
        await lists(world, pair, MANY)
        code, document = await why(pair.lab, sendings[0].payment_hash)
        assert (code, document["verdict"], document["ghost_htlcs"]) == (IN_FLIGHT, Verdict.ON_ITS_WAY, 0)
        assert [line for line in document["evidence"] if line.endswith("is resolved on chain (lncli pendingchannels)")]
        await pair.confirm()
        await world.counted(pair.name, 1, in_flight=1)
        assert await reasons(pair, large, dust) == [Reason.NONE, NO_OTHER_CHANNEL]
        await lists(world, pair, MANY)
        (payment,) = json.loads(await exporter.open("--json"))["payments"]
        assert (payment["payment_hash"], payment["ghost_htlcs"]) == (large.payment_hash, 0)
        await pair.expire()
        page = await world.counted(pair.name, 2)
        assert await reasons(pair, large, dust) == [NO_OTHER_CHANNEL, NO_OTHER_CHANNEL]
        assert total(page, pair.name, "failed_total") == 2
        await lists(world, pair, 2)


async def test_ghost(tmp_path: Path) -> None:
    """From the alert to the hash, as its runbook says, and from there to the advice. No lnd loses an HTLC on demand."""
    pair = SimulatedPair(tmp_path / "pair")
    await pair.lab.open()
    pair.lab.node.clock.behind_s = HOUR_S  # type: ignore[attr-defined]
    async with followed(pair, tmp_path, ghost_s=SOON_S) as (world, exporter):
        first, lost = [await pair.lab.invoice(sat, at=pair.peer, hold=True) for sat in (6_000, 7_000)]
        sendings = [await pair.pay(first), await pair.pay(lost)]
        await world.until(lambda page: total(page, pair.name, "in_flight_htlcs") == 2, "both are in flight")
        await lists(world, pair, MANY)
        pair.lab.node.faults.ghosts.add(lost.payment_hash)
        page = await world.until(lambda page: total(page, pair.name, "in_flight_ghost_htlcs") == 1, "a ghost")
        assert total(page, pair.name, "in_flight_ghost_htlcs_msat") == 7_000_000
        payments = json.loads(await exporter.open("--json"))["payments"]
        (payment_hash,) = [each["payment_hash"] for each in payments if each["ghost_htlcs"] > 0]
        assert payment_hash == lost.payment_hash
        assert "in flight, 1 on no channel" in await exporter.open()
        code, document = await why(pair.lab, payment_hash)
        assert (code, document["verdict"], document["guess"]) == (IN_FLIGHT, Verdict.GHOST, True)
        code, document = await why(pair.lab, first.payment_hash)
        assert (code, document["verdict"]) == (IN_FLIGHT, Verdict.HELD_NOW)
        await exporter.kill()
        await exporter.start()
        await world.followed(pair.name)
        await lists(world, pair, 1)
        await world.until(lambda page: total(page, pair.name, "in_flight_ghost_htlcs") == 1, "a ghost again")
        for invoice, sending in zip((first, lost), sendings, strict=True):
            await pair.lab.settle(invoice)
            assert (await sending.ended()).status is Status.SUCCEEDED
        page = await world.counted(pair.name, 2)
        assert total(page, pair.name, "in_flight_ghost_htlcs") == 0
    await pair.lab.close()
