"""A real lnd without a network: certificates and macaroons that it makes, and what it says of them in every way."""

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
from tests.stories.process import exporting, ways
from tests.stories.world import World

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("alone")]


@dataclass
class Alone:
    """The node, and the files that the exporter is given; as `ways` wants it."""

    node: Node
    tls_cert: Path
    macaroon: Path
    name: str = "alone"

    @property
    def address(self) -> str:
        """Where its gRPC is: an IP address, for which TLS sends no name."""
        return self.node.address

    @property
    def rest(self) -> str:
        """Where its REST is, the same."""
        return self.node.rest

    def client(self, way: str, macaroon: Path | None = None) -> DetailedClient:
        """Asks it in a way."""
        files = self.tls_cert, macaroon or self.macaroon
        if way == GRPC:
            return GrpcClient(self.address, *files)
        return RestClient(f"https://{self.rest}", *files, websocket=way == WEBSOCKET)


@pytest.fixture(scope="module")
async def alone(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Alone]:
    """A node with a wallet, and with `tlsencryptkey`; it accepts calls."""
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


async def test_the_certificate_of_a_locked_wallet(alone: Alone, tmp_path: Path) -> None:
    """With `tlsencryptkey` lnd shows a temporary certificate while its wallet is locked.

    It is never trusted; the advice names the wallet as well, which `lncli` reaches as the advice says. After the
    unlocking the node is followed again by itself, in every way, by an IP address and by a name.
    """
    node = alone.node
    async with exporting(ways(alone), tmp_path / "exporter") as exporter:
        world = World("real", {}, exporter.target, exporter.log)
        await world.live("alone")
        await node.stop()
        await world.state("alone", "unreachable")
        await node.start(unlock=False)

        async def told() -> bool:
            return sum("unlock the wallet" in line for line in exporter.text().splitlines()) == len(TRANSPORTS)

        await until("the advice names the wallet, in every way", told)
        page = await world.page()
        assert total(page, "alone", "node_state", state="unreachable") == 1
        lncli = [
            flag for flag in node.lncli() if not flag.startswith("--lnddir")
        ]  # with it, it looks for tls.cert only
        temporary = f"--tlscertpath={node.tls_cert}.tmp"
        assert "LOCKED" in await run([*lncli, "--no-macaroons", temporary, "state"], tmp_path)
        await node.unlock(until="RPC_ACTIVE")
        await world.live("alone")


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (["--timeout=1"], "has expired by lnd's clock"),
        (["--ip_address=10.1.2.3"], "bound to another IP address"),
        (["--custom_caveat_name=account", "--custom_caveat_condition=7"], "such as litd"),
    ],
)
async def test_a_macaroon_with_a_condition(alone: Alone, tmp_path: Path, condition: Sequence[str], words: str) -> None:
    """It is refused for what it is, not for what it allows."""
    macaroon = tmp_path / "macaroon"
    await alone.node.bake_macaroon(macaroon, 2, conditions=condition)
    for way in TRANSPORTS:
        client = alone.client(way, macaroon)

        async def answers(client: DetailedClient = client) -> bool:
            await client.info(30)
            return False

        await client.connect()
        try:
            with pytest.raises(LndError) as refused:
                await until("it is refused", answers)  # one expires within a second
        finally:
            await client.close()
        assert (refused.value.cause, refused.value.state) == (Interruption.DENIED, NodeState.DENIED)
        assert words in refused.value.advice


async def test_over_rest_lnd_sees_its_own_address(alone: Alone, tmp_path: Path) -> None:
    """A macaroon that is bound to the address of who asks is refused there, as the advice says: good for gRPC only."""
    macaroon = tmp_path / "macaroon"
    await alone.node.bake_macaroon(macaroon, 2, conditions=["--ip_address=127.0.0.2"])
    connector = aiohttp.TCPConnector(ssl=False, local_addr=("127.0.0.2", 0))
    headers = {"Grpc-Metadata-Macaroon": macaroon.read_bytes().hex()}
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://{alone.rest}/v1/getinfo", headers=headers) as answer,
    ):
        assert "locked to different IP address" in await answer.text()
