"""gRPC through a SOCKS5 proxy: it works as without one, and errors of the proxy are reported."""

import asyncio
import socket
import tempfile
from pathlib import Path

import pytest

from exporter.follow import Intervals
from exporter.lnd import tunnel
from exporter.lnd.client import LndError
from exporter.lnd.grpc import _TUNNEL_CONNECT_MS, GrpcClient
from exporter.lnd.network_errors import CONNECT_S
from exporter.payments.labels import Interruption, NodeState
from exporter.simulator.server import SimulatedNode
from tests.lnd.socks import Proxy, proxying


def through(proxy: Proxy, node: SimulatedNode, address: str = "localhost:10009", user: str = "me:p%40ss") -> GrpcClient:
    """Return a client with another address than the node's, which only the proxy can reach."""
    return GrpcClient(address, node.tls_cert, node.macaroon, proxy=f"socks5://{user}@{proxy.address}")


async def failure(client: GrpcClient) -> LndError:
    """Connect and return why a call fails."""
    await client.connect()
    with pytest.raises(LndError) as caught:
        await client.info(9)
    await client.close()
    return caught.value


async def test_calls_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy gets the host name, not an address; lnd's certificate is verified; no task or socket is left."""
    sockets = tmp_path / "100%25 #1? é"  # a directory may have any name
    sockets.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(sockets))
    async with SimulatedNode(tmp_path) as node, proxying(node.address, ("me", "p@ss")) as proxy:
        client = through(proxy, node)
        for _ in range(2):
            assert await client.connect() is not None
            assert (await client.info(9)).pubkey == node.world.me.pubkey
            await client.channels()
        assert proxy.requested == ["localhost:10009"] * 2
        await client.close()
        assert not [task for task in asyncio.all_tasks() if "lnd/tunnel.py" in str(task)]
        assert not list(sockets.iterdir())


async def test_certificate_must_name_the_host_behind_the_proxy(tmp_path: Path) -> None:
    """As if gRPC had connected to the address itself."""
    async with SimulatedNode(tmp_path) as node, proxying(node.address, ("me", "p@ss")) as proxy:
        error = await failure(through(proxy, node, "elsewhere.example:10009"))
        assert (error.cause, "not made for this address" in error.advice) == (Interruption.CERTIFICATE, True)


@pytest.mark.parametrize(
    ("reaches_lnd", "user", "text"),
    [
        (True, "me:another", "wants another user or password"),
        (False, "me:p%40ss", "doesn't reach lnd"),
    ],
)
async def test_refusal_of_the_proxy_is_reported(tmp_path: Path, user: str, text: str, *, reaches_lnd: bool) -> None:
    """Without its password."""
    async with (
        SimulatedNode(tmp_path) as node,
        proxying(node.address if reaches_lnd else "", ("me", "p@ss")) as proxy,
    ):
        error = await failure(through(proxy, node, user=user))
        assert (error.cause, text in error.advice) == (Interruption.UNREACHABLE, True), error.advice
        assert "p%40ss" not in error.advice
        assert "another:" not in error.advice


async def test_proxy_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC waits until the tunnel has given up: else the error would blame lnd instead of the proxy."""
    assert CONNECT_S < _TUNNEL_CONNECT_MS / 1000 < Intervals().state_s
    monkeypatch.setattr(tunnel, "CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        async with SimulatedNode(tmp_path) as node:
            error = await failure(through(Proxy("", address="127.0.0.1:{1}".format(*proxy.getsockname())), node))
    assert (error.cause, "proxy" in error.advice) == (Interruption.UNREACHABLE, True), error.advice


async def test_proxy_that_stops(tmp_path: Path) -> None:
    """Open streams are lost, and then the proxy can't be reached."""
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
        error = await failure(client)
        assert (error.cause, "can't be reached" in error.advice) == (Interruption.UNREACHABLE, True), error.advice


async def test_missing_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container everything may be read-only."""
    async with SimulatedNode(tmp_path) as node:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        client = GrpcClient(node.address, node.tls_cert, node.macaroon, proxy="socks5://127.0.0.1:9050")
        with pytest.raises(LndError, match=r"No such file.*TMPDIR"):
            await client.connect()
        await client.close()
