"""Waiting for lnd: a dead connection is noticed, a quiet one goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from exporter.app import client_of
from exporter.config import NodeConfig
from exporter.config.addresses import GRPC, REST
from exporter.lnd import grpc as lnd_grpc
from exporter.lnd import errors, liveness
from exporter.lnd.client import Client, LndError
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Interruption, Method, NodeState
from exporter.simulator.server import SimulatedNode
from tests.lnd.socks import pipe
from tests.network.process import until
from tests.patience import PATIENCE_S

HASH = "ab" * 32


class Wire:
    """Forwards connections to a port, until it goes dead: then it drops all data without closing them."""

    def __init__(self, to: str) -> None:
        """Forward to HOST:PORT."""
        self._to = to.split(":")
        self._writers: list[asyncio.StreamWriter] = []
        self._connections: list[asyncio.Task[None]] = []
        self.dead = asyncio.Event()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a connection."""
        self._connections.append(asyncio.create_task(self._forward(reader, writer)))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if not self.dead.is_set():
            from_lnd, to_lnd = await asyncio.open_connection(*self._to)
            self._writers.append(to_lnd)
            pipes = [asyncio.create_task(pipe(reader, to_lnd)), asyncio.create_task(pipe(from_lnd, writer))]
            await self.dead.wait()
            for task in pipes:
                task.cancel()

    async def close(self) -> None:
        """Cut all connections."""
        self.dead.set()
        if self._connections:
            await asyncio.wait(self._connections)
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def connected(tmp_path: Path, transport: str) -> AsyncIterator[tuple[Client, SimulatedNode, Wire]]:
    """Connect a client to a simulated node through a `Wire`."""
    async with SimulatedNode(tmp_path) as node:
        wire = Wire(node.address if transport == GRPC else node.rest)
        server = await asyncio.start_server(wire.accept, "127.0.0.1", 0)
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
    """Return the first item."""
    return await anext(stream)


@pytest.mark.parametrize("transport", [GRPC, REST])
@pytest.mark.parametrize(
    "wait",
    [
        lambda client: first(client.updates()),
        lambda client: first(client.track(HASH)),
        lambda client: client.payments(),
        lambda client: client.info(300),
    ],
    ids=["update", "one payment", "page", "slow answer"],
)
async def test_dead_connection_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, wait: Callable[[Client], Awaitable[object]]
) -> None:
    """Whatever the client waits for: lnd is probed, and no answer comes."""
    async with connected(tmp_path, transport) as (client, _, wire):
        await client.info(9)
        wire.dead.set()
        monkeypatch.setattr(liveness, "PING_S", 0.05)
        monkeypatch.setattr(liveness, "PONG_S", 0.1)
        with pytest.raises(LndError, match="ping timeout") as lost:
            await asyncio.wait_for(wait(client), PATIENCE_S)
        assert (lost.value.cause, lost.value.state) == (Interruption.UNREACHABLE, NodeState.UNREACHABLE)


@pytest.mark.parametrize("transport", [GRPC, REST])
@pytest.mark.parametrize(
    "answer",
    [
        None,
        (grpc.StatusCode.UNIMPLEMENTED, "unknown service lnrpc.State"),
        (grpc.StatusCode.UNKNOWN, "permission denied"),
        (grpc.StatusCode.UNKNOWN, "something new"),
    ],
)
async def test_quiet_stream_goes_on_if_lnd_answers_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str, answer: tuple[grpc.StatusCode, str] | None
) -> None:
    """Any answer counts, an error, too."""
    async with connected(tmp_path, transport) as (client, node, _):
        monkeypatch.setattr(liveness, "PING_S", 0.02)
        states = client.states()
        assert await anext(states) is NodeState.READY
        if answer:
            node.faults.refuse(Method.SUBSCRIBE_STATE, *answer)
        before = node.calls[Method.SUBSCRIBE_STATE]

        async def enough() -> bool:
            return node.calls[Method.SUBSCRIBE_STATE] >= before + 3

        following = asyncio.ensure_future(anext(states))
        await until("lnd is probed again and again", enough)
        assert not following.done()
        node.set_state(pb.RPC_ACTIVE)
        assert await following is NodeState.READY


@pytest.mark.parametrize("transport", [GRPC, REST])
async def test_probe_that_a_proxy_answers_is_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    """The proxy's error isn't an answer of lnd; it is raised, for it says more than a timeout."""
    monkeypatch.setattr(liveness, "PING_S", 0.02)
    async with connected(tmp_path, transport) as (client, node, _):
        node.faults.refuse(Method.SUBSCRIBE_STATE, grpc.StatusCode.UNAVAILABLE, "Bad Gateway")
        with pytest.raises(LndError, match="Bad Gateway") as lost:
            await first(client.updates())
        assert lost.value.cause is Interruption.UNREACHABLE


async def test_update_that_arrives_during_a_probe_is_returned_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update is a sign of life, too; the probe is cancelled."""
    monkeypatch.setattr(liveness, "PING_S", 0.01)
    probed, before = asyncio.Event(), asyncio.all_tasks()

    async def never(_seconds: float) -> None:
        probed.set()
        await asyncio.Event().wait()

    async def update() -> str:
        await probed.wait()
        return "an update"

    assert await asyncio.wait_for(liveness.wait_while_alive(update(), never), PATIENCE_S) == "an update"
    assert not [
        task for task in asyncio.all_tasks() - before if "liveness.py" in str(task)
    ]  # other code has tasks, too


async def test_cancelled_wait_leaves_no_task_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the awaited task nor the probe goes on."""
    monkeypatch.setattr(liveness, "PING_S", 0.01)
    probed, ended = asyncio.Event(), list[str]()

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async def probe(_seconds: float) -> None:
        probed.set()
        await forever("probe")

    waiting = asyncio.create_task(liveness.wait_while_alive(forever("awaited"), probe))
    await probed.wait()
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(ended) == ["awaited", "probe"]


async def test_quiet_time_begins_with_the_last_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is probed when it was quiet for `PING_S`, however often something arrived before, and not earlier."""
    monkeypatch.setattr(liveness, "PING_S", 0.2)
    loop, probed_s, messages = asyncio.get_running_loop(), list[float](), asyncio.Queue[int]()

    async def probe(_seconds: float) -> None:
        probed_s.append(loop.time())
        raise errors.from_status(grpc.StatusCode.UNAVAILABLE, "it is gone")

    async def send() -> float:
        for number in range(6):
            await asyncio.sleep(0.05)
            messages.put_nowait(number)
        return loop.time()

    async with liveness.Watch(probe) as watch:
        sending = asyncio.create_task(send())
        assert [await watch.wait(messages.get()) for _ in range(6)] == [*range(6)]
        with pytest.raises(LndError, match="it is gone"):
            await watch.wait(messages.get())
    (only,) = probed_s
    assert 0.2 <= only - await sending + 0.01 < 0.2 + PATIENCE_S
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_quiet_consumer_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody waits for a message, lnd isn't probed, and the consumer isn't interrupted."""
    monkeypatch.setattr(liveness, "PING_S", 0.01)

    async def probe(_seconds: float) -> None:
        raise AssertionError

    async with liveness.Watch(probe) as watch:
        assert await watch.wait(asyncio.sleep(0, "a message")) == "a message"
        await asyncio.sleep(0.1)


async def test_update_that_arrives_during_a_failing_probe_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next wait isn't interrupted by a probe that began before the last message."""
    monkeypatch.setattr(liveness, "PING_S", 0.01)
    probed, fail = asyncio.Event(), asyncio.Event()

    async def probe(_seconds: float) -> None:
        if probed.is_set():
            return
        probed.set()
        await fail.wait()
        raise errors.from_status(grpc.StatusCode.DEADLINE_EXCEEDED, "")

    async def quiet() -> str:
        fail.set()
        await asyncio.sleep(0.1)
        return "another update"

    async with liveness.Watch(probe) as watch:
        await watch.wait(probed.wait())
        assert await watch.wait(quiet()) == "another update"


async def test_bug_in_a_probe_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on unwatched."""
    monkeypatch.setattr(liveness, "PING_S", 0.01)

    async def probe(_seconds: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await liveness.wait_while_alive(asyncio.Event().wait(), probe)


async def test_cancelled_reader_of_a_dead_connection_ends_as_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cancels a task expects it to end, also if the connection is found dead at the same moment."""
    monkeypatch.setattr(liveness, "PING_S", 0.01)

    async def probe(_seconds: float) -> None:
        waiting.cancel()
        raise errors.from_status(grpc.StatusCode.UNAVAILABLE, "it is gone")

    waiting = asyncio.create_task(liveness.wait_while_alive(asyncio.Event().wait(), probe))
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_dead_connection_is_noticed_after_80_s() -> None:
    """HTTP/2 pings are not sent: lnd before 0.17 disconnects clients that send more than one in five minutes."""
    assert liveness.PING_S + liveness.PONG_S == 80
    assert not [name for name, _ in lnd_grpc._OPTIONS if "keepalive" in name or "ping" in name]
