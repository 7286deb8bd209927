"""The report: which nodes and payments it contains, and the block height of each node."""

from pathlib import Path

import pytest

from exporter.config import ConfigError, Problem
from exporter.listing.report import Report, read_report
from exporter.store import Store
from tests.listing.scene import HEIGHT, READ_AFTER_S, alice, config, encoded, read_ns


def hashes(found: Report) -> list[list[str]]:
    """Return the first two digits of each payment hash, by node."""
    return [[payment.payment_hash[:2] for payment in node.payments] for node in found.nodes]


async def test_report_of_a_running_exporter(store: Store) -> None:
    """All payments, oldest first; the height of a followed node is known, that of another one is estimated."""
    found = read_report(config(store.path), read_ns())
    assert hashes(found) == [["a1", "a2", "a3", "a4", "a5"], ["b1"]]
    assert found.running
    assert [(node.name, node.following, node.estimated) for node in found.nodes] == [
        ("alice", True, False),
        ("bob", False, True),
    ]
    assert [(found.now_s - node.followed_s, found.now_s - node.written_s) for node in found.nodes] == [
        (READ_AFTER_S, READ_AFTER_S),
        (READ_AFTER_S + 300, READ_AFTER_S),
    ]
    later = read_report(config(store.path), read_ns(3600))
    assert [node.height for node in later.nodes] == [HEIGHT, HEIGHT + 6]
    stale = read_report(config(store.path), read_ns(3 * 3600))
    assert [(node.height, node.estimated) for node in stale.nodes] == [(HEIGHT + 18, True), (HEIGHT + 18, True)]
    assert [found.nodes[0].blocks_left(payment) for payment in found.nodes[0].payments] == [30, 144, None, None, None]


async def test_stopped_exporter_follows_no_node(stopped: Path) -> None:
    """Even though the nodes were followed when it stopped."""
    found = read_report(config(stopped), read_ns(3600))
    assert hashes(found) == [["a1", "a2", "a3", "a4", "a5"], ["b1"]]
    assert not found.running
    assert [(node.following, node.height) for node in found.nodes] == [(False, HEIGHT + 6), (False, HEIGHT + 6)]


async def test_payments_younger_than_the_limit_are_left_out(store: Store) -> None:
    """To the second."""
    for seconds, expected in ((86_910, [["a1"], ["b1"]]), (86_911, [["a1"], []]), (4110, [["a1", "a2"], ["b1"]])):
        assert hashes(read_report(config(store.path, older_than_s=seconds), read_ns())) == expected


async def test_report_of_one_node(store: Store) -> None:
    """An unknown node is an error that lists the known ones."""
    assert hashes(read_report(config(store.path, node="bob"), read_ns())) == [["b1"]]
    with pytest.raises(ConfigError) as caught:
        read_report(config(store.path, node="carol"), read_ns())
    assert caught.value.problems == (
        Problem("--lnd.name", "the state file has no node carol.", "Its nodes: alice, bob."),
    )


async def test_state_without_nodes(tmp_path: Path) -> None:
    """As an exporter that has just started leaves it."""
    store = Store(tmp_path / "state.sqlite")
    now_ns = read_ns()
    assert read_report(config(store.path), now_ns) == Report(
        running=True, now_s=now_ns // 10**9, older_than_s=0, nodes=()
    )
    with pytest.raises(ConfigError, match="has no nodes yet"):
        read_report(config(store.path, node="alice"), read_ns())
    store.close()


async def test_unreadable_state_is_a_configuration_error(tmp_path: Path) -> None:
    """It names the flag and the file."""
    with pytest.raises(ConfigError) as caught:
        read_report(config(tmp_path / "nowhere"), read_ns())
    ((where, what, _),) = caught.value.problems
    assert (where, what) == ("--storage.path", f"{tmp_path / 'nowhere'} does not exist.")


async def test_height_and_aliases_survive_a_restart(tmp_path: Path) -> None:
    """Even if the restarted exporter doesn't reach the node."""
    first, path = alice(), tmp_path / "state.sqlite"
    store = Store(path)
    store.save(encoded(first))
    store.close()
    store, second = Store(path), type(first)("alice", first.now, 5)
    saved = store.load("alice")
    assert saved is not None
    second.resume(saved)
    store.save(encoded(second))
    (node,) = read_report(config(path), read_ns()).nodes
    assert (node.following, node.height) == (False, HEIGHT)
    assert [hop.alias for hop in node.payments[0].first_hops] == ["café\x1b[2J 🐙", ""]
    store.close()
