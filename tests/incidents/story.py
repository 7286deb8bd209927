"""A story: what happens to a node, and which alerts must fire within how many minutes, in which profile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deploy.prometheus.values import Values, read
from tests.incidents.node import VirtualNode

Tell = Callable[[VirtualNode], None]
Fires = Mapping[str, float]
"""By name of an alert, with its severity if it has several, the minutes within which it fires."""


@dataclass(frozen=True)
class Story:
    """One of them."""

    name: str
    says: str
    """What happens, in a sentence."""
    tell: Tell
    fires: Fires = field(default_factory=dict)
    """In every profile."""
    only: Mapping[str, Fires] = field(default_factory=dict)
    """In one profile besides."""
    several: tuple[str, ...] = ()
    """Alerts that fire for several series at once, as for each of the peers."""
    hours: float = 3
    begins_min: float = 60
    """When it happens; until then the node is healthy."""
    values: Mapping[str, object] = field(default_factory=dict)
    """What it needs to be said in values.yml besides."""
    metrics: tuple[str, ...] = ()
    """Of a story of days only these metrics are scraped, by the ends of their names; else all that rules name."""

    def expected(self, profile: str) -> Fires:
        """The alerts that must fire, and no other."""
        return {**self.fires, **self.only.get(profile, {})}

    def profiles(self) -> dict[str, Values]:
        """Each profile with what this story needs."""
        return read(more=self.values)


TOLD: list[Story] = []
"""Every story of the modules that were imported."""


def story(**about: object) -> Callable[[Tell], Tell]:
    """Put a function into the list: its name is the story's, its docstring says what happens."""

    def add(tell: Tell) -> Tell:
        assert tell.__doc__ is not None
        says = " ".join(tell.__doc__.split())
        TOLD.append(Story(tell.__name__.replace("_", " "), says, tell, **about))  # type: ignore[arg-type]
        return tell

    return add
