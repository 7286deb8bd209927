"""When an alert would have fired in the past."""

import pytest

from tests.pictures.alerts import _moments

MINUTE = 60


@pytest.mark.parametrize(
    ("held", "lasts", "keeps", "fires"),
    [
        ([1, 2, 3], 0, 0, [1, 2, 3]),
        ([1, 2, 3, 4], 2, 0, [3, 4]),
        ([1, 2, 5, 6], 2, 0, []),
        ([1, 4], 0, 2, [1, 2, 3, 4]),
        ([1, 9], 0, 2, [1, 2, 3, 9]),
    ],
)
def test_moments(held: list[int], lasts: int, keeps: int, fires: list[int]) -> None:
    """It must hold for a while first, and goes on for a while."""
    found = _moments([minute * MINUTE for minute in held], lasts * MINUTE, keeps * MINUTE)
    assert list(found) == [minute * MINUTE for minute in fires]
