"""What the command `report` groups payments by."""

from enum import StrEnum


class By(StrEnum):
    """The groups of a report, in the order in which `--help` lists them."""

    MONTH = "month"
    DAY = "day"
    KIND = "kind"
    CAUSE = "cause"
    PEER = "peer"
    DESTINATION = "destination"
