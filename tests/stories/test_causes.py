"""Stories of causes and channels: what was done to the network is what the counters and gauges say, exactly.

The exporter has a macaroon that may read channels, too, like lnd's `readonly.macaroon`.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import starmap

import pytest

from exporter.payments.balance import NEAR_NS
from exporter.payments.labels import Reason, Status
from exporter.payments.payment import NS_PER_S
from tests.stories.lab import MORE_THAN_ALICE_HAS, TOO_MUCH_FOR_BOB
from tests.stories.page import Page, total
from tests.stories.process import exporting, node_configs
from tests.stories.test_peers import MORE_THAN_ONE_CHANNEL_HAS, without
from tests.stories.world import World, ended, views

NO_ROOM = TOO_MUCH_FOR_BOB + 7
"""More than bob can forward to dave, sat."""
BOB_ALONE_SAT = 2
"""A limit for the fee of that amount, sat, which only the way over bob to dave keeps."""
ASKED_AGAIN_S = NEAR_NS / NS_PER_S + 1
"""After so many seconds no earlier answer of ListChannels tells about a payment that fails."""
POLL_S = 2.0
"""Seconds between polls, so that channels are listed every ten."""
SLOTS = 483
"""HTLCs that an lnd accepts in a channel."""


@pytest.fixture(scope="module")
async def own(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Return an exporter of its own that follows alice over each transport, and may read her channels."""
    alice, home = world.alice, tmp_path_factory.mktemp("causes")
    macaroon = await alice.readonly_macaroon()
    nodes = [replace(node, macaroon=macaroon) for node in node_configs(alice)]
    async with exporting(nodes, home, poll_s=POLL_S) as exporter:
        own = World(world.kind, {"alice": alice}, exporter.target, exporter.log)
        await own.followed("alice")
        yield own


@asynccontextmanager
async def failing(own: World, *expected: tuple[str, str, Reason]) -> AsyncIterator[None]:
    """Check that the payments that end in the block are failures of these purposes, causes and reasons, and no more."""
    before = await own.counted("alice", 0)
    yield
    after = await own.counted("alice", int(ended(before, "alice")) + len(expected))
    for causes, reasons, others in starmap(failures, zip(views(before), views(after), strict=True)):
        assert causes == Counter((purpose, cause) for purpose, cause, _ in expected)
        assert reasons == Counter(reason.value for _, _, reason in expected)
        assert others == 0, "no other payment has ended"


def failures(before: Page, after: Page) -> tuple[Counter[tuple[str, str]], Counter[str], float]:
    """Return alice's new failures by purpose and cause, those by reason, and the number of other new ends."""
    causes, reasons = Counter[tuple[str, str]](), Counter[str]()
    for series, value in after["alice"].items():
        more, labels = int(value - before["alice"].get(series, 0)), dict(series.labels)
        if series.name == "failed_by_cause_total":
            causes[labels["purpose"], labels["cause"]] += more
        if series.name == "failed_total":
            reasons[labels["reason"]] += more
    others = (ended(page, "alice") - total(page, "alice", "failed_total") for page in (after, before))
    return +causes, +reasons, next(others) - next(others)


async def test_recipient_is_offline(world: World, own: World) -> None:
    """Two peers before it are alive and say so: nothing to be done from here. On the way it is one node of many."""
    alice = world.alice
    await world.storm_is_over()
    invoice, beyond = await alice.invoice(5_000, at="dave"), await alice.invoice(7_000, at="carol")
    before = await own.page()
    await alice.stop_other("dave")
    try:
        async with failing(own, ("payment", "recipient_unreachable", Reason.NO_ROUTE)):
            assert (await (await alice.pay(invoice)).ended()).reason is Reason.NO_ROUTE
        async with failing(own, ("other", "route_policy", Reason.ERROR)):
            await alice.send_to_route(beyond, via="bob", through=("dave",))
    finally:
        await alice.start_other("dave")
    code = {"code": "unknown_next_peer", "source": "first_hop"}
    for first, last in zip(views(before), views(await own.page()), strict=True):
        new = (total(page, "alice", "htlc_attempts_failed_total", **code) for page in (last, first))
        assert next(new) - next(new) == 3


async def test_channel_without_room(world: World, own: World) -> None:
    """Bob's channel with dave is nearly empty: the last one for a payment to dave, one on the way for others."""
    alice = world.alice
    async with failing(own, ("payment", "recipient_liquidity", Reason.NO_ROUTE)):
        sending = await alice.pay(await alice.invoice(NO_ROOM, at="dave"), via="bob", fee_limit_sat=BOB_ALONE_SAT)
        assert (await sending.ended()).reason is Reason.NO_ROUTE
    async with failing(own, ("other", "route_liquidity", Reason.ERROR)):
        await alice.send_to_route(await alice.invoice(NO_ROOM, at="carol"), via="bob", through=("dave",))


async def test_onion_that_the_recipient_rejects(world: World, own: World) -> None:
    """A failure that fits no other cause: whoever made the route has made a mistake."""
    alice = world.alice
    async with failing(own, ("other", "other", Reason.ERROR)):
        await alice.send_to_route(await alice.invoice(6_000, at="carol"), via="bob", garbled=True)
    code = {"code": "invalid_onion_payload", "source": "recipient"}
    assert [total(page, "alice", "htlc_attempts_failed_total", **code) for page in views(await own.page())] == [1] * 3


async def test_limits_of_the_caller(world: World, own: World) -> None:
    """Fee limits of 0 and 1 sat, where every route costs more, and one part that is larger than any channel."""
    alice = world.alice
    await world.refill()
    async with failing(own, *[("payment", "no_route", Reason.NO_ROUTE)] * 3):
        for limit in (0, 1):
            sending = await alice.pay(await alice.invoice(5_000, at="dave"), fee_limit_sat=limit)
            assert (await sending.ended()).reason is Reason.NO_ROUTE
        sending = await alice.pay(await alice.invoice(MORE_THAN_ONE_CHANNEL_HAS, at="dave"), max_parts=1)
        assert (await sending.ended()).reason is Reason.NO_ROUTE


async def test_all_peers_are_offline(world: World, own: World) -> None:
    """The balance would do, but peers are offline; for a larger payment it wouldn't. The gauges show it at once."""
    alice = world.alice
    await own.until(lambda page: total(page, "alice", "peer_channels", state="active") == 2, "channels are known")
    lack = Reason.INSUFFICIENT_BALANCE
    spendable = sum(own_end for own_end, _ in (await alice.balances()).values())
    async with without(alice, "bob", "carol"):
        await asyncio.sleep(ASKED_AGAIN_S)
        async with failing(own, ("payment", "own_inactive", lack), ("payment", "own_liquidity", lack)):
            for sat in (1_000, max(MORE_THAN_ALICE_HAS, spendable // 1000 + 1)):  # others may have paid her
                sending = await alice.pay(await alice.invoice(sat, at="carol"), max_parts=16)
                assert (await sending.ended()).reason is lack
        for page in views(await own.page()):
            states = [total(page, "alice", "peer_channels", state=state) for state in ("active", "inactive")]
            gauges = [total(page, "alice", f"{name}_msat") for name in ("peer_spendable", "peer_receivable")]
            assert [*states, *gauges, total(page, "alice", "node_spendable_msat")] == [0, 2, 0, 0, 0]
            assert total(page, "alice", "node_inactive_msat") == spendable


async def test_one_of_two_peers_is_offline(world: World, own: World) -> None:
    """What needs that peer's balance, too, lacks only the peer; what may go only through it lacks balance for lnd."""
    alice, lack = world.alice, Reason.INSUFFICIENT_BALANCE
    await world.refill()
    async with without(alice, "bob"):
        await asyncio.sleep(ASKED_AGAIN_S)
        async with failing(own, ("payment", "own_inactive", lack), ("payment", "own_liquidity", lack)):
            large = await alice.pay(await alice.invoice(MORE_THAN_ONE_CHANNEL_HAS, at="carol"), max_parts=16)
            assert (await large.ended()).reason is lack
            only_there = await alice.pay(await alice.invoice(3_000, at="carol"), via="bob")
            assert (await only_there.ended()).reason is lack


async def test_channels_of_each_peer(world: World, own: World) -> None:
    """Balances as lnd lists them, and one HTLC of 483. It is on its channel, so it is no ghost. The graph is known."""
    alice = world.alice
    for peer in ("bob", "carol"):  # both have a place then
        sending = await alice.pay(await alice.invoice(500, at=peer), via=peer)
        assert (await sending.ended()).status is Status.SUCCEEDED
    invoice = await alice.invoice(4_000, at="carol", hold=True)
    sending = await alice.pay(invoice, via="bob")
    await sending.held()
    balances = await alice.balances()
    expected = [(*balances[peer], 1, 0, share) for peer, share in (("bob", 1 / SLOTS), ("carol", 0))]

    def shown(page: Page) -> bool:
        names = ("spendable_msat", "receivable_msat", "channels", "channels", "offered_ratio")
        states: tuple[dict[str, str], ...] = ({}, {}, {"state": "active"}, {"state": "inactive"}, {})
        return expected == [
            tuple(
                total(page, "alice", f"peer_{name}", peer=alice.pubkeys[peer], **state)
                for name, state in zip(names, states, strict=True)
            )
            for peer in ("bob", "carol")
        ]

    page = await own.until(shown, "the channels as lnd lists them")
    await alice.settle(invoice)
    assert (await sending.ended()).status is Status.SUCCEEDED
    for view in views(page):
        spendable = sum(own_end for own_end, _ in balances.values())
        assert total(view, "alice", "node_spendable_msat") == spendable
        assert total(view, "alice", "node_inactive_msat") == 0
        assert [v for s, v in view["alice"].items() if s.name == "in_flight_ghost_htlcs"] == [0]
        assert total(view, "alice", "node_synced_to_graph") == 1
