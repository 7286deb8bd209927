"""The keys of each alert in `values.yml`, which explains them."""

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
"""1 minute to a week: an alert that waits longer is useless."""


class Severity(StrEnum):
    """How urgent an alert is; `off` leaves it out."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class _Given(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A mapping in which all keys are required and unknown keys are errors."""


class Plain(_Given, frozen=True):
    """An alert on a single event."""

    severity: Severity


class Counted(Plain, frozen=True):
    """An alert on a number of events."""

    at_least: Whole


class Lasting(Plain, frozen=True):
    """An alert on a condition that holds for some time."""

    minutes: Minutes


class Share(Counted, frozen=True):
    """An alert on a share that is too large."""

    percent: Percent


class Burning(Counted, frozen=True):
    """An alert on the burn rate of the error budget."""

    burn: Positive


class TooSlow(Share, frozen=True):
    """An alert on durations; the limit must be a bucket bound of a histogram."""

    seconds: Positive


class TooSlowForLong(TooSlow, frozen=True):
    """An alert on durations that are too long for some time."""

    minutes: Minutes


class Blocks(_Given, frozen=True):
    """Blocks until an expiry, for two severities."""

    warning_blocks: Whole
    critical_blocks: Whole

    def __post_init__(self) -> None:
        """Check that the critical limit comes after the warning. Raises ValueError."""
        _closer("blocks", self.critical_blocks, self.warning_blocks)


class Stuck(Plain, frozen=True):
    """An alert on old payments; the limit must be a bound of the label `age`."""

    hours: int

    def __post_init__(self) -> None:
        """Check that a bound of the label `age` matches. Raises ValueError."""
        if self.hours not in {1, 24}:
            raise ValueError(f"hours: {self.hours} is neither 1 nor 24")


class Unusual(Counted, frozen=True):
    """An alert on many times more than usual."""

    times: Factor


class Chain(_Given, frozen=True):
    """An alert on the chain; held HTLCs make it more severe."""

    minutes: Minutes
    header_hours: Positive


class Days(_Given, frozen=True):
    """Days until an end, for two severities."""

    warning_days: Whole
    critical_days: Whole

    def __post_init__(self) -> None:
        """Check that the critical limit comes after the warning. Raises ValueError."""
        _closer("days", self.critical_days, self.warning_days)


class Outflow(Plain, frozen=True):
    """An alert on amounts far above the usual ones and above a minimum."""

    times: Factor
    sat: Whole


class Ahead(Plain, frozen=True):
    """An alert on what will happen within some hours, by what happened in the same hours of the day before."""

    hours: Annotated[int, Meta(ge=1, le=23)]


class ShareForLong(Lasting, frozen=True):
    """An alert on a share that is too large for some time."""

    percent: Percent


class Fees(Plain, frozen=True):
    """An alert on fees above a limit."""

    sat: dict[Purpose, Whole]


class Down(_Given, frozen=True):
    """An alert that may become critical after a longer time."""

    warning_minutes: Minutes
    critical_minutes: Minutes | None

    def __post_init__(self) -> None:
        """Check that the critical limit comes after the warning. Raises ValueError."""
        if self.critical_minutes is not None and self.critical_minutes <= self.warning_minutes:
            raise ValueError("critical_minutes: not above warning_minutes")


class Many(_Given, frozen=True):
    """An alert on several other alerts at once, and on a share of all nodes."""

    at_least: Whole | None
    percent: Percent

    def __post_init__(self) -> None:
        """Check that one alone is not many. Raises ValueError."""
        if self.at_least == 1:
            raise ValueError("at_least: 1 is not many: 2 or more would be right")


def _closer(unit: str, critical: int, warning: int) -> None:
    if critical >= warning:
        raise ValueError(f"critical_{unit}: not below warning_{unit}")


class Thresholds(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True, rename="pascal"):
    """The settings of all alerts except the watchdog, which has none."""

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
    ghost_htlcs: Plain
    many_pending: Unusual
    late_success: Plain
    wallet_locked: Lasting
    access_denied: Lasting
    wrong_node: Lasting
    node_unreachable: Lasting
    starting_for_long: Lasting
    no_active_channel: Lasting
    liquidity_runs_out: Ahead
    balance_inactive: ShareForLong
    chain_stalls: Chain
    certificate_expires: Days
    traffic_gone: Share
    outflow: Outflow
    fee_budget: Fees
    exporter_down: Down
    many_nodes_down: Many
    nothing_scraped: Lasting
    stream_lies: Plain
    updates_delayed: TooSlowForLong
    checkpoint_fails: Lasting
    state_reset: Plain
    reload_failed: Lasting
    node_label_taken: Plain
    not_following: Lasting
    audit_unaccounted: Lasting
    catch_up_long: Lasting

    def __post_init__(self) -> None:
        """Check limits against bucket bounds and against each other. Raises ValueError."""
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
