"""Waiting for what lnd may say at any time: a connection that is dead is noticed, one that is quiet goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from exporter.app import client_of
from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, REST
from exporter.lnd import attended
from exporter.lnd import grpc as lnd_grpc
from exporter.lnd.client import Client, LndError
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Interruption, Method, NodeState
from exporter.simulator.server import SimulatedNode
from tests.lnd.socks import pipe
from tests.network.process import until
from tests.patience import PATIENCE_S

HASH = "ab" * 32


class Wire:
    """A way to a port that can go dead: what comes then is swallowed, and nobody is told."""

    def __init__(self, to: str) -> None:
        """Lead to HOST:PORT."""
        self._to = to.split(":")
        self._writers: list[asyncio.StreamWriter] = []
        self._connections: list[asyncio.Task[None]] = []
        self.dead = asyncio.Event()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead a connection on."""
        self._connections.append(asyncio.create_task(self._lead(reader, writer)))

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if not self.dead.is_set():
            there, forth = await asyncio.open_connection(*self._to)
            self._writers.append(forth)
            ways = [asyncio.create_task(pipe(reader, forth)), asyncio.create_task(pipe(there, writer))]
            await self.dead.wait()
            for way in ways:
                way.cancel()

    async def close(self) -> None:
        """Cut all connections."""
        self.dead.set()
        if self._connections:
            await asyncio.wait(self._connections)
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def reached(tmp_path: Path, transport: str) -> AsyncIterator[tuple[Client, SimulatedNode, Wire]]:
    """A client that reaches a node by such a wire."""
    async with SimulatedNode(tmp_path) as node:
        wire = Wire(node.address if transport == GRPC else node.rest)
        server = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        address = f"{'' if transport == GRPC else 'https://'}127.0.0.1:{port}"
        client = client_of(NodeConfig("lnd", address, node.tls_cert, node.macaroon, transport))
        await client.connect()
        try:
            yield client, node, wire
        finally:
            await client.close()
            server.close()
            await wire.close()


async def first(stream: AsyncIterator[object]) -> object:
    """The first thing that comes."""
    return await anext(stream)


@pytest.mark.parametrize("transport", [GRPC, REST])
@pytest.mark.parametrize(
    "waits",
    [
        lambda client: first(client.updates()),
        lambda client: first(client.track(HASH)),
        lambda client: client.payments(),
        lambda client: client.info(300),
    ],
    ids=["for an update", "for one payment", "for a page", "for what may take minutes"],
)
async def test_a_dead_connection_looks_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, waits: Callable[[Client], Awaitable[object]]
) -> None:
    """Whatever is waited for: lnd is asked for its state, nobody answers, and that is `unreachable`."""
    async with reached(tmp_path, transport) as (client, _, wire):
        await client.info(9)
        wire.dead.set()
        monkeypatch.setattr(attended, "PING_S", 0.05)
        monkeypatch.setattr(attended, "PONG_S", 0.1)
        with pytest.raises(LndError, match="ping timeout") as lost:
            await asyncio.wait_for(waits(client), PATIENCE_S)
        assert (lost.value.cause, lost.value.state) == (Interruption.UNREACHABLE, NodeState.UNREACHABLE)


@pytest.mark.parametrize("transport", [GRPC, REST])
@pytest.mark.parametrize(
    "answer",
    [
        None,
        (grpc.StatusCode.UNIMPLEMENTED, "unknown service lnrpc.State"),
        (grpc.StatusCode.UNKNOWN, "permission denied"),
        (grpc.StatusCode.UNKNOWN, "never heard of it"),
    ],
)
async def test_a_quiet_stream_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, answer: tuple[grpc.StatusCode, str] | None
) -> None:
    """Whatever lnd answers when it is asked for its state: that it answers is what counts."""
    async with reached(tmp_path, transport) as (client, node, _):
        states = client.states()
        assert await anext(states) is NodeState.READY
        monkeypatch.setattr(attended, "PING_S", 0.02)
        if answer:
            node.faults.refuse(Method.SUBSCRIBE_STATE, *answer)
        before = node.calls[Method.SUBSCRIBE_STATE]

        async def enough() -> bool:
            return node.calls[Method.SUBSCRIBE_STATE] >= before + 3

        following = asyncio.ensure_future(anext(states))
        await until("lnd is asked again and again", enough)
        assert not following.done()
        node.advance(pb.RPC_ACTIVE)
        assert await following is NodeState.READY


@pytest.mark.parametrize("transport", [GRPC, REST])
async def test_what_stands_before_lnd_does_not_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """That is no answer of lnd's, and says more than a time-out would."""
    monkeypatch.setattr(attended, "PING_S", 0.02)
    async with reached(tmp_path, transport) as (client, node, _):
        node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNAVAILABLE, "Bad Gateway")
        with pytest.raises(LndError, match="Bad Gateway") as lost:
            await first(client.updates())
        assert lost.value.cause is Interruption.UNREACHABLE


async def test_what_arrives_while_lnd_is_asked_is_not_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update is a sign of life, too; nothing of the question is left behind."""
    monkeypatch.setattr(attended, "PING_S", 0.01)
    asked, before = asyncio.Event(), asyncio.all_tasks()

    async def never(_seconds: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    async def update() -> str:
        await asked.wait()
        return "an update"

    assert await asyncio.wait_for(attended.attended(update(), never), PATIENCE_S) == "an update"
    assert not [task for task in asyncio.all_tasks() - before if "attended" in str(task)]  # others have tasks, too


async def test_who_stops_waiting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what was awaited nor the question goes on."""
    monkeypatch.setattr(attended, "PING_S", 0.01)
    asked, ended = asyncio.Event(), list[str]()

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def ask(_seconds: float) -> None:
        asked.set()
        await forever("question")

    waiting = asyncio.create_task(attended.attended(forever("awaited"), ask))
    await asked.wait()
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(ended) == ["awaited", "question"]


def test_how_soon() -> None:
    """A dead connection is noticed after 80 s; HTTP/2 pings are not sent, for lnd before 0.17 throws out who does."""
    assert attended.PING_S + attended.PONG_S == 80
    assert not [name for name, _ in lnd_grpc._OPTIONS if "keepalive" in name or "ping" in name]
