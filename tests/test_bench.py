"""`make bench` still measures everything, here with few payments."""

import pytest

from tests.bench.__main__ import measured

pytestmark = pytest.mark.slow


async def test_every_row() -> None:
    """Every row has a result, with a few payments."""
    rows = list(measured(20))
    assert len(rows) == 8
    assert all(row.seconds > 0 and row.bare > 0 for row in rows)
    assert [row.what for row in rows if row.seconds == row.bare] == [row.what for row in rows if "parsed" in row.what]
