"""gRPC through a SOCKS5 proxy: it is as without, and what the proxy says is told."""

import asyncio
import socket
import tempfile
from pathlib import Path

import pytest

from exporter.follow import Pace
from exporter.lnd import tunnel
from exporter.lnd.client import LndError
from exporter.lnd.grpc import _TUNNEL_MS, GrpcClient
from exporter.lnd.line import CONNECT_S
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator.server import SimulatedNode
from tests.lnd.socks import Proxy, proxying


def through(proxy: Proxy, node: SimulatedNode, address: str = "localhost:10009", user: str = "me:p%40ss") -> GrpcClient:
    """A client that is told another address than the node's: only the proxy knows where it is."""
    return GrpcClient(address, node.tls_cert, node.macaroon, proxy=f"socks5://{user}@{proxy.address}")


async def lost(client: GrpcClient) -> LndError:
    """What comes of a call."""
    await client.connect()
    with pytest.raises(LndError) as caught:
        await client.info(9)
    await client.close()
    return caught.value


async def test_as_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the name of lnd's host, not an address, and the certificate is lnd's; nothing is left behind."""
    sockets = tmp_path / "100%25 #1? é"  # a place may have any name
    sockets.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(sockets))
    async with SimulatedNode(tmp_path) as node, proxying(node.address, ("me", "p@ss")) as proxy:
        client = through(proxy, node)
        for _ in range(2):
            assert await client.connect() is not None
            assert (await client.info(9)).pubkey == node.world.me.pubkey
            await client.channels()
        assert proxy.asked == ["localhost:10009"] * 2
        await client.close()
        assert not [task for task in asyncio.all_tasks() if "lnd/tunnel.py" in str(task)]
        assert not list(sockets.iterdir())


async def test_whose_certificate(tmp_path: Path) -> None:
    """The one that the address names, as if gRPC had dialled it."""
    async with SimulatedNode(tmp_path) as node, proxying(node.address, ("me", "p@ss")) as proxy:
        trouble = await lost(through(proxy, node, "elsewhere.example:10009"))
        assert (trouble.cause, "not made for this address" in trouble.advice) == (Interruption.CERTIFICATE, True)


@pytest.mark.parametrize(
    ("there", "user", "words"),
    [
        (True, "me:another", "wants another user or password"),
        (False, "me:p%40ss", "doesn't reach lnd"),
    ],
)
async def test_a_proxy_that_does_not_help(tmp_path: Path, user: str, words: str, *, there: bool) -> None:
    """What it says is told, its password isn't."""
    async with (
        SimulatedNode(tmp_path) as node,
        proxying(node.address if there else "", ("me", "p@ss")) as proxy,
    ):
        trouble = await lost(through(proxy, node, user=user))
        assert (trouble.cause, words in trouble.advice) == (Interruption.UNREACHABLE, True), trouble.advice
        assert "p%40ss" not in trouble.advice
        assert "another:" not in trouble.advice


async def test_a_proxy_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC waits until the tunnel has given up: else it would be lnd that can't be reached."""
    assert CONNECT_S < _TUNNEL_MS / 1000 < Pace().state_s
    monkeypatch.setattr(tunnel, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        async with SimulatedNode(tmp_path) as node:
            trouble = await lost(through(Proxy("", address="127.0.0.1:{1}".format(*proxy.getsockname())), node))
    assert (trouble.cause, "proxy" in trouble.advice) == (Interruption.UNREACHABLE, True), trouble.advice


async def test_a_proxy_that_goes(tmp_path: Path) -> None:
    """What was open is cut, and then it isn't there; when it is there again all is well."""
    async with SimulatedNode(tmp_path) as node:
        async with proxying(node.address, ("me", "p@ss")) as proxy:
            client = through(proxy, node)
            await client.connect()
            await client.info(9)
            states = client.states()
            assert await anext(states) is NodeState.READY
            proxy.cut()
            with pytest.raises(LndError) as caught:
                await anext(states)
            assert caught.value.cause is Interruption.UNREACHABLE
        trouble = await lost(client)
        assert (trouble.cause, "can't be reached" in trouble.advice) == (Interruption.UNREACHABLE, True), trouble.advice


async def test_no_place_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container all may be read-only."""
    async with SimulatedNode(tmp_path) as node:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        client = GrpcClient(node.address, node.tls_cert, node.macaroon, proxy="socks5://127.0.0.1:9050")
        with pytest.raises(LndError, match=r"No such file.*TMPDIR"):
            await client.connect()
        await client.close()
