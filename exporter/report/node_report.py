"""The report on one node: its sums, and what is needed to show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.report.fold import Fold


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What was read of one node."""

    name: str
    """The label `node`."""
    fold: Fold
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Known aliases of direct peers by identity key."""

    def name_of(self, peer: str) -> str:
        """Return the alias of a peer if it is known, else its key; `other` stays as it is."""
        return self.aliases.get(peer) or peer


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a report covers."""

    now_ns: int
    """When reading began, nanoseconds since 1970."""
    since_s: int | None = None
    """How far it reaches back, seconds; None: to the first payment."""

    @property
    def since_ns(self) -> int:
        """Its beginning, nanoseconds since 1970; 0 without one."""
        return 0 if self.since_s is None else max(0, self.now_ns - self.since_s * 1_000_000_000)
