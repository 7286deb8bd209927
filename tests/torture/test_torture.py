"""A short form of `make torture`."""

from pathlib import Path

import pytest

from tests.torture.torture import Torture

pytestmark = pytest.mark.slow


async def test_torture(tmp_path: Path) -> None:
    """A dozen faults, half of them to the exporter's own process."""
    told = await Torture(tmp_path, 1).run(300, 14)
    assert told.payments == 300
    assert told.faults.total() == 14
    assert told.faults["exporter killed"] >= 2
    assert told.scrapes > 14
