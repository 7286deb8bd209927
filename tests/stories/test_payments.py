"""Stories of payments: every way in which one can end, and what the page then says."""

import asyncio
from pathlib import Path

from exporter.config.addresses import WEBSOCKET
from exporter.payments.labels import Reason, Status
from tests.stories.lab import MORE_THAN_ALICE_HAS, STORM_SAT, TOO_MUCH_FOR_BOB, Lab
from tests.stories.page import Page, total
from tests.stories.process import exporting, ways
from tests.stories.world import World, telling

REBALANCED = 50_000  # sat
SUBSCRIBED_S = 2.0
"""lnd never says when a subscription has begun."""
TRIED, HELD = 25, 2
"""HTLC attempts of the storm (`pages/storm.txt`), and those that the recipient holds until it gives up."""
KILLED_AFTER_S = (3, 5, 20, 40)
"""lnd holds them for two minutes; the simulator for half a second, so there nothing is killed."""


def all_tried(page: Page) -> bool:
    """Return True once all updates but those of the end were heard."""
    tried, in_flight = (total(page, "carol", name) for name in ("htlc_attempts_started_total", "in_flight_htlcs"))
    return (tried, in_flight) == (TRIED, HELD)


async def storm(world: World, home: Path) -> None:
    """Carol pays more to dave than gets through: lnd halves and tries again for two minutes, then gives up.

    A second exporter is killed all the while, and comes to the same page.
    """
    async with exporting(ways(world.labs["carol"], WEBSOCKET), home) as exporter:
        killed = World(world.kind, world.labs, exporter.target, exporter.log)
        await killed.live("carol")
        await asyncio.sleep(SUBSCRIBED_S)
        again = telling(killed, "storm_killed", 1, lab="carol", restarts=True)
        async with again, telling(world, "storm", 1, lab="carol") as carol:
            invoice = await carol.invoice(STORM_SAT, at="dave")
            sending = await carol.pay(invoice, via="bob", max_parts=16)
            end = asyncio.create_task(sending.ended())
            try:
                for seconds in KILLED_AFTER_S:
                    await asyncio.wait([end], timeout=seconds)
                    await killed.until(lambda page: end.done() or all_tried(page), "the storm is over but for its end")
                    if not end.done():
                        await exporter.kill()
                        await exporter.start()
                assert (await end).status is Status.FAILED
            finally:
                end.cancel()  # where only some stories are told nobody waits for this one


async def test_success(world: World) -> None:
    """Two hops, one attempt."""
    async with telling(world, "success", 1) as alice:
        sending = await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_success_at_a_direct_peer(world: World) -> None:
    """One hop, free."""
    async with telling(world, "direct", 1) as alice:
        await (await alice.pay(await alice.invoice(500, at="bob"), via="bob")).ended()


async def test_retry(world: World) -> None:
    """The cheap route has not enough, the dear one has: one failed attempt, then success."""
    async with telling(world, "retry", 1) as alice:
        sending = await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_no_route(world: World) -> None:
    """No route within the fee limit: nothing is ever sent."""
    async with telling(world, "no_route", 1) as alice:
        invoice = await alice.invoice(20_000, at="carol")
        sending = await alice.pay(invoice, via="bob", fee_limit_sat=0)
        assert (await sending.ended()).reason is Reason.NO_ROUTE


async def test_insufficient_balance(world: World) -> None:
    """More than all channels together hold: nothing is ever sent."""
    async with telling(world, "insufficient_balance", 1) as alice:
        sending = await alice.pay(await alice.invoice(MORE_THAN_ALICE_HAS, at="bob"), max_parts=16)
        assert (await sending.ended()).reason is Reason.INSUFFICIENT_BALANCE


async def test_unknown_hash(world: World) -> None:
    """The recipient has never heard of it: from here it looks like a probe."""
    async with telling(world, "unknown_hash", 1) as alice:
        sending = await alice.pay(await alice.unknown_hash(3_000, at="carol"), via="bob")
        assert (await sending.ended()).reason is Reason.INCORRECT_PAYMENT_DETAILS


async def test_probe(world: World) -> None:
    """`EstimateRouteFee` with a payment request pays a random hash."""
    async with telling(world, "probe", 1) as alice:
        await alice.probe(await alice.invoice(3_000, at="bob"))


async def test_keysend(world: World) -> None:
    """Without an invoice."""
    async with telling(world, "keysend", 1) as alice:
        await (await alice.keysend(1_234, to="carol", via="bob")).ended()


async def test_amp(world: World) -> None:
    """An atomic multi-path payment of one part."""
    async with telling(world, "amp", 1) as alice:
        await (await alice.amp(1_234, to="carol", via="bob")).ended()


async def test_parts(world: World) -> None:
    """300k sat in three parts."""
    async with telling(world, "parts", 1) as alice:
        invoice = await alice.invoice(300_000, at="carol")
        sending = await alice.pay(invoice, via="bob", max_parts=3, max_shard_sat=100_000)
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_held_then_settled(world: World) -> None:
    """While it is held the page says so; settled, it is an ordinary success."""
    async with telling(world, "held_then_settled", 1) as alice:
        invoice = await alice.invoice(5_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob")
        await sending.held()
        page = await world.until(lambda page: total(page, "alice", "in_flight_htlcs") == 1, "held")
        assert total(page, "alice", "in_flight", purpose="payment", age="under_1m") == 1
        assert total(page, "alice", "in_flight_msat") == 5_000_000
        assert total(page, "alice", "peer_in_flight_htlcs", peer=alice.pubkeys["bob"]) == 1
        await alice.settle(invoice)
        await sending.ended()


async def test_held_then_cancelled(world: World) -> None:
    """Cancelled, it is a refusal of the recipient."""
    async with telling(world, "held_then_cancelled", 1) as alice:
        invoice = await alice.invoice(5_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob")
        await sending.held()
        await alice.cancel(invoice)
        assert (await sending.ended()).reason is Reason.INCORRECT_PAYMENT_DETAILS


async def test_cancelled_by_the_caller(world: World) -> None:
    """The caller hangs up while the HTLC is held; the second terminal update says so."""
    async with telling(world, "canceled", 1) as alice:
        invoice = await alice.invoice(5_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob", cancelable=True)
        await sending.held()
        await sending.close()
        await alice.cancel(invoice)
        assert (await sending.ended()).reason is Reason.CANCELED


async def overdue(alice: Lab, *, settle: bool) -> Reason:
    """A payment whose timeout passes while its HTLC is held."""
    invoice = await alice.invoice(5_000, at="carol", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=4)
    await sending.held()
    await sending.overdue()
    await (alice.settle if settle else alice.cancel)(invoice)
    return (await sending.ended()).reason


async def test_late_settle_and_late_cancel(world: World) -> None:
    """Settled after its timeout: a late success. Cancelled after it: timed out, because it was held."""
    async with telling(world, "late", 2) as alice:
        reasons = [*await asyncio.gather(overdue(alice, settle=True), overdue(alice, settle=False))]
        assert reasons == [Reason.TIMEOUT, Reason.TIMEOUT]


async def test_failed_then_tried_again(world: World) -> None:
    """Two runs of one hash; lnd forgets the first, the page doesn't."""
    async with telling(world, "tried_again", 2) as alice:
        invoice = await alice.invoice(20_000, at="carol")
        await (await alice.pay(invoice, via="bob", fee_limit_sat=0)).ended()
        await world.until(lambda page: total(page, "alice", "in_flight") == 0, "the first is counted")
        await (await alice.pay(invoice, via="bob")).ended()
    world.erased[Reason.NO_ROUTE] += 1


async def test_send_to_route(world: World) -> None:
    """Along a route of one's own: one that succeeds, one that the recipient refuses."""
    async with telling(world, "send_to_route", 2) as alice:
        await alice.send_to_route(await alice.invoice(7_000, at="carol"), via="bob")
        await alice.send_to_route(await alice.unknown_hash(7_000, at="carol"), via="bob")


async def test_rebalance(world: World) -> None:
    """Paying oneself around the ring, and the same without a route: both are rebalances, though one has no attempt."""
    async with telling(world, "rebalance", 2) as alice:
        around = await alice.pay(await alice.invoice(REBALANCED, at="alice"), via="bob")
        assert (await around.ended()).status is Status.SUCCEEDED
        nowhere = await alice.pay(await alice.invoice(REBALANCED, at="alice"), via="bob", fee_limit_sat=0)
        assert (await nowhere.ended()).reason is Reason.NO_ROUTE
