"""A short form of `make torture`."""

from pathlib import Path

import pytest

from tests.torture.torture import Torture

pytestmark = pytest.mark.slow


async def test_torture(tmp_path: Path) -> None:
    """14 faults, half of them at the exporter's process."""
    summary = await Torture(tmp_path, 1).run(300, 14)
    assert summary.payments == 300
    assert summary.faults.total() == 14
    assert summary.faults["exporter killed"] >= 2
    assert summary.scrapes > 14
