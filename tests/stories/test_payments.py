"""Stories of payments: every way in which a payment can end, and the changes of the page."""

import asyncio
from pathlib import Path

from exporter.config.addresses import WEBSOCKET
from exporter.payments.labels import Reason, Status
from tests.stories.lab import MORE_THAN_ALICE_HAS, STORM_SAT, TOO_MUCH_FOR_BOB, Lab
from tests.stories.page import Page, total
from tests.stories.process import exporting, node_configs
from tests.stories.world import World, page_changes

REBALANCED = 50_000  # sat
SUBSCRIBED_S = 2.0
"""Seconds after which a subscription has certainly begun: lnd doesn't acknowledge it."""
ATTEMPTS, HELD = 25, 2
"""HTLC attempts of the storm (`pages/storm.txt`), and those of them that the recipient holds until MPP_TIMEOUT."""
KILL_AFTER_S = (3, 5, 20, 40)
"""Seconds between kills, on real lnds only: they hold HTLCs for two minutes, the simulator for half a second."""


def all_attempted(page: Page) -> bool:
    """Return True once all updates but the last ones have been received: all attempts, two of them in flight."""
    started, in_flight = (total(page, "carol", name) for name in ("htlc_attempts_started_total", "in_flight_htlcs"))
    return (started, in_flight) == (ATTEMPTS, HELD)


async def storm(world: World, home: Path) -> None:
    """Let carol pay dave more than bob can forward: lnd splits and retries, and gives up after two minutes.

    On real nodes a second exporter is killed several times meanwhile; it must come to the same page. The simulator's
    storm is too short for that.
    """
    async with exporting(node_configs(world.labs["carol"], WEBSOCKET), home) as exporter:
        killed = World(world.kind, world.labs, exporter.target, exporter.log)
        await killed.followed("carol")
        await asyncio.sleep(SUBSCRIBED_S)
        again = page_changes(killed, "storm_killed", 1, lab="carol", restarts=True)
        async with again, page_changes(world, "storm", 1, lab="carol") as carol:
            invoice = await carol.invoice(STORM_SAT, at="dave")
            sending = await carol.pay(invoice, via="bob", max_parts=16)
            end = asyncio.create_task(sending.ended())
            try:
                for seconds in KILL_AFTER_S if world.kind == "real" else ():
                    await asyncio.wait([end], timeout=seconds)
                    await killed.until(lambda page: end.done() or all_attempted(page), "all attempts are counted")
                    if not end.done():
                        await exporter.kill()
                        await exporter.start()
                assert (await end).status is Status.FAILED
            finally:
                end.cancel()  # if only some stories run, none of them waits for the end of this one


async def test_success(world: World) -> None:
    """Two hops, one attempt."""
    async with page_changes(world, "success", 1) as alice:
        sending = await alice.pay(await alice.invoice(20_000, at="carol"), via="bob")
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_success_at_a_direct_peer(world: World) -> None:
    """One hop, no fee."""
    async with page_changes(world, "direct", 1) as alice:
        await (await alice.pay(await alice.invoice(500, at="bob"), via="bob")).ended()


async def test_retry(world: World) -> None:
    """The cheap route lacks balance, the expensive one doesn't: one failed attempt, then success."""
    await world.refill()
    async with page_changes(world, "retry", 1) as alice:
        sending = await alice.pay(await alice.invoice(TOO_MUCH_FOR_BOB, at="dave"))
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_no_route(world: World) -> None:
    """No route within the fee limit, no attempt."""
    async with page_changes(world, "no_route", 1) as alice:
        invoice = await alice.invoice(20_000, at="carol")
        sending = await alice.pay(invoice, via="bob", fee_limit_sat=0)
        assert (await sending.ended()).reason is Reason.NO_ROUTE


async def test_insufficient_balance(world: World) -> None:
    """More than the balance of all channels, no attempt."""
    async with page_changes(world, "insufficient_balance", 1) as alice:
        sending = await alice.pay(await alice.invoice(MORE_THAN_ALICE_HAS, at="bob"), max_parts=16)
        assert (await sending.ended()).reason is Reason.INSUFFICIENT_BALANCE


async def test_unknown_hash(world: World) -> None:
    """The recipient doesn't know it: the exporter can't distinguish it from a probe."""
    async with page_changes(world, "unknown_hash", 1) as alice:
        sending = await alice.pay(await alice.unknown_hash(3_000, at="carol"), via="bob")
        assert (await sending.ended()).reason is Reason.INCORRECT_PAYMENT_DETAILS


async def test_probe(world: World) -> None:
    """`EstimateRouteFee` with a payment request pays a random hash."""
    async with page_changes(world, "probe", 1) as alice:
        await alice.probe(await alice.invoice(3_000, at="bob"))


async def test_keysend(world: World) -> None:
    """Without an invoice."""
    async with page_changes(world, "keysend", 1) as alice:
        await (await alice.keysend(1_234, to="carol", via="bob")).ended()


async def test_amp(world: World) -> None:
    """An atomic multi-path payment of one part."""
    async with page_changes(world, "amp", 1) as alice:
        await (await alice.amp(1_234, to="carol", via="bob")).ended()


async def test_parts(world: World) -> None:
    """300k sat in three parts."""
    async with page_changes(world, "parts", 1) as alice:
        invoice = await alice.invoice(300_000, at="carol")
        sending = await alice.pay(invoice, via="bob", max_parts=3, max_shard_sat=100_000)
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_held_then_settled(world: World) -> None:
    """While it is held, the gauges show it; settled, it is an ordinary success."""
    async with page_changes(world, "held_then_settled", 1) as alice:
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
    """Cancelled, it fails with the reason of a refusal by the recipient."""
    async with page_changes(world, "held_then_cancelled", 1) as alice:
        invoice = await alice.invoice(5_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob")
        await sending.held()
        await alice.cancel(invoice)
        assert (await sending.ended()).reason is Reason.INCORRECT_PAYMENT_DETAILS


async def test_cancelled_by_the_caller(world: World) -> None:
    """The caller ends its stream while the HTLC is held; the second terminal update has the reason CANCELED."""
    async with page_changes(world, "canceled", 1) as alice:
        invoice = await alice.invoice(5_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob", cancelable=True)
        await sending.held()
        await sending.close()
        await alice.cancel(invoice)
        assert (await sending.ended()).reason is Reason.CANCELED


async def overdue(alice: Lab, *, settle: bool) -> Reason:
    """Hold a payment beyond its timeout, then settle or cancel it; return its reason."""
    invoice = await alice.invoice(5_000, at="carol", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=4)
    await sending.held()
    await sending.overdue()
    await (alice.settle if settle else alice.cancel)(invoice)
    return (await sending.ended()).reason


async def test_late_settle_and_late_cancel(world: World) -> None:
    """Settled after the timeout it is a late success; cancelled after it, it has the reason TIMEOUT."""
    async with page_changes(world, "late", 2) as alice:
        reasons = [*await asyncio.gather(overdue(alice, settle=True), overdue(alice, settle=False))]
        assert reasons == [Reason.TIMEOUT, Reason.TIMEOUT]


async def test_failed_then_tried_again(world: World) -> None:
    """Two runs of one hash; lnd erases the first, the page keeps it."""
    async with page_changes(world, "tried_again", 2) as alice:
        invoice = await alice.invoice(20_000, at="carol")
        await (await alice.pay(invoice, via="bob", fee_limit_sat=0)).ended()
        await world.until(lambda page: total(page, "alice", "in_flight") == 0, "the first is counted")
        await (await alice.pay(invoice, via="bob")).ended()
    world.erased[Reason.NO_ROUTE] += 1


async def test_send_to_route(world: World) -> None:
    """One that succeeds, one that the recipient refuses."""
    async with page_changes(world, "send_to_route", 2) as alice:
        await alice.send_to_route(await alice.invoice(7_000, at="carol"), via="bob")
        await alice.send_to_route(await alice.unknown_hash(7_000, at="carol"), via="bob")


async def test_rebalance(world: World) -> None:
    """One around the ring, and one without a route: both are rebalances, though the second has no attempt."""
    async with page_changes(world, "rebalance", 2) as alice:
        around = await alice.pay(await alice.invoice(REBALANCED, at="alice"), via="bob")
        assert (await around.ended()).status is Status.SUCCEEDED
        without_route = await alice.pay(await alice.invoice(REBALANCED, at="alice"), via="bob", fee_limit_sat=0)
        assert (await without_route.ended()).reason is Reason.NO_ROUTE
