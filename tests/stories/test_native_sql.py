"""A real lnd that migrates its payments to native SQL: it renumbers payments, deletes them, reuses indexes."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.config import NodeConfig
from exporter.config.addresses import REST
from tests.network.node import Node, b64
from tests.network.regtest import Network
from tests.stories.page import total
from tests.stories.process import exporting
from tests.stories.world import World

pytestmark = pytest.mark.network
NAME = "erin"


@pytest.fixture
async def erin(network: Network, programs: Path, tmp_path: Path) -> AsyncIterator[Node]:
    """Return a further node, without channels, so that its payments fail at once."""
    node = Node(NAME, programs, tmp_path / NAME, network.chain, 1000)
    node.flags = ["--db.backend=sqlite"]
    mining = asyncio.create_task(mine(network))
    try:
        await node.create()
        await node.ready()
        mining.cancel()
        yield node
    finally:
        mining.cancel()
        await node.stop()
        await node.close()


async def mine(network: Network) -> None:
    """Mine a block every 2 s until cancelled: a new node starts only when it has seen a recent block."""
    while True:
        await network.chain.mine(1)
        await asyncio.sleep(2)


async def fail(node: Node, *payment_hashes: bytes) -> None:
    """Pay hashes to an unknown node, one after the other; all fail."""
    for payment_hash in payment_hashes:
        body = {
            "dest": b64(bytes.fromhex(node.pubkey)[:1] + secrets.token_bytes(32)),
            "amt": "10",
            "payment_hash": b64(payment_hash),
            "timeout_seconds": 5,
        }
        async with node.stream("POST", "/v2/router/send", body) as updates:
            statuses = [update["status"] async for update in updates]
        assert statuses[-1] == "FAILED"


def hashes(number: int) -> list[bytes]:
    """Return random payment hashes."""
    return [secrets.token_bytes(32) for _ in range(number)]


async def indexes(node: Node) -> list[int]:
    """Return the indexes of all payments, in the order of lnd's list."""
    listed = await node.get("/v1/payments", include_incomplete="true")
    return [int(payment["payment_index"]) for payment in listed["payments"]]


async def counted(world: World, number: int) -> None:
    """Wait until `number` payments are counted as failed; check that none is lost or counted twice."""
    page = await world.until(lambda page: total(page, NAME, "failed_total") >= number, f"{number} counted")
    page = await world.until(lambda page: total(page, NAME, "in_flight") == 0, "none is in flight")
    totals = [total(page, NAME, f"{name}_total") for name in ("started", "failed", "succeeded", "lost")]
    assert totals == [number, number, 0, 0]
    assert total(page, NAME, "audit_unaccounted") == 0


async def test_each_payment_is_counted_once(erin: Node, tmp_path: Path) -> None:
    """Before, during and after the migration, after a deletion of all, and retried under the same index."""
    macaroon = tmp_path / "payments.macaroon"
    await erin.bake_macaroon(macaroon, root_key_id=0)
    first = hashes(1)[0]
    await fail(erin, first, *hashes(1), first)  # history, with a gap at its beginning
    nodes = [
        NodeConfig(NAME, erin.address, erin.tls_cert, macaroon),
        NodeConfig(f"{NAME}-rest", f"https://{erin.rest}", erin.tls_cert, macaroon, REST),
    ]
    async with exporting(nodes, tmp_path / "exporter") as exporter:
        world = World("real", {}, exporter.target, exporter.log)
        await world.followed(NAME)
        tried, *others = hashes(5)
        await fail(erin, tried, *others, tried, *hashes(2))
        assert await indexes(erin) == [2, 3, 5, 6, 7, 8, 9, 10, 11]
        await counted(world, 8)
        await migrated(erin)
        await world.followed(NAME)
        assert await indexes(erin) == list(range(1, 12)), "lnd renumbers all payments"
        await counted(world, 10)
        assert "lnd numbers its payments anew" in exporter.text()
        last = hashes(1)[0]
        await fail(erin, *hashes(2), last, last)
        assert (await indexes(erin))[-1] == 14, "the second try has the index of the first"
        await counted(world, 14)
        await erin.delete("/v1/payments", all_payments="true")
        await fail(erin, *hashes(3))
        assert await indexes(erin) == [1, 2, 3]
        await counted(world, 17)
        await exporter.kill()
        await fail(erin, *hashes(2))
        await exporter.start()
        await counted(world, 19)


async def migrated(erin: Node) -> None:
    """Restart the node with the migration while the exporter runs, and make two payments at once."""
    await erin.stop()
    erin.flags.append("--db.use-native-sql")
    await erin.start()
    await fail(erin, *hashes(2))
