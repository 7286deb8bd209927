"""What is to be shown: which nodes, which payments, and what can be said of the chain."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, Problem
from exporter.listing import Report, report
from exporter.store import Store
from tests.listing.scene import HEIGHT, LOOK_S, alice, config, frozen, looked_ns


def hashes(found: Report) -> list[list[str]]:
    """The beginnings of the hashes, by node."""
    return [[payment.payment_hash[:2] for payment in node.payments] for node in found.nodes]


async def test_while_it_runs(store: Store) -> None:
    """All payments, the oldest first; a node that is followed knows its height, of another one it is estimated."""
    found = report(config(store.path), looked_ns())
    assert hashes(found) == [["a1", "a2", "a3", "a4", "a5"], ["b1"]]
    assert found.running
    assert [(node.name, node.following, node.estimated) for node in found.nodes] == [
        ("alice", True, False),
        ("bob", False, True),
    ]
    assert [(found.now_s - node.followed_s, found.now_s - node.written_s) for node in found.nodes] == [
        (LOOK_S, LOOK_S),
        (LOOK_S + 300, LOOK_S),
    ]
    later = report(config(store.path), looked_ns(3600))
    assert [node.height for node in later.nodes] == [HEIGHT, HEIGHT + 6]
    assert [found.nodes[0].blocks_left(payment) for payment in found.nodes[0].payments] == [30, 144, None, None, None]


async def test_when_it_runs_no_more(left: Path) -> None:
    """Nobody is followed any more, though it was so when it was stopped."""
    found = report(config(left), looked_ns(3600))
    assert hashes(found) == [["a1", "a2", "a3", "a4", "a5"], ["b1"]]
    assert not found.running
    assert [(node.following, node.height) for node in found.nodes] == [(False, HEIGHT + 6), (False, HEIGHT + 6)]


async def test_only_old_ones(store: Store) -> None:
    """The very second counts."""
    for seconds, expected in ((86_910, [["a1"], ["b1"]]), (86_911, [["a1"], []]), (4110, [["a1", "a2"], ["b1"]])):
        assert hashes(report(config(store.path, older_than_s=seconds), looked_ns())) == expected


async def test_only_one_node(store: Store) -> None:
    """One that isn't known is told, and which ones are."""
    assert hashes(report(config(store.path, node="bob"), looked_ns())) == [["b1"]]
    with pytest.raises(ConfigError) as caught:
        report(config(store.path, node="carol"), looked_ns())
    assert caught.value.problems == (
        Problem("--lnd.name", "nothing is kept of carol.", "Kept is something of alice, bob."),
    )


async def test_an_exporter_that_has_just_begun(tmp_path: Path) -> None:
    """It has written of nobody yet."""
    store = Store(tmp_path / "state.sqlite")
    now_ns = looked_ns()
    assert report(config(store.path), now_ns) == Report(running=True, now_s=now_ns // 10**9, older_than_s=0, nodes=())
    with pytest.raises(ConfigError, match="knows no node yet"):
        report(config(store.path, node="alice"), looked_ns())
    store.close()


async def test_a_state_that_can_not_be_read(tmp_path: Path) -> None:
    """It is a problem of the configuration."""
    with pytest.raises(ConfigError) as caught:
        report(config(tmp_path / "nowhere"), looked_ns())
    ((where, what, _),) = caught.value.problems
    assert (where, what) == ("--storage.path", f"{tmp_path / 'nowhere'} does not exist.")


async def test_what_a_node_said_outlives_an_exporter(tmp_path: Path) -> None:
    """The next one may not reach the node: height and aliases stay as they were."""
    first, path = alice(), tmp_path / "state.sqlite"
    store = Store(path)
    store.save(frozen(first))
    store.close()
    store, second = Store(path), type(first)("alice", first.now, 5)
    saved = store.load("alice")
    assert saved is not None
    second.resume(saved)
    store.save(frozen(second))
    (node,) = report(config(path), looked_ns()).nodes
    assert (node.following, node.height) == (False, HEIGHT)
    assert [hop.alias for hop in node.payments[0].first_hops] == ["café\x1b[2J 🐙", ""]
    store.close()
