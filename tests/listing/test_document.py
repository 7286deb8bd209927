"""JSON for scripts: its fields are described in the documentation, with their units."""

import json
import re
from pathlib import Path
from typing import Any

from exporter.listing import report
from exporter.listing.document import document
from exporter.payments.labels import NodeState, Purpose, Reason, Status
from exporter.store import Store
from tests.listing.scene import HEIGHT, OTHER_PEER, PUBKEY, config, looked_ns
from tests.payments.build import PEER, T0

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "open.md").read_text(encoding="utf-8")


def read(path: Path, later_s: float = 0) -> Any:
    """The document."""
    text = document(report(config(path), looked_ns(later_s)))
    assert text.isascii()
    return json.loads(text)


async def test_all_of_it(store: Store) -> None:
    """One list over all nodes, the oldest first; what isn't known is null."""
    found = read(store.path)
    assert found["exporter_running"] is True
    written_s = T0 // 10**9 + 500
    common = {"pubkey": PUBKEY, "written_timestamp_seconds": written_s, "block_height": HEIGHT, "mode": None}
    alice = {"node": "alice", "state": "ready", "following": True, "followed_timestamp_seconds": written_s}
    bob = {"node": "bob", "state": "unreachable", "following": False, "followed_timestamp_seconds": written_s - 300}
    assert found["nodes"] == [
        common | alice | {"block_height_estimated": False},
        common | bob | {"block_height_estimated": True},
    ]
    order = [(payment["node"], payment["payment_hash"][:2]) for payment in found["payments"]]
    assert order == [("alice", "a1"), ("bob", "b1"), ("alice", "a2"), ("alice", "a3"), ("alice", "a4"), ("alice", "a5")]
    assert found["payments"][0] == {
        "node": "alice",
        "payment_hash": "a1" * 32,
        "created_timestamp_seconds": T0 // 10**9 - 183_600,
        "age_seconds": 184_110,
        "purpose": "payment",
        "amount_msat": 1_000_000,
        "status": "in_flight",
        "given_up": None,
        "htlcs": 3,
        "first_hops": [
            {"pubkey": PEER, "alias": "café\x1b[2J 🐙", "htlcs": 2, "amount_msat": 2_000_020},
            {"pubkey": OTHER_PEER, "alias": None, "htlcs": 1, "amount_msat": 5},
        ],
        "expiry_height": HEIGHT + 30,
        "blocks_left": 30,
    }
    assert [payment["given_up"] for payment in found["payments"]] == [None, None, "timeout", None, None, None]
    assert found["payments"][-1]["first_hops"] == []
    assert found["payments"][-1]["blocks_left"] is None


async def test_when_it_runs_no_more(left: Path) -> None:
    """All is there, and says so."""
    found = read(left, later_s=7200)
    assert found["exporter_running"] is False
    assert {(node["following"], node["block_height_estimated"]) for node in found["nodes"]} == {(False, True)}
    assert [payment["blocks_left"] for payment in found["payments"]][:2] == [18, -14]


async def test_nothing_in_flight(tmp_path: Path) -> None:
    """Empty lists, not nothing."""
    Store(tmp_path / "state.sqlite").close()
    assert read(tmp_path / "state.sqlite") == {"exporter_running": False, "nodes": [], "payments": []}


async def test_every_field_is_documented(store: Store) -> None:
    """By its path, in the order of the document; and the words that may stand there."""

    def paths(value: Any, path: str = "") -> list[str]:
        if isinstance(value, dict):
            inner = [paths(each, f"{path}.{key}".removeprefix(".")) for key, each in value.items()]
            return list(dict.fromkeys(name for names in inner for name in names))
        return paths(value[0], f"{path}[]") if isinstance(value, list) else [path]

    rows = re.findall(r"^\| `([a-z_.\[\]]+)` \| (.*) \|$", DOCUMENTED, re.MULTILINE)
    assert [name for name, _ in rows] == paths(read(store.path))
    words = {name: re.findall(r"`(\w+)`", text) for name, text in rows}
    for name, closed in (("purpose", Purpose), ("status", Status), ("given_up", Reason)):
        assert words[f"payments[].{name}"] == [word.value for word in closed if word is not Reason.NONE]
    assert words["nodes[].state"] == [word.value for word in NodeState]
