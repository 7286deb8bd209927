"""A reload changes the groups of destinations of all nodes: nothing is lost, no stream ends, no sum falls."""

from dataclasses import replace
from pathlib import Path
from typing import Never

import pytest

from exporter.config import NodeConfig
from exporter.follow import Account
from exporter.nodes import FollowedNodes
from exporter.payments.labels import Method
from exporter.payments.totals import Counter, HistogramName
from exporter.payments.view import View
from exporter.simulator.scenarios import Scenarios
from exporter.simulator.server import SimulatedNode
from exporter.store import Busy, encode
from tests.follow.test_counting import begin
from tests.follow.watch import Clocks
from tests.payments.test_destinations import BANK
from tests.reload.fleet import Fleet, fleet, following
from tests.store.test_destinations import node as saved_by_groups
from tests.store.test_store import saved_node, write_state
from tests.test_checkpoint import SlowStore


def recipient(node: SimulatedNode) -> str:
    """Return who was paid by the last payment with an attempt."""
    return [record.message.htlcs[-1].route.hops[-1].pub_key for record in node.database if record.message.htlcs][-1]


def ended(view: View) -> dict[tuple[str, ...], int]:
    """Return what has ended, by destination, outcome and cause."""
    return {labels: n for labels, n in view.counters[Counter.DESTINATION_ENDED].items() if n}


async def pay(the: Fleet, name: str, seed: int) -> str:
    """Make a node pay; return the key of the recipient."""
    node = the.nodes[name]
    before = await the.totals(name, Counter.SUCCEEDED)
    await node.play(Scenarios(node.world, seed).success())
    while await the.totals(name, Counter.SUCCEEDED) == before:
        pass
    return recipient(node)


async def test_groups_come_and_go(tmp_path: Path) -> None:
    """With a reload, for every node, also one that is added by it; what has been counted becomes `former`."""
    async with fleet(tmp_path) as the, following(the, "alice"):
        shop = await pay(the, "alice", 1)
        assert ended((await the.page())["alice"]) == {}
        alice = the.nodes["alice"]
        rest = begin(alice, Scenarios(alice.world, 2).held_then_settled())
        held = recipient(alice)
        await the.until(lambda: the.followed.accounts()[0].tracker.open, "the payment is in flight")
        the.destinations = {shop: "shop", held: "bank"}
        await the.change(the.config("alice"))
        page = (await the.page())["alice"]
        assert page.counters[Counter.DESTINATION_SENT] == {("bank",): 0, ("shop",): 0, ("other",): 0}
        await alice.play(*rest)
        while not ended((await the.page())["alice"]):
            pass
        assert ended((await the.page())["alice"]) == {("bank", "succeeded", "none"): 1}, "it was in flight before"
        the.destinations = {held: "bank", "02" + "77" * 32: "nobody"}
        await the.change(the.config("alice"), the.config("bob"))
        assert alice.calls[Method.TRACK_PAYMENTS] == 1, "the stream goes on"
        page = (await the.page())["bob"]
        assert page.counters[Counter.DESTINATION_SENT] == {("bank",): 0, ("nobody",): 0, ("other",): 0}
        the.destinations = {"02" + "77" * 32: "nobody"}
        await the.change(the.config("alice"), the.config("bob"))
        page = (await the.page())["alice"]
        assert ended(page) == {("former", "succeeded", "none"): 1}
        assert sum(page.histograms[HistogramName.DESTINATION_DURATION]["former", "succeeded"].buckets) == 1


async def test_what_becomes_former_is_on_disk_before_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a start, and of a node that is added: while another program has locked the file, a page shows what it has."""
    write_state(tmp_path / "state.sqlite", dict.fromkeys(("alice", "bob"), encode(saved_node(saved_by_groups()))))
    store, alice = SlowStore(tmp_path / "state.sqlite"), NodeConfig("alice", "", Path(), Path())
    bob = replace(alice, name="bob")

    def not_followed(*_: object) -> Never:
        raise AssertionError

    store.problem = Busy(store.path, "locked")
    followed = FollowedNodes([alice], {}, store, lambda name: Account(name, Clocks(), 5), not_followed)

    async def shown() -> dict[str, set[str]]:
        page = await followed.checkpoint.durable_page()
        return {view.node: {name for name, *_ in ended(view)} for view in page.views}

    assert await shown() == {"alice": {"shop", "bank"}}
    monkeypatch.setattr(followed, "_start", lambda _: None)
    await followed.change([alice, bob], {BANK: "bank"})
    assert await shown() == {"alice": {"shop", "bank"}, "bob": {"shop", "bank"}}
    store.problem = None
    assert await shown() == {"alice": {"former"}, "bob": {"former", "bank"}}
    store.close()


async def test_a_node_that_was_removed_comes_back(tmp_path: Path) -> None:
    """The groups are those of now; what it had counted for others is `former`, whether it was kept or on disk."""
    async with fleet(tmp_path) as the:
        async with following(the, "alice"):
            everybody = [node.pubkey for node in the.nodes["alice"].world.far]
            the.destinations = dict.fromkeys(everybody, "shop")
            await the.change(the.config("alice"))
            await pay(the, "alice", 1)
            assert ended((await the.page())["alice"]) == {("shop", "succeeded", "none"): 1}
            await the.change()
            the.destinations = dict.fromkeys(everybody, "market")
            await the.change(the.config("alice"))
            assert ended((await the.page())["alice"]) == (gone := {("former", "succeeded", "none"): 1})
            await the.change()
        the.end_process()
        the.destinations = {}
        async with following(the, "bob"):
            the.destinations = dict.fromkeys(everybody, "market")
            await the.change(the.config("bob"), the.config("alice"))
            assert ended((await the.page())["alice"]) == gone


async def test_failed_payments_without_attempts_count_for_the_payee(tmp_path: Path) -> None:
    """Its key is recovered from the signature of the payment request; a payment to nobody of a group is `other`."""
    async with fleet(tmp_path) as the:
        alice = the.nodes["alice"]
        the.destinations = {node.pubkey: node.alias for node in alice.world.far[:12]}
        async with following(the, "alice"):
            for seed in range(12):
                await alice.play(Scenarios(alice.world, seed).no_route())
            while sum(ended((await the.page())["alice"]).values()) < 12:
                pass
            found = ended((await the.page())["alice"])
        named = {name for name, *_ in found}
        assert {"other"} < named <= {*the.destinations.values(), "other"}
        assert {(outcome, cause) for _, outcome, cause in found} == {("failed", "no_route")}
