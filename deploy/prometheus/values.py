"""What the rules expect of a node: read from `values.yml`, checked, one `Values` for each profile."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from exporter.payments.labels import AmountBand, Kind, Purpose, Reason
from exporter.payments.totals import EDGES, UNIT, HistogramName

VALUES = Path(__file__).parent / "values.yml"

Percent = Annotated[float, Meta(gt=0, lt=100)]
AGES_S = (3600, 86_400)
"""Bounds of the label `age` that may mean stuck."""


class Severity(StrEnum):
    """How urgent an alert is; `off` leaves it out."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class Values(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The keys of `values.yml`, which says what each means."""

    job: str
    nodes: str
    runbooks: str
    grafana: str
    counted_kinds: Annotated[list[Kind], Meta(min_length=1)]
    bad_reasons: Annotated[list[Reason], Meta(min_length=1)]
    target_percent: dict[AmountBand, Percent]
    outage_bad_percent: Percent
    outage_severity: Severity
    fail_fast_severity: Severity
    slow_after_seconds: float
    stuck_after_seconds: int
    unreachable_minutes: Annotated[int, Meta(ge=1)]
    unreachable_severity: Severity
    exporter_down_severity: Severity
    traffic_gone_severity: Severity
    outflow_severity: Severity
    rebalance_storm_severity: Severity
    fee_budget_sat: dict[Purpose, Annotated[int, Meta(gt=0)]]

    def __post_init__(self) -> None:
        """Check what types can't say. Raises ValueError, which msgspec turns into its own kind of error."""
        missing = [band.value for band in AmountBand if band not in self.target_percent]
        if missing:
            raise ValueError(f"target_percent: no target for {', '.join(missing)}")
        edges = [edge / UNIT[HistogramName.DURATION] for edge in EDGES[HistogramName.DURATION]]
        if self.slow_after_seconds not in edges:
            raise ValueError(f"slow_after_seconds: {self.slow_after_seconds:g} is none of {edges}")
        if self.stuck_after_seconds not in AGES_S:
            raise ValueError(f"stuck_after_seconds: {self.stuck_after_seconds} is none of {list(AGES_S)}")
        for name in ("outage_severity", "fail_fast_severity", "unreachable_severity"):
            if getattr(self, name) is Severity.OFF:
                raise ValueError(f"{name}: this alert can't be off; silence it in Alertmanager")
        try:
            re.compile(self.nodes)
        except re.error as error:
            raise ValueError(f"nodes: {self.nodes!r} is no regular expression: {error}") from None


class WrongValues(Exception):
    """Says which value is wrong, and what would be right."""


def read(path: Path = VALUES) -> dict[str, Values]:
    """The profiles by name. Raises `WrongValues`."""
    try:
        raw = yaml.safe_load(path.read_text())
        defaults, profiles = raw["defaults"], raw["profiles"]
        merged = {name: defaults | (own or {}) for name, own in profiles.items()}
    except (OSError, UnicodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise WrongValues(f"{path}: not a file with `defaults` and `profiles`: {error}") from None
    return {name: _checked(path, name, values) for name, values in merged.items()}


def _checked(path: Path, name: str, values: dict[str, Any]) -> Values:
    try:
        return msgspec.convert(values, Values)
    except msgspec.ValidationError as error:
        raise WrongValues(f"{path}: profile {name}: {error}") from None
