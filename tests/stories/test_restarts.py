"""Stories of nodes that go away and come back, while a payment is under way."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from exporter.config.addresses import TRANSPORTS
from exporter.payments.labels import Reason, Status
from tests.stories.lab import Invoice, Lab, Sending
from tests.stories.page import ABOUT_THE_NODE, PREFIX, Page, fallen, read, total
from tests.stories.process import exporting, ways
from tests.stories.prometheus import Prometheus
from tests.stories.world import World, telling

FEW = 20
"""An increase up to this is whole when it is rounded, however much is extrapolated."""
Blow = Callable[[World, Lab], Awaitable[None]]


async def held(alice: Lab) -> tuple[Invoice, Sending]:
    """A payment whose HTLC the recipient holds."""
    invoice = await alice.invoice(6_000, at="carol", hold=True)
    sending = await alice.pay(invoice, via="bob", timeout_s=3600)
    await sending.held()
    return invoice, sending


async def test_the_exporter_starts_while_a_payment_is_held(world: World, tmp_path: Path) -> None:
    """It is started then, with its HTLC, and ends like any other; what was before is history."""
    alice = world.alice
    invoice, sending = await held(alice)
    async with exporting(ways(alice), tmp_path / "late") as exporter:
        late = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await late.live("alice")
        page = await late.until(lambda page: total(page, "alice", "started_total") == 1, "the held one is seen")
        assert total(page, "alice", "in_flight_htlcs") == 1
        await alice.settle(invoice)
        await sending.ended()
        page = await late.settled("alice", 1)
        assert total(page, "alice", "started_total") == 1
        assert total(page, "alice", "succeeded_total", kind="invoice") == 1
        assert total(page, "alice", "htlc_attempts_settled_total") == 1
        assert total(page, "alice", "first_attempt_seconds_count") == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_exporter_is_killed(world: World, tmp_path: Path, transport: str) -> None:
    """With -9, twice, while payments are held, end and begin: each counts once, and no page shows less than before."""
    alice = world.alice
    async with exporting(ways(alice, transport), tmp_path / "killed") as exporter, AsyncExitStack() as stack:
        ours = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await ours.live("alice")
        if world.prometheus is not None:
            ours.prometheus = Prometheus(tmp_path / "prometheus", exporter.target)
            stack.push_async_callback(ours.prometheus.stop)
            await ours.prometheus.start()
        assert (await (await alice.pay(await alice.invoice(7_000, at="bob"))).ended()).status is Status.SUCCEEDED
        invoice = await alice.invoice(60_000, at="carol", hold=True)
        sending = await alice.pay(invoice, via="bob", max_parts=3, max_shard_sat=20_000, timeout_s=3600)
        await sending.held(3)
        before = await ours.settled("alice", 1, in_flight=1)
        assert total(before, "alice", "in_flight_htlcs") == 3
        await exporter.kill()
        await exporter.start()
        at_once = await ours.page()
        assert fallen(before, at_once, "alice") == []
        assert total(at_once, "alice", "in_flight_htlcs") == 3
        before = await ours.live("alice")
        await exporter.kill()
        await alice.settle(invoice)
        assert (await sending.ended()).status is Status.SUCCEEDED
        await meanwhile(world, alice)
        await exporter.start()
        assert fallen(before, await ours.page(), "alice") == []
        page = await ours.settled("alice", 5)
        assert fallen(before, page, "alice") == []
        names = ("started", "succeeded", "failed", "recovered", "lost", "htlc_attempts_settled")
        totals = {name: total(page, "alice", f"{name}_total") for name in names}
        assert totals == dict(zip(names, (5, 4, 1, 4, 0, 6), strict=True))
        assert total(page, "alice", "failed_total", reason="incorrect_payment_details") == 1
        if ours.prometheus is not None:
            await agrees(ours.prometheus, page)


async def meanwhile(world: World, alice: Lab) -> None:
    """One payment succeeds, one fails, one fails and is tried again: of its first run nothing is left."""
    assert (await (await alice.pay(await alice.invoice(8_000, at="bob"))).ended()).status is Status.SUCCEEDED
    refused = await (await alice.pay(await alice.unknown_hash(3_000, at="bob"), via="bob")).ended()
    assert refused.reason is Reason.INCORRECT_PAYMENT_DETAILS
    invoice = await alice.invoice(9_000, at="carol")
    assert (await (await alice.pay(invoice, via="bob", fee_limit_sat=0)).ended()).reason is Reason.NO_ROUTE
    assert (await (await alice.pay(invoice, via="bob")).ended()).status is Status.SUCCEEDED
    world.erased[Reason.NO_ROUTE] += 1


async def agrees(prometheus: Prometheus, page: Page) -> None:
    """Over the whole story no counter was ever reset, and Prometheus comes to the same sums."""
    await prometheus.next_scrape()
    assert await prometheus.fallen_counters() == []
    assert await prometheus.broken_laws() == []
    # Without ListChannels a peer's series begin with its first HTLC, and on a busy machine no scrape sees them at 0.
    left_out = (*ABOUT_THE_NODE, "peer_")
    counters = {s.name for s in page["alice"] if s.name.endswith("_total") and not s.name.startswith(left_out)}
    few = {name: total(page, "alice", name) for name in counters if total(page, "alice", name) < FEW}
    assert len(few) > 9
    assert {name: await prometheus.increase(f"{PREFIX}{name}") for name in few} == few


async def restart(world: World, alice: Lab) -> None:
    """Stopped in order, seen to be away, started."""
    await alice.stop()
    await world.state("alice", "unreachable")
    await alice.start()


async def kill(world: World, alice: Lab) -> None:
    """Killed with -9, seen to be away, started."""
    await alice.kill()
    await world.state("alice", "unreachable")
    await alice.start()


async def lock(world: World, alice: Lab) -> None:
    """Started without its wallet's password, seen to be locked, unlocked."""
    await alice.stop()
    await alice.lock()
    page = await world.state("alice", "locked")
    assert total(page, "alice", "node_up") == 0
    assert total(page, "alice", "in_flight") == 1, "what is known stays on the page"
    await alice.unlock()


async def new_macaroon(world: World, alice: Lab) -> None:
    """Refuses the macaroon after a restart, until there is a new one."""
    await alice.revoke_macaroon()
    await alice.stop()
    await alice.start()
    await world.state("alice", "denied")
    await alice.bake_macaroon()


async def new_certificate(world: World, alice: Lab) -> None:
    """Has a new certificate after a restart, and only then it is copied to the exporter."""
    await alice.stop()
    await alice.renew_certificate()
    await alice.start()
    await world.until(lambda page: total(page, "alice", "stream_up") == 0, "alice is lost")
    await alice.publish_certificate()


@pytest.mark.parametrize("blow", [restart, kill, lock, new_macaroon, new_certificate])
async def test_in_the_middle_of_a_payment(world: World, blow: Blow) -> None:
    """The payment is held all the while; afterwards it is settled, and everything about it was counted once."""
    async with telling(world, f"after_{blow.__name__}", 1, restarts=True) as alice:
        invoice, sending = await held(alice)
        await world.until(lambda page: total(page, "alice", "in_flight_htlcs") == 1, "held")
        await blow(world, alice)
        await world.live("alice")
        await alice.settle(invoice)
        assert (await sending.ended()).status is Status.SUCCEEDED


async def test_settled_while_the_node_is_away(world: World) -> None:
    """Whether its end is heard live or asked for afterwards: it is counted once."""
    before = await world.page()
    alice = world.alice
    invoice, sending = await held(alice)
    await alice.stop()
    await alice.settle(invoice)
    await alice.start()
    assert (await sending.ended()).status is Status.SUCCEEDED
    await world.live("alice")
    after = await world.until(lambda page: total(page, "alice", "in_flight") == 0, "it is counted")

    def more(name: str) -> float:
        return total(after, "alice", name) - total(before, "alice", name)

    assert more("started_total") == more("succeeded_total") == 1
    assert more("htlc_attempts_started_total") == more("htlc_attempts_settled_total") == 1
    assert more("lost_total") == more("failed_total") == more("htlc_attempts_unresolved_total") == 0


async def test_the_page_stays_while_the_node_is_away(world: World) -> None:
    """A node in trouble takes nothing off the page: /metrics answers, and the totals are all there."""
    before = await world.page()
    await world.alice.stop()
    page = await world.state("alice", "unreachable")
    assert total(page, "alice", "started_total") == total(before, "alice", "started_total")
    assert total(page, "carol", "stream_up") == 1, "one node's trouble is not another's"
    assert read(await world.text())["alice"].keys() >= before["alice"].keys()
    await world.alice.start()
    await world.live("alice")
