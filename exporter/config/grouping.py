"""What the command `report` adds up: by which groups, and of which time."""

from dataclasses import dataclass
from enum import StrEnum


class By(StrEnum):
    """The groups of a report, in the order in which `--help` lists them."""

    MONTH = "month"
    DAY = "day"
    KIND = "kind"
    CAUSE = "cause"
    PEER = "peer"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class ReportConfig:
    """What the command `report` adds up, and how it is printed."""

    since_s: int | None = None
    """Only payments that ended at most this long ago, seconds; None: all."""
    by: By = By.MONTH
    csv: bool = False
    json: bool = False
