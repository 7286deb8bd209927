"""The blocks left of a held HTLC are the same number in the alerts' recorded series and in the command `open`."""

from pathlib import Path

import pytest

from exporter.listing.report import read_report
from exporter.payments.payment import NS_PER_S
from exporter.rules.away import BLOCKS_LEFT
from exporter.store import Store
from tests.deploy.test_absences import check, node
from tests.listing.scene import HEADER_S, HEIGHT, alice, bob, config, encoded
from tests.promtool import Expected

EXPIRY = HEIGHT + 100
HEADER_MIN = 5
"""When the newest block was found, by promtool's clock, which begins at 0."""
AT_MIN = (6, 14, 15, 24, 25, 60, HEADER_MIN + 120, HEADER_MIN + 121, HEADER_MIN + 129, HEADER_MIN + 130, 500)


@pytest.mark.usefixtures("programs")
async def test_recorded_series_and_open_agree(tmp_path: Path) -> None:
    """For a node that is followed and one that isn't, until and after the newest block is two hours old."""
    store = Store(tmp_path / "state.sqlite")
    store.save(encoded(alice(), bob()))
    story: dict[str, str] = {}
    for name, followed in (("alice", 1), ("bob", 0)):
        story |= node(
            "a",
            name,
            node_up=f"{followed}x500",
            stream_up=f"{followed}x500",
            held_earliest_expiry_height=f"{EXPIRY}x500",
            node_block_height=f"{HEIGHT}x500",
            node_best_header_timestamp_seconds=f"{HEADER_MIN * 60}x500",
        )
    expected = []
    for at_min in AT_MIN:
        read = read_report(config(store.path), (HEADER_S + (at_min - HEADER_MIN) * 60) * NS_PER_S)
        heights = {one.name: one.height for one in read.nodes}
        assert all(heights.values())
        left = {f'{{node="{name}"}}': EXPIRY - (height or 0) for name, height in heights.items()}
        expected.append(Expected(f"max by (node) ({BLOCKS_LEFT})", at_min, left))
    store.close()
    assert {at_min: answer['{node="alice"}'] for _, at_min, answer in expected}[60] == 100
    check(tmp_path, story, expected)
