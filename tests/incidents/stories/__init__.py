"""All incidents and quiet times, in the order of the documentation."""

from tests.incidents.stories import away, exporter, failing, fleet, flight, liquidity, quiet, several, usual
from tests.incidents.story import REGISTERED

STORIES = [
    story
    for room in (failing, flight, away, usual, liquidity, exporter, several, fleet, quiet)
    for story in REGISTERED
    if story.script.__module__ == room.__name__
]
