"""Stories of peers that go offline: what lnd then says of a payment, and what the page makes of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.payments.labels import Reason, Status
from tests.stories.lab import Lab
from tests.stories.page import Page, total
from tests.stories.world import World, ended, telling

MORE_THAN_ONE_CHANNEL_HAS = 2_500_000
"""Sat; less than both of alice's have together."""


@asynccontextmanager
async def without(alice: Lab, *peers: str) -> AsyncIterator[None]:
    """Within the block these peers are offline."""
    await alice.disconnect(*peers)
    try:
        yield
    finally:
        await alice.connect()


async def test_all_peers_are_offline(world: World) -> None:
    """lnd has balance but can't send it: `insufficient_balance`, nothing is sent. The page tells of the channels."""
    async with telling(world, "all_peers_offline", 2) as alice, without(alice, "bob", "carol"):
        direct = await alice.pay(await alice.invoice(1_000, at="bob"))
        assert (await direct.ended()).reason is Reason.INSUFFICIENT_BALANCE
        parts = await alice.pay(await alice.invoice(30_000, at="carol"), max_parts=16)
        assert (await parts.ended()).reason is Reason.INSUFFICIENT_BALANCE
        await world.until(lambda page: channels(page) == (0, 2), "both channels are inactive")


async def test_one_of_two_peers_is_offline(world: World) -> None:
    """lnd finds another way, or none that is cheap enough; and where the balance was with this peer, it lacks."""
    async with telling(world, "one_peer_offline", 4) as alice, without(alice, "bob"):
        around = await alice.pay(await alice.invoice(1_000, at="bob"))
        assert (await around.ended()).status is Status.SUCCEEDED
        dear = await alice.pay(await alice.invoice(2_000, at="bob"), fee_limit_sat=0)
        assert (await dear.ended()).reason is Reason.NO_ROUTE
        large = await alice.pay(await alice.invoice(MORE_THAN_ONE_CHANNEL_HAS, at="carol"), max_parts=16)
        assert (await large.ended()).reason is Reason.INSUFFICIENT_BALANCE
        only_there = await alice.pay(await alice.invoice(3_000, at="carol"), via="bob")
        assert (await only_there.ended()).reason is Reason.INSUFFICIENT_BALANCE


async def test_a_peer_goes_offline_amid_a_payment(world: World) -> None:
    """Its HTLC stays where it is, and the payment in flight; when the peer is back it ends as ever."""
    async with telling(world, "peer_offline_amid", 2) as alice:
        invoice = await alice.invoice(4_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob", timeout_s=3600)
        await sending.held()
        before = ended(await world.page(), "alice")
        async with without(alice, "bob"):
            another = await alice.pay(await alice.invoice(5_000, at="carol"), via="bob")
            assert (await another.ended()).reason is Reason.INSUFFICIENT_BALANCE
            page = await world.settled("alice", int(before) + 1, in_flight=1)
            assert total(page, "alice", "in_flight_htlcs") == 1
        await alice.settle(invoice)
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_a_route_of_ones_own_begins_at_an_offline_peer(world: World) -> None:
    """The one HTLC that fails at a channel whose peer is offline: lnd doesn't look before, and `own_channel` it is.

    It fails so fast that some clocks see no time pass, and the page no locked balance: only counters are compared.
    """
    alice, before = world.alice, await world.page()
    try:
        await alice.send_to_route(await alice.invoice(7_000, at="bob"), via="bob", offline=True)
    finally:
        await alice.connect()
    after = await world.settled("alice", int(ended(before, "alice")) + 1)

    def more(name: str, **labels: str) -> float:
        return total(after, "alice", name, **labels) - total(before, "alice", name, **labels)

    assert more("failed_total") == more("failed_total", kind="other", reason="error") == 1
    assert more("failed_by_cause_total", purpose="other", cause="own_channel") == 1
    assert more("htlc_attempts_started_total") == more("htlc_attempts_failed_total") == 1
    assert more("htlc_attempts_failed_total", code="unknown_next_peer", source="self") == 1
    assert more("peer_htlc_attempts_total", peer=alice.pubkeys["bob"], outcome="failed_here") == 1


def channels(page: Page) -> tuple[float, float]:
    """How many of alice's are active, and how many inactive."""
    active, inactive = (total(page, "alice", "node_channels", state=state) for state in ("active", "inactive"))
    return active, inactive
