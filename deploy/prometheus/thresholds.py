"""What may be said of each alert in `values.yml`, which explains the keys."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from exporter.payments.labels import Purpose
from exporter.payments.totals import EDGES, UNIT, HistogramName

Percent = Annotated[float, Meta(ge=0.1, le=99.9)]
Positive = Annotated[float, Meta(ge=0.001, le=1_000)]
Factor = Annotated[float, Meta(ge=1, le=1_000)]
Whole = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
Minutes = Annotated[int, Meta(ge=1, le=10_080)]
"""At most a week: an alert that waits for longer is none."""


class Severity(StrEnum):
    """How urgent an alert is; `off` leaves it out."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class _Given(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Nothing may be missing, nothing unknown."""


class Plain(_Given, frozen=True):
    """It happened."""

    severity: Severity


class Counted(Plain, frozen=True):
    """It happened so often."""

    at_least: Whole


class Lasting(Plain, frozen=True):
    """It has been so for some time."""

    minutes: Minutes


class Share(Counted, frozen=True):
    """Too much of something is wrong."""

    percent: Percent


class Burning(Counted, frozen=True):
    """The error budget is used too fast."""

    burn: Positive


class TooSlow(Share, frozen=True):
    """Too much of something takes too long; can be told only at the bounds of a histogram."""

    seconds: Positive


class TooSlowForLong(TooSlow, frozen=True):
    """The same, for some time."""

    minutes: Minutes


class Blocks(_Given, frozen=True):
    """Until an expiry."""

    warning_blocks: Whole
    critical_blocks: Whole

    def __post_init__(self) -> None:
        """The more urgent comes later. Raises ValueError."""
        _closer("blocks", self.critical_blocks, self.warning_blocks)


class Stuck(Plain, frozen=True):
    """Known only by the bounds of the label `age`."""

    hours: int

    def __post_init__(self) -> None:
        """Only what a label tells. Raises ValueError."""
        if self.hours not in {1, 24}:
            raise ValueError(f"hours: {self.hours} is neither 1 nor 24")


class Unusual(Counted, frozen=True):
    """Many times as many as usual."""

    times: Factor


class Chain(_Given, frozen=True):
    """Its severity is that of what hangs on it."""

    minutes: Minutes
    header_hours: Positive


class Days(_Given, frozen=True):
    """Until an end."""

    warning_days: Whole
    critical_days: Whole

    def __post_init__(self) -> None:
        """The more urgent comes later. Raises ValueError."""
        _closer("days", self.critical_days, self.warning_days)


class Outflow(Plain, frozen=True):
    """Many times as much as usual, and much."""

    times: Factor
    sat: Whole


class Fees(Plain, frozen=True):
    """More than was set."""

    sat: dict[Purpose, Whole]


class Down(_Given, frozen=True):
    """First a warning, then perhaps more."""

    warning_minutes: Minutes
    critical_minutes: Minutes | None

    def __post_init__(self) -> None:
        """The more urgent comes later. Raises ValueError."""
        if self.critical_minutes is not None and self.critical_minutes <= self.warning_minutes:
            raise ValueError("critical_minutes: not above warning_minutes")


def _closer(unit: str, critical: int, warning: int) -> None:
    if critical >= warning:
        raise ValueError(f"critical_{unit}: not below warning_{unit}")


class Thresholds(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename="pascal"):
    """All alerts but the watchdog, which has nothing to be set."""

    outage: Share
    fail_fast: Burning
    fail_slowly: Burning
    error_budget: Burning
    quiet_node_fails: Counted
    path_finding_slow: TooSlowForLong
    slow: TooSlow
    own_liquidity: Share
    own_channel: Share
    peer_fails: Share
    recipients_refuse: Share
    probe_storm: Share
    rebalance_storm: Share
    unknown_reasons: Plain
    htlc_near_expiry: Blocks
    htlc_expired: Lasting
    stuck: Stuck
    stalled: Lasting
    many_pending: Unusual
    late_success: Plain
    wallet_locked: Lasting
    access_denied: Lasting
    wrong_node: Lasting
    node_unreachable: Lasting
    starting_for_long: Lasting
    no_active_channel: Lasting
    chain_stalls: Chain
    certificate_expires: Days
    traffic_gone: Counted
    outflow: Outflow
    fee_budget: Fees
    exporter_down: Down
    stream_lies: Plain
    updates_delayed: TooSlowForLong
    checkpoint_fails: Lasting
    state_reset: Plain
    node_label_taken: Plain
    not_following: Lasting
    audit_unaccounted: Lasting
    catch_up_long: Lasting

    def __post_init__(self) -> None:
        """Histograms tell only their bounds, and a quiet node has fewer payments than others. Raises ValueError."""
        for given, name, histogram in (
            (self.path_finding_slow, "PathFindingSlow", HistogramName.FIRST_ATTEMPT),
            (self.slow, "Slow", HistogramName.DURATION),
            (self.updates_delayed, "UpdatesDelayed", HistogramName.UPDATE_DELAY),
        ):
            edges = [edge / UNIT[histogram] for edge in EDGES[histogram]]
            if given.seconds not in edges:
                raise ValueError(f"{name}: seconds: {given.seconds:g} is none of {edges}")
        if self.quiet_node_fails.at_least >= self.fail_slowly.at_least:
            raise ValueError("QuietNodeFails: at_least: not below FailSlowly's, which is for more payments")
