"""A real lnd whose channel is closed by force while an HTLC is on it: it goes on chain, and is no ghost meanwhile."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.config import NodeConfig
from tests.network.node import Node, Refused, b64
from tests.network.process import until
from tests.network.regtest import Network
from tests.stories.page import Page, total
from tests.stories.process import exporting
from tests.stories.test_native_sql import mining
from tests.stories.world import World

pytestmark = pytest.mark.network
NAME = "frank"
FUNDS_SAT, CHANNEL_SAT, PAID_SAT = 2_000_000, 1_000_000, 200_000


@pytest.fixture
async def pair(network: Network, programs: Path, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Return two further nodes, with a channel on which the first has all the balance."""
    nodes = [Node(name, programs, tmp_path / name, network.chain, 1000) for name in (NAME, "grace")]
    payer, peer = nodes
    try:
        async with mining(network):
            for node in nodes:
                await node.create()
                await node.ready()
            address = (await payer.get("/v1/newaddress", type="WITNESS_PUBKEY_HASH"))["address"]
            await network.nodes["carol"].post("/v1/transactions", addr=address, amount=str(FUNDS_SAT))
            await until(f"{NAME} has coins", lambda: has(payer, "/v1/utxos", "utxos", min_confs="1", max_confs="1000"))
            await payer.post("/v1/peers", addr={"pubkey": peer.pubkey, "host": peer.p2p})
            await until(f"{NAME} has a channel", lambda: opened(payer, peer))
            await until("it is active", lambda: has(payer, "/v1/channels", "channels", active_only="true"))
        yield payer, peer
    finally:
        for node in nodes:
            await node.stop()
            await node.close()


async def has(node: Node, path: str, name: str, **query: str) -> bool:
    """Return True if the node lists anything there."""
    return bool((await node.get(path, **query))[name])


async def opened(payer: Node, peer: Node) -> bool:
    """Open the channel; return False if a node isn't ready for it, as while it hasn't seen the last block."""
    try:
        await payer.post(
            "/v1/channels", node_pubkey_string=peer.pubkey, local_funding_amount=str(CHANNEL_SAT), private=True
        )
    except Refused:
        return False
    return True


async def test_htlc_goes_on_chain(pair: tuple[Node, Node], network: Network, tmp_path: Path) -> None:
    """It is in flight, and on no channel that lnd lists, until the recipient claims it on chain: never a ghost."""
    payer, peer = pair
    macaroon = payer.admin_macaroon.with_name("readonly.macaroon")
    async with exporting(
        [NodeConfig(NAME, payer.address, payer.tls_cert, macaroon)], tmp_path / "exporter"
    ) as exporter:
        world = World("real", {}, exporter.target, exporter.log)
        await world.followed(NAME)
        preimage = secrets.token_bytes(32)
        digest = hashlib.sha256(preimage)
        made = await peer.post("/v2/invoices/hodl", hash=b64(digest.digest()), value=str(PAID_SAT))
        body = {"payment_request": made["payment_request"], "timeout_seconds": 3600, "fee_limit_sat": "10"}
        async with payer.stream("POST", "/v2/router/send", body) as updates:
            async for update in updates:
                if any(htlc["status"] == "IN_FLIGHT" for htlc in update["htlcs"]):
                    break
        page = await lists(world, 2)
        assert (total(page, NAME, "in_flight_htlcs"), total(page, NAME, "peer_channels")) == (1, 1)
        assert ghosts(page) == [0]

        (channel,) = (await payer.get("/v1/channels"))["channels"]
        transaction, _, output = channel["channel_point"].partition(":")
        async with payer.stream("DELETE", f"/v1/channels/{transaction}/{output}?force=true") as closing:
            await anext(closing)
        page = await lists(world, 3)
        assert (total(page, NAME, "in_flight_htlcs"), total(page, NAME, "peer_channels")) == (1, 0)
        assert ghosts(page) == [0]

        await peer.post("/v2/invoices/settle", preimage=b64(preimage))
        async with mining(network):
            page = await world.until(lambda page: total(page, NAME, "succeeded_total") == 1, "claimed on chain")
        assert (total(page, NAME, "in_flight_htlcs"), total(page, NAME, "sent_msat_total")) == (0, PAID_SAT * 1000)
        assert ghosts(await lists(world, 1)) == [0]


async def lists(world: World, number: int) -> Page:
    """Wait until lnd has listed its channels so many times more; return the page."""
    answers = {"method": "list_channels", "outcome": "ok"}
    seen = total(await world.page(), NAME, "lnd_calls_total", **answers)
    return await world.until(
        lambda page: total(page, NAME, "lnd_calls_total", **answers) >= seen + number, f"{number} lists of channels"
    )


def ghosts(page: Page) -> list[float]:
    """Return the gauge of ghosts, empty if it is absent."""
    return [value for series, value in page[NAME].items() if series.name == "in_flight_ghost_htlcs"]
