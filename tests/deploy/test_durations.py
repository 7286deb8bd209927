"""What runbooks and alerts say about time is what the rules do: a generated table, and durations in sentences."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.documented import check
from tests.deploy.durations import alerts, named, names, runbook, table, windows

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
TOLD = ("What it means", "When it is harmless")
"""The sections that describe the rule."""
MINUTE, HOUR, DAY = 60, 3600, 86_400
FACTS: Mapping[str, set[float]] = {
    "BalanceInactive": {5 * MINUTE},  # how often the exporter reads balances
    "CheckpointFails": {1},  # the exporter's own limit for a write
    "ErrorBudget": {DAY},  # so long the exporter remembers a failed hash
    "GhostHtlcs": {5 * MINUTE, 10 * MINUTE},  # how often the exporter compares, and how long an HTLC must be missing
    "HtlcExpired": {10 * MINUTE},  # between two blocks
    "HtlcNearExpiry": {10 * MINUTE, 30 * MINUTE, 6 * HOUR, DAY},  # a block; held; 36 and 144 blocks
    "LiquidityRunsOut": {5 * MINUTE, 2 * DAY, 7 * DAY},  # the same; the rule looks at the hours to come, of other days
    "ManyNodesDown": {MINUTE},  # so much earlier than the alerts that it stands for
    "ManyPending": {10 * MINUTE},  # the age from which the exporter says that a payment is under an hour old
    "NoActiveChannel": {MINUTE},  # how often the exporter reads the number
    "Stalled": {10 * MINUTE},  # as long the exporter has seen no update
    "TrafficGone": {7 * DAY},  # the rule looks around the same time of a week ago
}
"""Durations that a text names, but which aren't those of the rule."""
BY_THE_TABLE = re.compile(
    r"fires? at once|keeps? firing|goes on (firing )?for|in profile \w+ \(`|`(warning|info)` in", re.IGNORECASE
)


@pytest.mark.parametrize("name", names())
def test_table_of_a_runbook(name: str) -> None:
    """`UPDATE_GOLDEN=1 pytest tests/deploy` generates it."""
    check(RUNBOOKS / runbook(name), "rule", table(name))


def told(page: str) -> str:
    """Return the first sentence and the sections that describe the rule, without the table and code."""
    head, *sections = page.split("\n## ")
    text = head + "".join(section for section in sections if section.startswith(TOLD))
    text = re.sub(r"<!-- begin rule -->.*<!-- end rule -->|```.*?```", "", text, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


@pytest.mark.parametrize("name", names())
def test_durations_of_a_runbook(name: str) -> None:
    """Each is a window or a threshold of the rule; what is in the table is in no sentence."""
    text = told((RUNBOOKS / runbook(name)).read_text())
    assert named(text) - windows(name) - FACTS.get(name, set()) == set()
    assert not BY_THE_TABLE.findall(text)


@pytest.mark.parametrize("name", names())
def test_durations_of_an_alert(name: str) -> None:
    """Each in its text is a window or a threshold of the rule, or how long the condition must hold."""
    for _, alert in alerts(name):
        text = re.sub(r"{{.*?}}", "", f"{alert.summary} {alert.description}")
        assert named(text) - windows(name) - named(alert.for_) - FACTS.get(name, set()) == set()


def test_durations_in_words() -> None:
    """Numbers and words, in the singular and the plural."""
    assert named("for 10 minutes, an hour, half an hour, 2.5 s; within the last 3 days") == {
        600,
        3600,
        1800,
        2.5,
        259_200,
    }
