"""The node itself: who is let in, what it says while it starts, stops, and when it is replaced."""

import asyncio
import math

import grpc
import pytest

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.lives import Lives
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import SMALLEST
from exporter.simulator.world import World
from tests.simulator.raw import Raw, Refused, connected, shapes

UNKNOWN, UNAVAILABLE = grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE
ASKED = [method for method in Method if method is not Method.SUBSCRIBE_STATE]


@pytest.mark.parametrize(
    ("macaroon", "text"),
    [
        (None, "expected 1 macaroon, got 0"),
        ("zz", "encoding/hex: invalid byte: U+007A 'z'"),
        ("020", "encoding/hex: odd length hex string"),
        ("", "empty macaroon data"),
        (b"no macaroon".hex(), "cannot determine data format of binary-encoded macaroon"),
        ("0201", "verification failed: signature mismatch after caveat verification"),
    ],
)
async def test_macaroon(macaroon: str | None, text: str, node: SimulatedNode) -> None:
    """Every call but the state is refused as UNKNOWN with a text."""
    async with connected(node, macaroon) as raw:
        for method in ASKED:
            assert await raw.refusal(method) == Refused(UNKNOWN, text)
        assert await anext(raw.states()) == "SERVER_ACTIVE"


async def test_macaroon_that_allows_less(node: SimulatedNode) -> None:
    """The smallest macaroon that works doesn't include ListChannels."""
    node.renew_macaroon(SMALLEST)
    async with connected(node) as raw:
        assert (await raw.info()).alias == "simulated"
        assert await raw.refusal(Method.LIST_CHANNELS) == Refused(UNKNOWN, "permission denied")


async def test_macaroon_is_replaced(node: SimulatedNode, raw: Raw) -> None:
    """The old one no longer opens; the file has the new one."""
    node.renew_macaroon()
    assert await raw.refusal(Method.GET_INFO) == Refused(
        UNKNOWN, "cannot retrieve macaroon: cannot get macaroon: root key with id 1 doesn't exist"
    )
    async with connected(node) as fresh:
        assert (await fresh.info()).identity_pubkey == node.world.me.pubkey


async def test_certificate_is_replaced(node: SimulatedNode) -> None:
    """A client that trusts the old one is refused by its own TLS library."""
    async with connected(node) as before:
        await before.info()
    old = node.tls_cert.read_bytes()
    await node.stop()
    node.renew_certificate()
    await node.start()
    async with connected(node) as after:
        assert (await after.info()).alias == "simulated"
    node.tls_cert.write_bytes(old)
    async with connected(node) as stale:
        refused = await stale.refusal(Method.GET_INFO)
        assert refused is not None
        assert refused.code is UNAVAILABLE
        assert "CERTIFICATE_VERIFY_FAILED" in refused.text


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (pb.WAITING_TO_START, "waiting to start, RPC services not available"),
        (pb.NON_EXISTING, "wallet not created, create one to enable full RPC access"),
        (pb.LOCKED, "wallet locked, unlock it to enable full RPC access"),
        (
            pb.UNLOCKED,
            "the RPC server is in the process of starting up, but not yet ready to accept calls",
        ),
    ],
)
async def test_states_that_refuse(state: pb.WalletState, text: str, node: SimulatedNode) -> None:
    """Only the state service answers, also to clients without a macaroon."""
    await node.restart(state)
    async with connected(node, None) as raw:
        assert [await raw.refusal(method) for method in ASKED] == [Refused(UNKNOWN, text)] * len(ASKED)
        assert await anext(raw.states()) == pb.WalletState.Name(state)


async def test_unlocking_is_told(node: SimulatedNode, lives: Lives) -> None:
    """The order of states; payments go on at the end of it."""
    await node.lock()
    paid = asyncio.create_task(node.play(lives.success()))
    async with connected(node) as raw:
        states = raw.states()
        seen = [await anext(states)]
        assert node.truth() == []
        await node.unlock()
        seen += [await anext(states) for _ in range(3)]
        assert seen == ["LOCKED", "UNLOCKED", "RPC_ACTIVE", "SERVER_ACTIVE"]
        await paid
        assert shapes((await raw.list_payments()).payments) == ["SUCCEEDED [settled]"]


async def test_restart_in_mid_payment(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """The stream says why it ends; the database, the address and the open payment survive."""
    life = lives.held_then_settled(30)
    await node.play(life._replace(steps=life.steps[:2]))
    stream, address = raw.track_all(), node.address
    await stream.take(1)
    await node.stop()
    assert await stream.rest() == ([], Refused(UNKNOWN, "routerrpc server shutting down"))
    async with connected(node) as fresh:
        refused = await fresh.refusal(Method.GET_INFO)
        assert refused is not None
        assert refused.code is UNAVAILABLE
    await node.start()
    assert node.address == address
    async with connected(node) as fresh:
        stream = fresh.track_all()
        assert shapes(await stream.take(1)) == ["IN_FLIGHT [in flight]"]
        await node.play(life._replace(steps=life.steps[2:]))
        assert shapes(await stream.take(1)) == ["SUCCEEDED [settled]"]


async def test_kill(node: SimulatedNode, raw: Raw) -> None:
    """Connections break without a word from lnd."""
    stream = raw.track_all()
    await node.subscribers(1)
    await node.kill()
    updates, ended = await stream.rest()
    assert (updates, ended.code) == ([], UNAVAILABLE)
    await node.start()
    async with connected(node) as fresh:
        assert (await fresh.info()).synced_to_chain


async def test_another_node_behind_the_same_address(node: SimulatedNode, lives: Lives) -> None:
    """Another identity, another database."""
    await node.play(lives.success())
    await node.stop()
    node.become(World.random("another"))
    await node.start()
    async with connected(node) as raw:
        assert (await raw.info()).identity_pubkey == World.random("another").me.pubkey
        assert len((await raw.list_payments()).payments) == 0


async def test_refusals_on_demand(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """Any code and text, after some calls went well, so many times: pages that fail half-way."""
    await node.play(*(lives.success() for _ in range(4)))
    node.faults.refuse(Method.LIST_PAYMENTS, UNKNOWN, "boom", after=1, times=2)
    answers = [await raw.refusal(Method.LIST_PAYMENTS) for _ in range(4)]
    assert answers == [None, Refused(UNKNOWN, "boom"), Refused(UNKNOWN, "boom"), None]
    node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    refused = await raw.track_all().rest()
    assert refused == ([], Refused(grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments"))
    assert node.calls[Method.LIST_PAYMENTS] == 4


async def test_a_call_that_hangs_harms_no_other(node: SimulatedNode, raw: Raw, lives: Lives) -> None:
    """GetInfo may take for ever; the stream goes on."""
    node.faults.delay(Method.GET_INFO, math.inf)
    hanging = asyncio.create_task(raw.info())
    stream = raw.track_all()
    await node.subscribers(1)
    await node.play(lives.success())
    assert len(await stream.take(3)) == 3
    assert not hanging.done()
    hanging.cancel()


async def test_silence(node: SimulatedNode, raw: Raw) -> None:
    """A node that accepts everything and answers nothing: only the client's own deadline helps."""
    node.faults.silence()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(raw.info(), 0.05)
    node.faults.heal()
    assert (await raw.info()).alias == "simulated"


async def test_channels(node: SimulatedNode, raw: Raw) -> None:
    """Peers with aliases and balances."""
    answer = pb.ListChannelsResponse.FromString(await raw.ask(Method.LIST_CHANNELS))
    assert [channel.remote_pubkey for channel in answer.channels] == [p.node.pubkey for p in node.world.peers]
    assert all(channel.peer_alias and channel.active and channel.local_balance for channel in answer.channels)
