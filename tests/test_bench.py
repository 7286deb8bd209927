"""`make bench` takes minutes; this only tests that it works, and measures everything."""

import json
from pathlib import Path

import pytest

from tests.bench.__main__ import GROUPS, main
from tests.bench.document import GROWTH, SECTIONS, markers
from tests.bench.line import Goal, Limit, Line

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("group", GROUPS)
def test_every_line_is_measured(group: str, tmp_path: Path) -> None:
    """In the quick form: each line has a value, and what it is compared with; the document gets a row of each."""
    document, written = tmp_path / "performance.md", tmp_path / "bench.json"
    document.write_text("".join("\n".join([f"before {name}", *markers(name), "after\n"]) for name in SECTIONS))
    assert main([group, "--quick", f"--json={written}", f"--write={document}"]) == 0
    lines = json.loads(written.read_text())["lines"]
    assert lines
    assert {line["group"] for line in lines} == {group}
    assert len({line["name"] for line in lines}) == len(lines)
    assert all(line["value"] >= 0 for line in lines)
    assert all((line["ratio"] is not None) == bool(line["compared_with"]) for line in lines)
    assert all((line["met"] is None) == (not line["goal"]) for line in lines)
    begin, end = markers(GROWTH if group == GROWTH else SECTIONS[0])
    rows = document.read_text().partition(begin)[2].partition(end)[0].splitlines()
    assert sum(row.startswith(f"| {group}: ") for row in rows) == len(lines)


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (None, None),
        (Goal(Limit.VALUE, 6), True),
        (Goal(Limit.VALUE, 5.9), False),
        (Goal(Limit.RATIO, 3), True),
        (Goal(Limit.RATIO, 2.9), False),
        (Goal(Limit.ABOVE, 4), True),
        (Goal(Limit.ABOVE, 3.9), False),
        (Goal(Limit.LEAST, 6), True),
        (Goal(Limit.LEAST, 6.1), False),
    ],
)
def test_a_goal_is_met_by_the_median(goal: Goal | None, met: bool | None) -> None:  # noqa: FBT001
    """The medians are 6, and 2 for what it is compared with."""
    line = Line("group", "name", "ms", [6, 100, 5], "bare", [2, 1, 50], goal)
    assert (line.value, line.baseline, line.ratio, line.met) == (6, 2, 3, met)
