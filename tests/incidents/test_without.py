"""Alerts fire as ever if the exporter's pages lack every group of series, except those that docs/series.md names."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.metrics.groups import Group
from tests.deploy.needs import Effect, alerts
from tests.incidents.node import VirtualNode
from tests.incidents.promtool import fired
from tests.incidents.stories import STORIES
from tests.incidents.story import Fires, Story
from tests.incidents.test_incidents import differences

pytestmark = pytest.mark.usefixtures("programs")

NAMES = {"peers offline", "empty channels", "fee loop", "peers come back"}
PLAYED = [story for story in STORIES if story.name in NAMES]
NEED_A_GROUP = {name for group in Group for name, found in alerts(group).items() if found is Effect.NOTHING}


def _living(fires: Fires) -> Fires:
    return {name: minutes for name, minutes in fires.items() if name.split()[0] not in NEED_A_GROUP}


@pytest.mark.parametrize("story", PLAYED, ids=[story.name for story in PLAYED])
def test_alerts_fire_without_groups(story: Story, tmp_path: Path) -> None:
    """In time and once, and no other alert does, in any profile."""
    node = VirtualNode(story.name, story.metrics, without=tuple(Group))
    story.script(node)
    node.run(story.hours * 3600)
    expected = replace(story, fires=_living(story.fires), only={p: _living(fires) for p, fires in story.only.items()})
    for profile, found in fired(story.profiles(), node.series, tmp_path).items():
        assert differences(expected, profile, found) == [], f"{profile}: {found}"


def test_stories_cover_the_alerts_that_change() -> None:
    """Each alert that treats all as one without a group fires in a story that is played here; and one is quiet."""
    played = {name.split()[0] for story in PLAYED for fires in (story.fires, *story.only.values()) for name in fires}
    changed = {name for group in Group for name, found in alerts(group).items() if found is Effect.COARSER}
    assert changed - played == set()
    assert any(not story.fires and not story.only for story in PLAYED)
