"""Nodes that a reload adds, removes and changes keep their counters; those that it leaves alone notice nothing."""

import asyncio
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config.addresses import GRPC, TRANSPORTS
from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.nodes import Changes
from exporter.payments.labels import Interruption, Method, NodeState, Reason
from exporter.payments.totals import Counter
from exporter.simulator.mutation import GiveUp
from exporter.simulator.scenarios import Scenarios
from exporter.store import read_state
from tests.follow.test_counting import begin
from tests.reload.fleet import ENDS, Fleet, fleet, following
from tests.store.another_program import another_program


def interruptions(the: Fleet, name: str) -> dict[str, int]:
    """Return the interruptions of a node, by cause."""
    (account,) = (account for account in the.followed.accounts() if account.name == name)
    return {cause: n for (cause,), n in account.ledger.counters[Counter.INTERRUPTIONS].items() if n}


async def test_a_changed_node_keeps_its_account(tmp_path: Path) -> None:
    """A payment stays in flight over the change to REST, and ends once; no counter moves, another node isn't called."""
    async with AsyncExitStack() as stack:
        the = await stack.enter_async_context(fleet(tmp_path))
        the.intervals = replace(the.intervals, second_catch_up_s=math.inf)  # bob would be called for that, too
        await stack.enter_async_context(following(the, "alice", "bob"))
        alice, bob = the.nodes["alice"], the.nodes["bob"]
        rest = begin(alice, Scenarios(alice.world).held_then_settled())
        await the.ended("alice", (1, 0, 0, 0))
        await the.until(lambda: bob.calls[Method.LIST_CHANNELS], "all calls of a start are made")
        before, calls = await the.page(), dict(bob.calls)
        (account, other) = the.followed.accounts()
        changes = await the.change(the.rest("alice"), the.config("bob"))
        assert changes == Changes((), (), ("alice",), 1)
        assert the.followed.accounts() == [account, other]
        after = await the.page()
        assert after["alice"].in_flight.runs == before["alice"].in_flight.runs
        for counter in (*ENDS, Counter.ATTEMPTS_STARTED):
            assert after["alice"].counters[counter] == before["alice"].counters[counter]
        await the.live("alice")
        await alice.play(*rest)
        await the.ended("alice", (1, 1, 0, 0))
        assert interruptions(the, "alice") == {Interruption.RELOAD: 1}
        assert interruptions(the, "bob") == {}
        assert dict(bob.calls) == calls


async def test_a_removed_node_continues_when_it_is_added_again(tmp_path: Path) -> None:
    """Its payment ends meanwhile; its page is as it was, then the end is counted. The state marks it in between."""
    async with fleet(tmp_path) as the, following(the, "alice", "bob"):
        bob = the.nodes["bob"]
        await bob.play(Scenarios(bob.world).success())
        rest = begin(bob, Scenarios(bob.world, 1).held_then_settled())
        await the.ended("bob", (2, 1, 0, 0))
        assert await the.change(the.config("alice")) == Changes((), ("bob",), (), 1)
        assert list(await the.page()) == ["alice"]
        stored = read_state(tmp_path / "state.sqlite").nodes["bob"]
        assert (stored.state.heard.left, stored.state.heard.following, len(stored.open)) == (True, False, 1)
        await bob.wait_for_subscribers(0)
        calls = dict(bob.calls)
        await bob.play(*rest)
        assert dict(bob.calls) == calls, "a node that is removed isn't called"
        with capture_logs() as logs:
            assert await the.change(the.config("alice"), the.config("bob")) == Changes(("bob",), (), (), 1)
        assert [line["in_flight"] for line in logs if line["event"] == "counting goes on"] == [1]
        assert interruptions(the, "bob") == {Interruption.RELOAD: 1}
        await the.ended("bob", (2, 2, 0, 0))
        assert not read_state(tmp_path / "state.sqlite").nodes["bob"].state.heard.left


async def test_a_node_of_an_earlier_process(tmp_path: Path) -> None:
    """It was in the state but not in the configuration of the start; the nodes that aren't added stay in the state."""
    async with fleet(tmp_path) as the:
        async with following(the, "alice", "bob"):
            for name in ("alice", "bob"):
                await the.nodes[name].play(Scenarios(the.nodes[name].world).success())
                await the.ended(name, (1, 1, 0, 0))
        the.end_process()
        assert the.store is not None
        async with following(the, "carol"):
            assert list(await the.page()) == ["carol"]
            await the.change(the.config("carol"), the.config("alice"))
            assert await the.totals("alice", *ENDS) == (1, 1, 0, 0)
            assert sorted(the.store.nodes()) == ["alice", "bob", "carol"]
            bob = the.store.load("bob")
            assert bob is not None
            assert bob.state.heard.left
            assert sum(bob.counters[Counter.STARTED].values()) == 1


@pytest.mark.parametrize("hours", [0.5, 2])
async def test_a_node_that_was_left_long_ago(tmp_path: Path, *, hours: float) -> None:
    """It goes on from there, with a warning: another exporter may have counted the same payments meanwhile."""
    async with fleet(tmp_path) as the, following(the, "alice", "bob"):
        await the.nodes["bob"].play(Scenarios(the.nodes["bob"].world).success())
        await the.ended("bob", (1, 1, 0, 0))
        await the.change(the.config("alice"))
        the.clocks.ahead_s += hours * 3600
        with capture_logs() as logs:
            await the.change(the.config("alice"), the.config("bob"))
        assert await the.totals("bob", *ENDS) == (1, 1, 0, 0)
        warnings = [line["node"] for line in logs if line["event"].startswith("this exporter had stopped following")]
        assert warnings == ["bob"] * (hours > 1)


async def test_an_end_on_hold_is_asked_for_again(tmp_path: Path) -> None:
    """lnd overwrites the reason while the node is changed: the payment isn't counted before lnd has been asked."""
    async with fleet(tmp_path) as the, following(the, "alice"):
        alice, (account,) = the.nodes["alice"], the.followed.accounts()
        create, give_up, *rest = Scenarios(alice.world).no_route().steps
        for step in (create, give_up):
            alice.database.apply(step.mutation)
        await the.until(lambda: account.tracker.on_hold, "the end is on hold")
        await the.change(the.config("alice", address="127.0.0.1:9"))
        assert not account.tracker.on_hold
        assert isinstance(give_up.mutation, GiveUp)
        alice.database.apply(GiveUp(give_up.mutation.payment_hash, pb.FAILURE_REASON_TIMEOUT))
        for step in rest:
            alice.database.apply(step.mutation)
        assert await the.totals("alice", *ENDS) == (1, 0, 0, 0)
        await the.change(the.config("alice"))
        await the.ended("alice", (1, 0, 1, 0))
        reasons = {labels for labels, n in account.ledger.counters[Counter.FAILED].items() if n}
        assert [Reason.TIMEOUT in labels for labels in reasons] == [True]


async def test_a_finding_of_the_audit_stays(tmp_path: Path) -> None:
    """It is a bug that somebody must see: it isn't reset because the node's configuration changes."""
    async with fleet(tmp_path) as the, following(the, "alice"):
        (account,) = the.followed.accounts()
        await the.until(lambda: account.status.unaccounted == 0, "the audit has begun")
        account.set_status(unaccounted=3)
        calls = the.nodes["alice"].calls[Method.LIST_PAYMENTS]
        await the.change(the.rest("alice"))
        await the.live("alice")
        await the.until(lambda: the.nodes["alice"].calls[Method.LIST_PAYMENTS] > calls + 2, "the audit has begun again")
        assert account.status.unaccounted == 3


async def test_without_a_state_file(tmp_path: Path) -> None:
    """A node that is removed stays in memory: its counters go on, too."""
    async with fleet(tmp_path, memory=True) as the, following(the, "alice", "bob"):
        await the.nodes["bob"].play(Scenarios(the.nodes["bob"].world).success())
        await the.ended("bob", (1, 1, 0, 0))
        await the.change(the.config("alice"))
        assert list(await the.page()) == ["alice"]
        await the.change(the.config("alice"), the.config("bob"))
        await the.live("bob")
        assert await the.totals("bob", *ENDS) == (1, 1, 0, 0)


async def test_another_node_at_the_new_address(tmp_path: Path) -> None:
    """It is `wrong_node`, and none of its payments is counted; the right address makes good for it."""
    async with fleet(tmp_path) as the, following(the, "alice"):
        await the.until(lambda: the.followed.accounts()[0].pubkey, "alice is identified")
        other = the.nodes["bob"]
        await other.play(Scenarios(other.world).success())
        await the.change(the.config("alice", address=other.address, tls_cert=other.tls_cert, macaroon=other.macaroon))
        account = the.followed.accounts()[0]
        await the.until(lambda: account.status.state is NodeState.WRONG_NODE, "the other node is noticed")
        assert await the.totals("alice", *ENDS) == (0, 0, 0, 0)
        await the.nodes["alice"].play(Scenarios(the.nodes["alice"].world).success())
        await the.change(the.config("alice"))
        await the.ended("alice", (1, 1, 0, 0))


async def test_reload_while_lnd_is_unreachable(tmp_path: Path) -> None:
    """A node that is down can be changed, removed and added; an address where nobody listens is no obstacle."""
    async with fleet(tmp_path) as the, following(the, "alice"):
        alice = the.nodes["alice"]
        await alice.play(Scenarios(alice.world).success())
        await the.ended("alice", (1, 1, 0, 0))
        await alice.kill()
        await the.until(lambda: not the.followed.accounts()[0].status.stream_up, "the stream is lost")
        down = the.config("carol", address="127.0.0.1:9")
        assert await the.change(the.rest("alice"), down) == Changes(("carol",), (), ("alice",), 0)
        assert await the.change(down) == Changes((), ("alice",), (), 1)
        assert await the.change(the.config("alice")) == Changes(("alice",), ("carol",), (), 0)
        assert RELOADS not in interruptions(the, "alice"), "there was no session that a reload could end"
        await alice.start()
        await alice.play(Scenarios(alice.world, 1).success())
        await the.ended("alice", (2, 2, 0, 0))


RELOADS = Interruption.RELOAD


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_reload_while_lnd_is_silent(tmp_path: Path, transport: str) -> None:
    """lnd answers nothing any more, without breaking the connection: no reload waits for it."""
    async with fleet(tmp_path) as the, following(the, "bob"):
        alice = the.nodes["alice"]
        address = alice.address if transport == GRPC else f"https://{alice.rest}"
        one, other = (
            the.config("alice", address=address, transport=transport, mode=mode) for mode in ("auto", "track")
        )
        await the.change(one)
        await the.live("alice")
        alice.faults.silence()
        for configs in ([other], [one], [], [one]):
            await asyncio.wait_for(the.change(*configs), 15)  # less than the shortest time-out of a call
        alice.faults.heal()
        await alice.play(Scenarios(alice.world).success())
        await the.change(other)
        await the.ended("alice", (1, 1, 0, 0))


async def test_reload_during_a_catch_up(tmp_path: Path) -> None:
    """What had not been read yet is read by the next follower; nothing counts twice."""
    async with fleet(tmp_path) as the, following(the, "alice"):
        alice = the.nodes["alice"]
        await the.change()
        for seed in range(30):
            await alice.play(Scenarios(alice.world, seed).success())
        alice.faults.slow_list(0.5)  # 15 s for a list: nobody waits for its end
        await the.change(the.config("alice"))
        for config in (the.rest("alice"), the.config("alice")):
            await the.until(lambda: the.followed.accounts()[0].status.reading, "the catch-up reads")
            await the.change(config)
        alice.faults.heal()
        await the.change(the.rest("alice"))
        await the.ended("alice", (30, 30, 0, 0))
        assert await the.totals("alice", Counter.RECOVERED) == (30,)


@pytest.mark.slow
async def test_reload_while_the_disk_is_locked(tmp_path: Path) -> None:
    """A removed node stays on the page until it is written; added again, it continues without the file."""
    async with fleet(tmp_path) as the, following(the, "alice", "bob"):
        bob = the.nodes["bob"]
        await bob.play(Scenarios(bob.world).success())
        await the.ended("bob", (1, 1, 0, 0))
        with another_program(tmp_path / "state.sqlite", "BEGIN IMMEDIATE"):
            await bob.play(Scenarios(bob.world, 1).success())
            account = the.followed.accounts()[1]
            await the.until(lambda: account.ledger.counters[Counter.STARTED][()] == 2, "it is received")
            await the.change(the.config("alice"), the.config("carol"))
            assert sorted(await the.page()) == ["alice", "bob", "carol"]
            assert await the.totals("bob", *ENDS) == (1, 1, 0, 0)
            await the.change(the.config("alice"), the.config("carol"), the.config("bob"))
            assert sorted(await the.page()) == ["alice", "bob", "carol"]
            assert await the.totals("bob", *ENDS) == (1, 1, 0, 0), "nothing unwritten is shown during a lock"
            await the.change(the.config("alice"), the.config("carol"))
        assert sorted(await the.page()) == ["alice", "carol"]
        assert the.store is not None
        stored = the.store.load("bob")
        assert stored is not None
        assert sum(stored.counters[Counter.SUCCEEDED].values()) == 2
        await the.change(the.config("alice"), the.config("bob"))
        await the.ended("bob", (2, 2, 0, 0))


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="function")  # no tasks of other tests
async def test_many_reloads_leak_nothing(tmp_path: Path) -> None:
    """50 reloads under traffic leave no task, no file and no connection behind, and the counts are right."""

    def open_now() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))

    async with fleet(tmp_path) as the, following(the, "alice", "bob"):
        alice, bob = the.nodes["alice"], the.nodes["bob"]
        first = open_now()
        for number in range(50):
            await alice.play(Scenarios(alice.world, number).success())
            await bob.play(Scenarios(bob.world, number).success())
            match number % 3:
                case 0:
                    await the.change(the.config("alice"))
                case 1:
                    await the.change(the.config("alice"), the.config("bob"))
                case 2:
                    await the.change(the.config("alice"), the.rest("bob"))
            if number == 10:
                first = await _settled(the, open_now)
        await the.change(the.config("alice"), the.rest("bob"))
        await the.ended("alice", (50, 50, 0, 0))
        await the.ended("bob", (50, 50, 0, 0))
        assert interruptions(the, "alice") == {}
        for node in (alice, bob):
            await node.wait_for_subscribers(1)
        # How many idle connections a client and its server keep varies by a few; a leak is one for each of 39 reloads.
        await the.until(
            lambda: all(now < then + 10 for now, then in zip(open_now(), first, strict=True)),
            f"about {first} tasks and files are open",
        )


async def _settled(the: Fleet, measure: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Return the numbers when both nodes are followed and the connections of earlier sessions are closed."""
    bob = the.nodes["bob"]
    before = bob.calls[Method.LIST_CHANNELS]
    await the.change(the.config("alice"))
    await the.change(the.config("alice"), the.rest("bob"))
    await the.live("alice", "bob")
    await bob.wait_for_subscribers(1)
    await the.until(lambda: bob.calls[Method.LIST_CHANNELS] > before, "all calls of a start are made")
    return measure()
