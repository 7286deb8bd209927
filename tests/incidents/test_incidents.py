"""In each incident exactly the right alerts fire, in time and without flapping; in quiet times none does."""

from pathlib import Path

import pytest

from tests.incidents.node import VirtualNode
from tests.incidents.promtool import Fired, fired
from tests.incidents.stories import STORIES
from tests.incidents.story import Story
from tests.incidents.targets import Layout

pytestmark = pytest.mark.usefixtures("programs")


PLAYED = [(story, layout) for layout in Layout for story in STORIES if layout in story.layouts]


@pytest.mark.parametrize(
    ("story", "layout"), PLAYED, ids=[f"{story.name} - {layout.value}" for story, layout in PLAYED]
)
def test_exactly_the_expected_alerts_fire(story: Story, layout: Layout, tmp_path: Path) -> None:
    """They fire in time, once, and no other alert does, in any profile."""
    node = VirtualNode(story.name, story.metrics, layout=layout)
    story.script(node)
    node.run(story.hours * 3600)
    for profile, alerts in fired(story.profiles(), node.series, tmp_path).items():
        wrong = differences(story, profile, alerts)
        assert wrong == [], f"{profile}: {alerts}"


def differences(story: Story, profile: str, alerts: dict[str, Fired]) -> list[str]:
    """Return every difference from the expected alerts, one line each."""
    lines = []
    expected = story.expected(profile)
    due = {name: next((e for e in expected if name == e or name.startswith(f"{e} ")), None) for name in alerts}
    lines += [f"{missing} did not fire" for missing in expected.keys() - set(due.values())]
    for name, alert in alerts.items():
        wanted = due[name]
        if wanted is None:
            lines.append(f"{name} fired for nothing")
            continue
        after_min = alert.first_min - story.begins_min
        if not 0 <= after_min <= expected[wanted]:
            lines.append(f"{name} fired after {after_min:.1f} minutes, not within {expected[wanted]:g}")
        lasts_min = alert.last_min - story.begins_min
        if lasts_min > story.ends.get(wanted, lasts_min):
            lines.append(f"{name} fired until minute {lasts_min:.1f}, not {story.ends[wanted]:g}")
        if alert.times != 1:
            lines.append(f"{name} fired {alert.times} times")
        if bool(alert.without_instance) != (wanted in story.of_job):
            lines.append(f"{name} fired {alert.without_instance} times without an instance")
        if alert.series != 1 and wanted not in story.several:
            lines.append(f"{name} fired for {alert.series} series")
    return lines
