"""Stories of restarts of the exporter and of nodes, while a payment is in flight."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.payments.labels import Reason, Status
from tests.stories.lab import Invoice, Lab, Sending
from tests.stories.page import ABOUT_THE_NODE, PREFIX, Page, decreased_counters, parse, total
from tests.stories.process import exporting, node_configs
from tests.stories.prometheus import Prometheus
from tests.stories.world import World, page_changes

FEW = 20
"""Up to this value PromQL's `increase` is exact after rounding, in spite of its extrapolation."""
Outage = Callable[[World, Lab], Awaitable[None]]


async def held(alice: Lab) -> tuple[Invoice, Sending]:
    """Return an invoice and its payment, whose HTLC the recipient holds."""
    invoice = await alice.invoice(6_000, at="carol", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=3600)
    await sending.held()
    return invoice, sending


async def test_held_payment_is_counted_by_an_exporter_started_later(world: World, tmp_path: Path) -> None:
    """It is counted as started, with its HTLC; payments that have ended are history."""
    alice = world.alice
    invoice, sending = await held(alice)
    async with exporting(node_configs(alice), tmp_path / "late") as exporter:
        late = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await late.followed("alice")
        page = await late.until(lambda page: total(page, "alice", "started_total") == 1, "the held one is seen")
        assert total(page, "alice", "in_flight_htlcs") == 1
        await alice.settle(invoice)
        await sending.ended()
        page = await late.counted("alice", 1)
        assert total(page, "alice", "started_total") == 1
        assert total(page, "alice", "succeeded_total", kind="invoice") == 1
        assert total(page, "alice", "htlc_attempts_settled_total") == 1
        assert total(page, "alice", "first_attempt_seconds_count") == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_exporter_is_killed(world: World, tmp_path: Path, transport: str) -> None:
    """Killed with -9 twice, while payments are held, end and start, it counts each once, and no counter decreases."""
    alice = world.alice
    async with exporting(node_configs(alice, transport), tmp_path / "killed") as exporter, AsyncExitStack() as stack:
        second = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await second.followed("alice")
        if world.prometheus is not None:
            second.prometheus = Prometheus(tmp_path / "prometheus", exporter.target)
            stack.push_async_callback(second.prometheus.stop)
            await second.prometheus.start()
        assert (await (await alice.pay(await alice.invoice(7_000, at="bob"))).ended()).status is Status.SUCCEEDED
        invoice = await alice.invoice(60_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob", max_parts=3, max_shard_sat=20_000, timeout_s=3600)
        await sending.held(3)
        before = await second.counted("alice", 1, in_flight=1)
        assert total(before, "alice", "in_flight_htlcs") == 3
        await exporter.kill()
        await exporter.start()
        at_once = await second.page()
        assert decreased_counters(before, at_once, "alice") == []
        assert total(at_once, "alice", "in_flight_htlcs") == 3
        before = await second.followed("alice")
        await exporter.kill()
        await alice.settle(invoice)
        assert (await sending.ended()).status is Status.SUCCEEDED
        await pay_meanwhile(world, alice)
        await exporter.start()
        assert decreased_counters(before, await second.page(), "alice") == []
        page = await second.counted("alice", 5)
        assert decreased_counters(before, page, "alice") == []
        names = ("started", "succeeded", "failed", "recovered", "lost", "htlc_attempts_settled")
        totals = {name: total(page, "alice", f"{name}_total") for name in names}
        assert totals == dict(zip(names, (5, 4, 1, 4, 0, 6), strict=True))
        assert total(page, "alice", "failed_total", reason="incorrect_payment_details") == 1
        if second.prometheus is not None:
            await check_prometheus(second.prometheus, page)


async def test_failure_is_made_good_while_no_exporter_runs(world: World, tmp_path: Path) -> None:
    """Its hash is paid again after a kill with -9: the next exporter process knows which failure that was."""
    alice = world.alice
    async with exporting(node_configs(alice, GRPC), tmp_path / "made_good") as exporter:
        second = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await second.followed("alice")
        invoice = await alice.invoice(9_000, at="carol")
        assert (await (await alice.pay(invoice, via="bob", fee_limit_sat=0)).ended()).reason is Reason.NO_ROUTE
        page = await second.counted("alice", 1)
        assert total(page, "alice", "failed_made_good_total") == 0
        await exporter.kill()
        assert (await (await alice.pay(invoice, via="bob")).ended()).status is Status.SUCCEEDED
        world.erased[Reason.NO_ROUTE] += 1
        await exporter.start()
        page = await second.counted("alice", 2)
        labels = {"kind": "invoice", "amount_band": "1k_to_10k_sat", "reason": "no_route"}
        assert total(page, "alice", "failed_total", **labels) == 1
        assert total(page, "alice", "failed_made_good_total", **labels) == 1
        assert total(page, "alice", "failed_made_good_total") == 1
        assert total(page, "alice", "runs_per_success_count", purpose="payment") == 1
        assert total(page, "alice", "runs_per_success_sum", purpose="payment") == 2


async def pay_meanwhile(world: World, alice: Lab) -> None:
    """Make payments while no exporter runs: a success, a failure, a failure and retry whose first run is erased."""
    assert (await (await alice.pay(await alice.invoice(8_000, at="bob"))).ended()).status is Status.SUCCEEDED
    refused = await (await alice.pay(await alice.unknown_hash(3_000, at="bob"), via="bob")).ended()
    assert refused.reason is Reason.INCORRECT_PAYMENT_DETAILS
    invoice = await alice.invoice(9_000, at="carol")
    assert (await (await alice.pay(invoice, via="bob", fee_limit_sat=0)).ended()).reason is Reason.NO_ROUTE
    assert (await (await alice.pay(invoice, via="bob")).ended()).status is Status.SUCCEEDED
    world.erased[Reason.NO_ROUTE] += 1


async def check_prometheus(prometheus: Prometheus, page: Page) -> None:
    """Check that no counter was reset in the whole story, and that Prometheus comes to the same increases."""
    await prometheus.next_scrape()
    assert await prometheus.fallen_counters() == []
    assert await prometheus.broken_laws() == []
    # Without ListChannels a peer's series start with its first HTLC, so a scrape may not see them at 0.
    left_out = (*ABOUT_THE_NODE, "peer_")
    counters = {s.name for s in page["alice"] if s.name.endswith("_total") and not s.name.startswith(left_out)}
    few = {name: total(page, "alice", name) for name in counters if total(page, "alice", name) < FEW}
    assert len(few) > 9
    assert {name: await prometheus.increase(f"{PREFIX}{name}") for name in few} == few


async def restart(world: World, alice: Lab) -> None:
    """Stop the node, wait until the exporter shows it, start the node."""
    await alice.stop()
    await world.in_state("alice", "unreachable")
    await alice.start()


async def kill(world: World, alice: Lab) -> None:
    """Kill the node with -9, wait until the exporter shows it, start the node."""
    await alice.kill()
    await world.in_state("alice", "unreachable")
    await alice.start()


async def lock(world: World, alice: Lab) -> None:
    """Restart the node without its wallet password, wait until the exporter shows it, unlock the wallet."""
    await alice.stop()
    await alice.lock()
    page = await world.in_state("alice", "locked")
    assert total(page, "alice", "node_up") == 0
    assert total(page, "alice", "in_flight") == 1, "the payment stays on the page"
    await alice.unlock()


async def new_macaroon(world: World, alice: Lab) -> None:
    """Restart the node with the macaroon revoked, wait until the exporter shows it, write a new one."""
    await alice.revoke_macaroon()
    await alice.stop()
    await alice.start()
    await world.in_state("alice", "denied")
    await alice.bake_macaroon()


async def new_certificate(world: World, alice: Lab) -> None:
    """Restart the node with a new certificate, which is copied to the exporter later."""
    await alice.stop()
    await alice.renew_certificate()
    await alice.start()
    await world.until(lambda page: total(page, "alice", "stream_up") == 0, "alice's stream is down")
    await alice.publish_certificate()


@pytest.mark.parametrize("outage", [restart, kill, lock, new_macaroon, new_certificate])
async def test_node_is_away_during_a_payment(world: World, outage: Outage) -> None:
    """The payment is held all the time, and settled afterwards: everything about it is counted once."""
    async with page_changes(world, f"after_{outage.__name__}", 1, restarts=True) as alice:
        invoice, sending = await held(alice)
        await world.until(lambda page: total(page, "alice", "in_flight_htlcs") == 1, "held")
        await outage(world, alice)
        await world.followed("alice")
        await alice.settle(invoice)
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_payment_settled_while_the_node_is_away(world: World) -> None:
    """It is counted once, whether its end is live or recovered."""
    before = await world.page()
    alice = world.alice
    invoice, sending = await held(alice)
    await alice.stop()
    await alice.settle(invoice)
    await alice.start()
    assert (await sending.ended()).status is Status.SUCCEEDED
    await world.followed("alice")
    after = await world.until(lambda page: total(page, "alice", "in_flight") == 0, "it is counted")

    def more(name: str) -> float:
        return total(after, "alice", name) - total(before, "alice", name)

    assert more("started_total") == more("succeeded_total") == 1
    assert more("htlc_attempts_started_total") == more("htlc_attempts_settled_total") == 1
    assert more("lost_total") == more("failed_total") == more("htlc_attempts_unresolved_total") == 0


async def test_page_keeps_all_series_while_a_node_is_away(world: World) -> None:
    """The totals of the node stay, and the other node is still followed."""
    before = await world.page()
    await world.alice.stop()
    page = await world.in_state("alice", "unreachable")
    assert total(page, "alice", "started_total") == total(before, "alice", "started_total")
    assert total(page, "carol", "stream_up") == 1, "another node is not affected"
    assert parse(await world.text())["alice"].keys() >= before["alice"].keys()
    await world.alice.start()
    await world.followed("alice")
