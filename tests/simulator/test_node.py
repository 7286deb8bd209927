"""The node itself: macaroons, certificates, states, restarts and faults."""

import asyncio
import math

import grpc
import pytest

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Method
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.simulator.service import METHOD_PATHS, SMALLEST_PERMISSIONS
from exporter.simulator.subscriptions import RpcStatus
from exporter.simulator.world import World
from tests.simulator.raw import Raw, connected, shapes

UNKNOWN, UNAVAILABLE = grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE
PROTECTED = [method for method in Method if method in METHOD_PATHS and method is not Method.SUBSCRIBE_STATE]


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
async def test_wrong_macaroon_is_refused(macaroon: str | None, text: str, node: SimulatedNode) -> None:
    """Every method but that of the state is refused with UNKNOWN and lnd's text."""
    async with connected(node, macaroon) as raw:
        for method in PROTECTED:
            assert await raw.refusal(method) == RpcStatus(UNKNOWN, text)
        assert await anext(raw.states()) == "SERVER_ACTIVE"


async def test_smallest_macaroon_does_not_allow_list_channels(node: SimulatedNode) -> None:
    """The exporter works without ListChannels."""
    node.renew_macaroon(SMALLEST_PERMISSIONS)
    async with connected(node) as raw:
        assert (await raw.info()).alias == "simulated"
        assert await raw.refusal(Method.LIST_CHANNELS) == RpcStatus(UNKNOWN, "permission denied")


async def test_replaced_macaroon_is_refused(node: SimulatedNode, raw: Raw) -> None:
    """The old macaroon is refused; the file has the new one."""
    node.renew_macaroon()
    assert await raw.refusal(Method.GET_INFO) == RpcStatus(
        UNKNOWN, "cannot retrieve macaroon: cannot get macaroon: root key with id 1 doesn't exist"
    )
    async with connected(node) as fresh:
        assert (await fresh.info()).identity_pubkey == node.world.me.pubkey


async def test_old_certificate_does_not_verify_after_replacement(node: SimulatedNode) -> None:
    """The TLS library of a client that trusts the old certificate refuses the connection."""
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
async def test_starting_node_answers_the_state_service_only(
    state: pb.WalletState, text: str, node: SimulatedNode
) -> None:
    """Only the state service answers, also to clients without a macaroon."""
    await node.restart(state)
    async with connected(node, None) as raw:
        assert [await raw.refusal(method) for method in PROTECTED] == [RpcStatus(UNKNOWN, text)] * len(PROTECTED)
        assert await anext(raw.states()) == pb.WalletState.Name(state)


async def test_unlocking_passes_through_all_states(node: SimulatedNode, scenarios: Scenarios) -> None:
    """States are sent in lnd's order; payments go on after the last one."""
    await node.lock()
    paid = asyncio.create_task(node.play(scenarios.success()))
    async with connected(node) as raw:
        states = raw.states()
        seen = [await anext(states)]
        assert node.truth() == []
        await node.unlock()
        seen += [await anext(states) for _ in range(3)]
        assert seen == ["LOCKED", "UNLOCKED", "RPC_ACTIVE", "SERVER_ACTIVE"]
        await paid
        assert shapes((await raw.list_payments()).payments) == ["SUCCEEDED [settled]"]


async def test_open_payment_survives_a_restart(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """The stream ends with lnd's status; the database, the address and the open payment survive."""
    scenario = scenarios.held_then_settled(30)
    await node.play(scenario._replace(steps=scenario.steps[:2]))
    stream, address = raw.track_all(), node.address
    await stream.take(1)
    await node.stop()
    assert await stream.rest() == ([], RpcStatus(UNKNOWN, "routerrpc server shutting down"))
    async with connected(node) as fresh:
        refused = await fresh.refusal(Method.GET_INFO)
        assert refused is not None
        assert refused.code is UNAVAILABLE
    await node.start()
    assert node.address == address
    async with connected(node) as fresh:
        stream = fresh.track_all()
        assert shapes(await stream.take(1)) == ["IN_FLIGHT [in flight]"]
        await node.play(scenario._replace(steps=scenario.steps[2:]))
        assert shapes(await stream.take(1)) == ["SUCCEEDED [settled]"]


async def test_kill_breaks_connections(node: SimulatedNode, raw: Raw) -> None:
    """A stream ends with UNAVAILABLE, the status of a broken connection."""
    stream = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.kill()
    updates, ended = await stream.rest()
    assert (updates, ended.code) == ([], UNAVAILABLE)
    await node.start()
    async with connected(node) as fresh:
        assert (await fresh.info()).synced_to_chain


async def test_become_replaces_identity_and_database(node: SimulatedNode, scenarios: Scenarios) -> None:
    """Afterwards the same address has another identity and an empty database."""
    await node.play(scenarios.success())
    await node.stop()
    node.change_identity(World.random("another"))
    await node.start()
    async with connected(node) as raw:
        assert (await raw.info()).identity_pubkey == World.random("another").me.pubkey
        assert len((await raw.list_payments()).payments) == 0


async def test_refuse_fails_the_given_calls(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """`after` calls go well, the next `times` calls fail with the given code and text, then calls go well again."""
    await node.play(*(scenarios.success() for _ in range(4)))
    node.faults.refuse(Method.LIST_PAYMENTS, UNKNOWN, "boom", after=1, times=2)
    answers = [await raw.refusal(Method.LIST_PAYMENTS) for _ in range(4)]
    assert answers == [None, RpcStatus(UNKNOWN, "boom"), RpcStatus(UNKNOWN, "boom"), None]
    node.faults.refuse(Method.TRACK_PAYMENTS, grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments")
    refused = await raw.track_all().rest()
    assert refused == ([], RpcStatus(grpc.StatusCode.UNIMPLEMENTED, "unknown method TrackPayments"))
    assert node.calls[Method.LIST_PAYMENTS] == 4


async def test_hanging_call_does_not_block_others(node: SimulatedNode, raw: Raw, scenarios: Scenarios) -> None:
    """While GetInfo hangs, the stream goes on."""
    node.faults.delay(Method.GET_INFO, math.inf)
    hanging = asyncio.create_task(raw.info())
    stream = raw.track_all()
    await node.wait_for_subscribers(1)
    await node.play(scenarios.success())
    assert len(await stream.take(3)) == 3
    assert not hanging.done()
    hanging.cancel()


async def test_silence_leaves_calls_unanswered(node: SimulatedNode, raw: Raw) -> None:
    """The node accepts calls and never answers, until it is healed."""
    node.faults.silence()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(raw.info(), 0.05)
    node.faults.heal()
    assert (await raw.info()).alias == "simulated"


async def test_channels_have_aliases_and_balances(node: SimulatedNode, raw: Raw) -> None:
    """There is one channel for each peer of the world."""
    answer = pb.ListChannelsResponse.FromString(await raw.unary(Method.LIST_CHANNELS))
    assert [channel.remote_pubkey for channel in answer.channels] == [p.node.pubkey for p in node.world.peers]
    assert all(channel.peer_alias and channel.active and channel.local_balance for channel in answer.channels)
