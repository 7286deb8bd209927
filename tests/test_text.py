"""Texts for people: durations, amounts, label values, and names that may hold any character."""

import pytest

from exporter.payments.labels import NodeState, Status
from exporter.text import STATE_TEXT, format_duration, format_sat, sanitize, with_spaces


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (600, "10m"), (605, "10m 5s"), (3600, "1h"), (3605, "1h"), (93_784, "1d 2h")],
)
def test_duration_has_at_most_two_adjacent_units(seconds: int, text: str) -> None:
    """The largest unit, and the next smaller one unless it is zero."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("msat", "text"), [(0, "0"), (1, "0.001"), (1_000_000, "1,000"), (1_234_567_891, "1,234,567.891")]
)
def test_amount_has_decimals_only_for_a_part_of_a_sat(msat: int, text: str) -> None:
    """Three of them."""
    assert format_sat(msat) == text


def test_unprintable_characters_are_replaced() -> None:
    """Control characters, a lone surrogate, a line separator and a change of the writing direction; nothing else."""
    assert (
        sanitize("a\0b\ud800c\u2028d\u202ee \N{HIGH VOLTAGE SIGN}")
        == "a\ufffdb\ufffdc\ufffdd\ufffde \N{HIGH VOLTAGE SIGN}"
    )


def test_label_value_is_written_with_spaces() -> None:
    """As it stands in a sentence."""
    assert with_spaces(Status.IN_FLIGHT) == "in flight"


def test_every_state_has_a_text() -> None:
    """In the order of the states."""
    assert list(STATE_TEXT) == list(NodeState)
