"""The JSON document, and its description in docs/open.md."""

import json
import re
from pathlib import Path
from typing import Any

from exporter.listing.document import to_json
from exporter.listing.report import read_report
from exporter.payments.labels import NodeState, Purpose, Reason, Status
from exporter.store import Store
from tests.listing.scene import HEIGHT, OTHER_PEER, PUBKEY, config, read_ns
from tests.payments.build import PEER, T0

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "open.md").read_text(encoding="utf-8")


def read(path: Path, later_s: float = 0) -> Any:
    """Return the parsed document."""
    text = to_json(read_report(config(path), read_ns(later_s)))
    assert text.isascii()
    return json.loads(text)


async def test_document_holds_all_nodes_and_payments(store: Store) -> None:
    """One list of payments over all nodes, oldest first; an unknown value is null."""
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
        "ghost_htlcs": 0,
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


async def test_stopped_exporter_follows_no_node(stopped: Path) -> None:
    """All payments are there, and the height is estimated."""
    found = read(stopped, later_s=7200)
    assert found["exporter_running"] is False
    assert {(node["following"], node["block_height_estimated"]) for node in found["nodes"]} == {(False, True)}
    assert [payment["blocks_left"] for payment in found["payments"]][:2] == [18, -14]


async def test_empty_state_has_empty_lists(tmp_path: Path) -> None:
    """No field is left out."""
    Store(tmp_path / "state.sqlite").close()
    assert read(tmp_path / "state.sqlite") == {"exporter_running": False, "nodes": [], "payments": []}


async def test_every_field_is_documented(store: Store) -> None:
    """By its path, in the order of the document, with all values of closed sets."""

    def paths(value: Any, path: str = "") -> list[str]:
        if isinstance(value, dict):
            inner = [paths(each, f"{path}.{key}".removeprefix(".")) for key, each in value.items()]
            return list(dict.fromkeys(name for names in inner for name in names))
        return paths(value[0], f"{path}[]") if isinstance(value, list) else [path]

    rows = re.findall(r"^\| `([a-z_.\[\]]+)` \| (.*) \|$", DOCUMENTED, re.MULTILINE)
    assert [name for name, _ in rows] == paths(read(store.path))
    values = {name: re.findall(r"`(\w+)`", text) for name, text in rows}
    for name, closed in (("purpose", Purpose), ("status", Status), ("given_up", Reason)):
        assert values[f"payments[].{name}"] == [value.value for value in closed if value is not Reason.NONE]
    assert values["nodes[].state"] == [state.value for state in NodeState]
