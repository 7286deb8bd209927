"""Alerts of the past fire as Prometheus would fire them."""

import pytest

from exporter.rules.rule import Recording
from tests.pictures.alerts import _moments, _reading_their_own

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
    found = _moments([minute * MINUTE for minute in held], for_min * MINUTE, keep_firing_min * MINUTE, MINUTE)
    assert list(found) == [minute * MINUTE for minute in fires]


def test_series_that_go_on_with_their_own_value() -> None:
    """They are found with all that they read, in the order of the rules; other series are not."""
    first, other = Recording("a:b:sum", "m"), Recording("c:d:sum", "a:b:sum")
    kept = Recording("e:f:last", "a:b:sum or e:f:last")
    assert _reading_their_own([first, other, kept]) == [first, kept]
