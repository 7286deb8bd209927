"""Alerts of the past fire as Prometheus would fire them."""

import pytest

from tests.pictures.alerts import _moments

MINUTE = 60


@pytest.mark.parametrize(
    ("held", "for_min", "keep_firing_min", "fires"),
    [
        ([1, 2, 3], 0, 0, [1, 2, 3]),
        ([1, 2, 3, 4], 2, 0, [3, 4]),
        ([1, 2, 5, 6], 2, 0, []),
        ([1, 4], 0, 2, [1, 2, 3, 4]),
        ([1, 9], 0, 2, [1, 2, 3, 9]),
    ],
)
def test_moments(held: list[int], for_min: int, keep_firing_min: int, fires: list[int]) -> None:
    """The condition must hold for `for` first, and the alert then fires until `keep_firing_for` is over."""
    found = _moments([minute * MINUTE for minute in held], for_min * MINUTE, keep_firing_min * MINUTE)
    assert list(found) == [minute * MINUTE for minute in fires]
