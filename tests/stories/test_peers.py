"""Stories of offline peers: the failure reasons of lnd, and the changes of the page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exporter.payments.labels import Reason, Status
from tests.stories.lab import Lab
from tests.stories.page import Page, total
from tests.stories.world import World, ended, page_changes

MORE_THAN_ONE_CHANNEL_HAS = 2_500_000
"""Sat; less than both of alice's have together."""


@asynccontextmanager
async def without(alice: Lab, *peers: str) -> AsyncIterator[None]:
    """Take these peers offline within the block."""
    await alice.disconnect(*peers)
    try:
        yield
    finally:
        await alice.connect()


async def test_all_peers_are_offline(world: World) -> None:
    """lnd can't use its balance: `insufficient_balance`, no attempt. The page shows inactive channels."""
    async with page_changes(world, "all_peers_offline", 2) as alice, without(alice, "bob", "carol"):
        direct = await alice.pay(await alice.invoice(1_000, at="bob"))
        assert (await direct.ended()).reason is Reason.INSUFFICIENT_BALANCE
        parts = await alice.pay(await alice.invoice(30_000, at="carol"), max_parts=16)
        assert (await parts.ended()).reason is Reason.INSUFFICIENT_BALANCE
        await world.until(lambda page: channels(page) == (0, 2), "both channels are inactive")


async def test_one_of_two_peers_is_offline(world: World) -> None:
    """lnd takes another route, or has none within the fee limit; a payment that needs that peer's balance lacks it."""
    async with page_changes(world, "one_peer_offline", 4) as alice, without(alice, "bob"):
        around = await alice.pay(await alice.invoice(1_000, at="bob"))
        assert (await around.ended()).status is Status.SUCCEEDED
        too_expensive = await alice.pay(await alice.invoice(2_000, at="bob"), fee_limit_sat=0)
        assert (await too_expensive.ended()).reason is Reason.NO_ROUTE
        large = await alice.pay(await alice.invoice(MORE_THAN_ONE_CHANNEL_HAS, at="carol"), max_parts=16)
        assert (await large.ended()).reason is Reason.INSUFFICIENT_BALANCE
        only_there = await alice.pay(await alice.invoice(3_000, at="carol"), via="bob")
        assert (await only_there.ended()).reason is Reason.INSUFFICIENT_BALANCE


async def test_peer_goes_offline_during_a_payment(world: World) -> None:
    """HTLC and payment stay in flight; when the peer is back, the payment can be settled."""
    async with page_changes(world, "peer_offline_amid", 2) as alice:
        invoice = await alice.invoice(4_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob", timeout_s=3600)
        await sending.held()
        before = ended(await world.page(), "alice")
        async with without(alice, "bob"):
            another = await alice.pay(await alice.invoice(5_000, at="carol"), via="bob")
            assert (await another.ended()).reason is Reason.INSUFFICIENT_BALANCE
            page = await world.counted("alice", int(before) + 1, in_flight=1)
            assert total(page, "alice", "in_flight_htlcs") == 1
        await alice.settle(invoice)
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_send_to_route_over_an_offline_peer(world: World) -> None:
    """Only here lnd tries a channel whose peer is offline; the cause is `own_channel`.

    It may fail within a tick of the clock, without any time of locked balance: only counters are compared.
    """
    alice, before = world.alice, await world.page()
    try:
        await alice.send_to_route(await alice.invoice(7_000, at="bob"), via="bob", offline=True)
    finally:
        await alice.connect()
    after = await world.counted("alice", int(ended(before, "alice")) + 1)

    def more(name: str, **labels: str) -> float:
        return total(after, "alice", name, **labels) - total(before, "alice", name, **labels)

    assert more("failed_total") == more("failed_total", kind="other", reason="error") == 1
    assert more("failed_by_cause_total", purpose="other", cause="own_channel") == 1
    assert more("htlc_attempts_started_total") == more("htlc_attempts_failed_total") == 1
    assert more("htlc_attempts_failed_total", code="unknown_next_peer", source="self") == 1
    assert more("peer_htlc_attempts_total", peer=alice.pubkeys["bob"], outcome="failed_here") == 1


def channels(page: Page) -> tuple[float, float]:
    """Return the numbers of alice's active and inactive channels."""
    active, inactive = (total(page, "alice", "node_channels", state=state) for state in ("active", "inactive"))
    return active, inactive
