"""`make bench` takes some seconds; this only tests that it works, and measures everything."""

import pytest

from tests.bench.__main__ import measure

pytestmark = pytest.mark.slow


async def test_every_row_is_measured() -> None:
    """With a few payments."""
    rows = list(measure(20))
    assert len(rows) == 8
    assert all(row.seconds > 0 and row.bare > 0 for row in rows)
    assert [row.name for row in rows if row.seconds == row.bare] == [row.name for row in rows if "parsed" in row.name]
