"""All incidents and quiet times, in the order in which the documentation tells them."""

from tests.incidents.stories import away, exporter, failing, flight, quiet
from tests.incidents.story import STORIES

__all__ = ["STORIES", "away", "exporter", "failing", "flight", "quiet"]
