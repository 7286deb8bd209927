"""A story: what happens to a node, and which alerts must fire within how many minutes, in which profile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exporter.rules.generate import groups
from exporter.rules.rule import Alert
from exporter.rules.thresholds import Severity
from exporter.rules.values import Values, read
from tests.incidents.node import VirtualNode
from tests.incidents.targets import Layout

Script = Callable[[VirtualNode], None]
Fires = Mapping[str, float]
"""Minutes within which each alert fires, by its name, with the severity if it has several."""


@dataclass(frozen=True)
class Story:
    """An incident or a quiet time, and the alerts that it must cause."""

    name: str
    description: str
    """What happens, in a sentence."""
    script: Script
    fires: Fires = field(default_factory=dict)
    """Alerts in every profile that has them."""
    only: Mapping[str, Fires] = field(default_factory=dict)
    """More alerts in single profiles."""
    ends: Fires = field(default_factory=dict)
    """Minutes from the beginning within which an alert must have stopped firing again, by its name."""
    several: tuple[str, ...] = ()
    """Alerts that fire for several series at once, as for each of the peers."""
    of_job: tuple[str, ...] = ()
    """Alerts of a whole job, which have no instance."""
    hours: float = 3
    begins_min: float = 60
    """When the incident begins; until then the node is healthy."""
    values: Mapping[str, object] = field(default_factory=dict)
    """Changes of values.yml for this story."""
    layouts: tuple[Layout, ...] = (Layout.ONE_PAGE,)
    """The layouts in which it is played: both, if a rule joins series of the node with those of its exporter."""
    metrics: tuple[str, ...] = ()
    """The only metrics to scrape in a story of several days, by the ends of their names; default: all."""

    def expected(self, profile: str) -> Fires:
        """Return the alerts that must fire in a profile, under their names there; no other may."""
        expected: dict[str, float] = {}
        names = _names(self.profiles()[profile])
        for alert, minutes in {**self.fires, **self.only.get(profile, {})}.items():
            if alert in names:
                name = names[alert]
                expected[name] = max(minutes, expected.get(name, 0))
        return expected

    def profiles(self) -> dict[str, Values]:
        """Return each profile with this story's changes."""
        return read(more=self.values)


def _names(values: Values) -> dict[str, str]:
    """Return the alerts of a profile, with and without severity, and the name under which each fires."""
    names: dict[str, str] = {}
    for group in groups(values):
        for rule in group.rules:
            if isinstance(rule, Alert) and rule.severity is not Severity.OFF:
                fires_as = rule.fires_as
                names |= {rule.name: fires_as, f"{rule.name} {rule.severity}": f"{fires_as} {rule.severity}"}
    return names


REGISTERED: list[Story] = []
"""Every story of the imported modules."""


def story(**about: object) -> Callable[[Script], Script]:
    """Register a function as a story: its name is the story's name, its docstring describes the incident."""

    def add(script: Script) -> Script:
        assert script.__doc__ is not None
        description = " ".join(script.__doc__.split())
        REGISTERED.append(Story(script.__name__.replace("_", " "), description, script, **about))  # type: ignore[arg-type]
        return script

    return add
