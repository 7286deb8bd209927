"""Texts of alerts whose value may pass a limit: what they say before and after it."""

from pathlib import Path

import pytest

from exporter.rules.away import BLOCKS_LEFT
from tests.deploy.test_usual import message, of

pytestmark = pytest.mark.usefixtures("programs")


@pytest.mark.parametrize(
    ("blocks", "summary", "description"),
    [
        (20, "alice: an HTLC expires in 20 blocks", "for more than 30 minutes expires in 20 blocks. If nobody"),
        (0, "alice: an HTLC has expired", "for more than 30 minutes has expired. If nobody"),
        (-7, "alice: an HTLC has expired", "for more than 30 minutes has expired. If nobody"),
    ],
)
def test_htlc_near_expiry(blocks: int, summary: str, description: str, tmp_path: Path) -> None:
    """It goes on firing when the HTLC has expired; `home` has no other alert on that."""
    said = " ".join(message(tmp_path, "HtlcNearExpiry", of(BLOCKS_LEFT, f"{blocks}x20"), 10).split())
    assert f'summary="{summary}"' in said
    assert description in said
