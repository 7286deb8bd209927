"""A real lnd without a network: special certificates and macaroons, and the exporter's errors over each transport."""

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from exporter.config.addresses import GRPC, TRANSPORTS, WEBSOCKET
from exporter.lnd.client import DetailedClient, LndError
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rest import RestClient
from exporter.payments.labels import Interruption, NodeState
from tests.network.chain import Neutrino
from tests.network.node import Node
from tests.network.process import run, until
from tests.stories.page import total
from tests.stories.process import exporting, node_configs
from tests.stories.world import World

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("alone")]


@dataclass
class Alone:
    """The node, and the exporter's files for it; a `ReachableNode` for `node_configs`."""

    node: Node
    tls_cert: Path
    macaroon: Path
    name: str = "alone"

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC, with an IP address, for which TLS sends no server name."""
        return self.node.address

    @property
    def rest(self) -> str:
        """HOST:PORT of REST, likewise."""
        return self.node.rest

    def client(self, transport: str, macaroon: Path | None = None) -> DetailedClient:
        """Return a client over a transport."""
        files = self.tls_cert, macaroon or self.macaroon
        if transport == GRPC:
            return GrpcClient(self.address, *files)
        return RestClient(f"https://{self.rest}", *files, websocket=transport == WEBSOCKET)


@pytest.fixture(scope="module")
async def alone(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Alone]:
    """Return a node with `tlsencryptkey`, which accepts calls."""
    home = tmp_path_factory.mktemp("alone")
    node = Node("alone", programs, home / "lnd", Neutrino(), 1000)
    node.flags.append("--tlsencryptkey")
    alone = Alone(node, home / "tls.cert", home / "payments.macaroon")
    try:
        await node.create()
        shutil.copyfile(node.tls_cert, alone.tls_cert)
        await node.bake_macaroon(alone.macaroon, 1)
        yield alone
    finally:
        await node.stop()
        await node.close()


async def test_locked_wallet_with_tlsencryptkey_is_followed_after_unlocking(alone: Alone, tmp_path: Path) -> None:
    """With `tlsencryptkey` lnd has a temporary certificate while its wallet is locked.

    The exporter doesn't trust it; its advice mentions the wallet, and the `lncli` flags of the advice work. After the
    wallet is unlocked, the node is followed again over each transport, by IP address and by host name.
    """
    node = alone.node
    async with exporting(node_configs(alone), tmp_path / "exporter") as exporter:
        world = World("real", {}, exporter.target, exporter.log)
        await world.followed("alone")
        await node.stop()
        await world.in_state("alone", "unreachable")
        await node.start(unlock=False)

        async def advised() -> bool:
            return sum("unlock the wallet" in line for line in exporter.text().splitlines()) == len(TRANSPORTS)

        await until("the advice mentions the wallet, over each transport", advised)
        page = await world.page()
        assert total(page, "alone", "node_state", state="unreachable") == 1
        # With --lnddir lncli ignores --tlscertpath.
        lncli = [flag for flag in node.lncli() if not flag.startswith("--lnddir")]
        temporary = f"--tlscertpath={node.tls_cert}.tmp"
        assert "LOCKED" in await run([*lncli, "--no-macaroons", temporary, "state"], tmp_path)
        await node.unlock(until="RPC_ACTIVE")
        await world.followed("alone")


@pytest.mark.parametrize(
    ("condition", "advice"),
    [
        (["--timeout=1"], "has expired by lnd's clock"),
        (["--ip_address=10.1.2.3"], "bound to another IP address"),
        (["--custom_caveat_name=account", "--custom_caveat_condition=7"], "such as litd"),
    ],
)
async def test_macaroon_with_a_caveat(alone: Alone, tmp_path: Path, condition: Sequence[str], advice: str) -> None:
    """The advice is about the caveat that lnd refuses, not about permissions."""
    macaroon = tmp_path / "macaroon"
    await alone.node.bake_macaroon(macaroon, 2, conditions=condition)
    for transport in TRANSPORTS:
        client = alone.client(transport, macaroon)

        async def answers(client: DetailedClient = client) -> bool:
            await client.info(30)
            return False

        await client.connect()
        try:
            with pytest.raises(LndError) as refused:
                await until("the macaroon is refused", answers)  # one of them expires only after a second
        finally:
            await client.close()
        assert (refused.value.cause, refused.value.state) == (Interruption.DENIED, NodeState.DENIED)
        assert advice in refused.value.advice


async def test_macaroon_bound_to_the_clients_address_is_refused_over_rest(alone: Alone, tmp_path: Path) -> None:
    """Over REST lnd compares its own address, so such a macaroon works over gRPC only, as the advice says."""
    macaroon = tmp_path / "macaroon"
    await alone.node.bake_macaroon(macaroon, 2, conditions=["--ip_address=127.0.0.2"])
    connector = aiohttp.TCPConnector(ssl=False, local_addr=("127.0.0.2", 0))
    headers = {"Grpc-Metadata-Macaroon": macaroon.read_bytes().hex()}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://{alone.rest}/v1/getinfo", headers=headers) as answer,
    ):
        assert "locked to different IP address" in await answer.text()
