"""The totals of a node: all counters and histograms, the series that exist from the start, and the buckets."""

from bisect import bisect_left
from enum import StrEnum
from itertools import product
from typing import TypeAlias

from exporter.payments.labels import (
    AmountBand,
    CallOutcome,
    Cause,
    Code,
    FailureSource,
    FromStatus,
    Ignored,
    Interruption,
    Kind,
    Lost,
    Method,
    Outcome,
    Purpose,
    Reason,
    Source,
    ToStatus,
    Unresolved,
)
from exporter.payments.payment import NS_PER_MS, NS_PER_S

Labels: TypeAlias = tuple[str, ...]


class Counter(StrEnum):
    """The counters."""

    STARTED = "started"
    TRANSITIONS = "transitions"
    SUCCEEDED = "succeeded"
    SUCCEEDED_LATE = "succeeded_late"
    SUCCEEDED_LATE_MSAT = "succeeded_late_msat"
    FAILED = "failed"
    FAILED_BY_CAUSE = "failed_by_cause"
    NO_ROUTE_CHECKS = "no_route_checks"
    FAILED_MADE_GOOD = "failed_made_good"
    SENT = "sent"
    FEES = "fees"
    FAILED_MSAT = "failed_msat"
    ATTEMPTS_STARTED = "attempts_started"
    ATTEMPTS_SETTLED = "attempts_settled"
    ATTEMPTS_FAILED = "attempts_failed"
    ATTEMPTS_UNRESOLVED = "attempts_unresolved"
    LOCKED_MSAT_MS = "locked_msat_ms"
    """Amount in msat times the time for which it was locked in milliseconds: exceeds 64 bits on a busy node."""
    PEER_ATTEMPTS = "peer_attempts"
    PEER_SENT = "peer_sent"
    PEER_FEES = "peer_fees"
    PEER_FEES_BY_PURPOSE = "peer_fees_by_purpose"
    """The same; a page shows only those of rebalances, and no label `purpose`: that would be three series a peer."""
    PEER_REBALANCED_IN = "peer_rebalanced_in"
    PEER_REBALANCED_IN_FEES = "peer_rebalanced_in_fees"
    PEER_OUTSTANDING_MS = "peer_outstanding_ms"
    """Time for which HTLCs were outstanding, milliseconds."""
    DESTINATION_ENDED = "destination_ended"
    DESTINATION_SENT = "destination_sent"
    DESTINATION_FEES = "destination_fees"
    UPDATES = "updates"
    UPDATES_IGNORED = "updates_ignored"
    INTERRUPTIONS = "interruptions"
    RECOVERED = "recovered"
    ATTEMPTS_INCOMPLETE = "attempts_incomplete"
    LOST = "lost"
    CATCH_UP = "catch_up"
    LND_CALLS = "lnd_calls"


class HistogramName(StrEnum):
    """The histograms."""

    FEE = "fee"
    FEE_PPM = "fee_ppm"
    DURATION = "duration"
    FIRST_ATTEMPT = "first_attempt"
    ATTEMPTS = "attempts"
    PARTS = "parts"
    RUNS = "runs"
    ATTEMPT_DURATION = "attempt_duration"
    ATTEMPT_HOPS = "attempt_hops"
    UPDATE_DELAY = "update_delay"
    DESTINATION_DURATION = "destination_duration"


class Histogram:
    """A histogram of whole numbers. Its sum is an integer, and therefore exact."""

    __slots__ = ("buckets", "edges", "total")

    def __init__(self, edges: tuple[int, ...]) -> None:
        """Start empty; `edges` are inclusive upper bounds, ascending, in the unit of the observations."""
        self.edges = edges
        self.buckets = [0] * (len(edges) + 1)
        """Number of observations in each bucket alone (not cumulative); the last bucket is above all edges."""
        self.total = 0
        """Sum of all observations."""

    def observe(self, value: int) -> None:
        """Add one observation."""
        self.buckets[bisect_left(self.edges, value)] += 1
        self.total += value

    def __eq__(self, other: object) -> bool:
        """Return True if both have the same sum and the same buckets."""
        return isinstance(other, Histogram) and (self.total, self.buckets) == (other.total, other.buckets)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def add(self, other: "Histogram") -> None:
        """Add all observations of another one with the same edges."""
        self.buckets = [one + more for one, more in zip(self.buckets, other.buckets, strict=True)]
        self.total += other.total

    def copy(self) -> "Histogram":
        """Return an independent copy."""
        twin = Histogram(self.edges)
        twin.buckets = self.buckets.copy()
        twin.total = self.total
        return twin


UNIT: dict[HistogramName, int] = {
    HistogramName.DURATION: NS_PER_S,
    HistogramName.FIRST_ATTEMPT: NS_PER_S,
    HistogramName.ATTEMPT_DURATION: NS_PER_S,
    HistogramName.UPDATE_DELAY: NS_PER_S,
    HistogramName.DESTINATION_DURATION: NS_PER_S,
    HistogramName.FEE_PPM: 10**6,
}
"""Observed units in one exposed unit: nanoseconds in a second, millionths in a ppm. 1 for all other histograms."""

# Objectives at 2, 5, 10, 30 and 60 s; the last three edges are for hold invoices.
_DURATION_MS = (100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 10_800_000, 86_400_000)
# Path finding of a healthy node takes less than 0.5 s.
_FIRST_ATTEMPT_MS = (10, 50, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000)
# A healthy stream is within 0.1 s; the others tell a slow reader from a stalled one.
_UPDATE_DELAY_MS = (10, 50, 100, 500, 1000, 5000, 10_000, 60_000, 600_000)
# 0: a payment without fees is a case of its own.
_FEE_MSAT = (0, 100, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 10_000_000, 100_000_000)
# The range of routing policies.
_FEE_PPM = (0, 1, 10, 50, 100, 200, 300, 500, 750, 1000, 1500, 2500, 5000)
# 0: no HTLC was sent.
_ATTEMPTS = (0, 1, 2, 3, 5, 8, 13, 21, 50, 100)
# lnd's default for `max_parts` is 16.
_PARTS = (1, 2, 3, 4, 6, 8, 12, 16)
# 1: at once. People try two or three times; above ten it is a program.
_RUNS = (1, 2, 3, 5, 10)
# Half of those of all payments: there may be fifty destinations.
_DESTINATION_DURATION_MS = (1000, 2000, 5000, 10_000, 30_000, 60_000, 600_000)
# An onion has room for some 20 hops.
_HOPS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)


def _ns(edges_ms: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(edge * NS_PER_MS for edge in edges_ms)


EDGES: dict[HistogramName, tuple[int, ...]] = {
    HistogramName.FEE: _FEE_MSAT,
    HistogramName.FEE_PPM: tuple(edge * UNIT[HistogramName.FEE_PPM] for edge in _FEE_PPM),
    HistogramName.DURATION: _ns(_DURATION_MS),
    HistogramName.FIRST_ATTEMPT: _ns(_FIRST_ATTEMPT_MS),
    HistogramName.ATTEMPTS: _ATTEMPTS,
    HistogramName.PARTS: _PARTS,
    HistogramName.RUNS: _RUNS,
    HistogramName.ATTEMPT_DURATION: _ns(_DURATION_MS),
    HistogramName.ATTEMPT_HOPS: _HOPS,
    HistogramName.UPDATE_DELAY: _ns(_UPDATE_DELAY_MS),
    HistogramName.DESTINATION_DURATION: _ns(_DESTINATION_DURATION_MS),
}

# A payment that succeeded has had an attempt, so its kind is known; and a probe never succeeds.
_SUCCEEDING_KINDS = tuple(kind for kind in Kind if kind not in (Kind.PROBE, Kind.UNKNOWN))
# Failures of the node, not refusals: those that lower a success rate.
_BAD_REASONS = (Reason.TIMEOUT, Reason.NO_ROUTE, Reason.ERROR, Reason.INSUFFICIENT_BALANCE)
# Words whose series exist from the start only for invoices, and for payments; those of others appear with their first
# failure. The alerts on them look at sums, or at payments.
_RARE_REASONS = (Reason.NONE, Reason.OTHER)
_RARE_CAUSES = (Cause.OWN_INACTIVE, Cause.RECIPIENT_LIQUIDITY, Cause.RECIPIENT_UNREACHABLE)
# Failures that every node meets, from sources that are known. All other series appear with their first failure.
_COMMON_CODES = (
    Code.TEMPORARY_CHANNEL_FAILURE,
    Code.UNKNOWN_NEXT_PEER,
    Code.CHANNEL_DISABLED,
    Code.FEE_INSUFFICIENT,
    Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS,
    Code.MPP_TIMEOUT,
    Code.TEMPORARY_NODE_FAILURE,
)
_SOURCES = tuple(source for source in FailureSource if source is not FailureSource.UNKNOWN)
_INITIAL_LABELS: dict[Counter, tuple[Labels, ...]] = {
    Counter.STARTED: ((),),
    Counter.TRANSITIONS: tuple(
        (before, after)
        for before, after in product(FromStatus, ToStatus)
        if before.value != after.value
        and (before, after) not in ((FromStatus.NEW, ToStatus.LOST), (FromStatus.IN_FLIGHT, ToStatus.INITIATED))
    ),
    Counter.SUCCEEDED: tuple(product(_SUCCEEDING_KINDS, AmountBand)),
    Counter.SUCCEEDED_LATE: tuple((reason,) for reason in Reason if reason is not Reason.NONE),
    Counter.SUCCEEDED_LATE_MSAT: tuple((reason,) for reason in Reason if reason is not Reason.NONE),
    Counter.FAILED: tuple(
        (kind, band, reason)
        for kind, band, reason in product(Kind, AmountBand, Reason)
        if kind is Kind.INVOICE or reason not in _RARE_REASONS
    ),
    Counter.FAILED_BY_CAUSE: tuple(
        (purpose, cause, band)
        for purpose, cause, band in product(Purpose, Cause, AmountBand)
        if purpose is Purpose.PAYMENT or cause not in _RARE_CAUSES
    ),
    Counter.NO_ROUTE_CHECKS: (),
    Counter.FAILED_MADE_GOOD: tuple(product((Kind.INVOICE,), AmountBand, _BAD_REASONS)),
    Counter.SENT: tuple(product(_SUCCEEDING_KINDS, AmountBand)),
    Counter.FEES: tuple(product(_SUCCEEDING_KINDS, AmountBand)),
    Counter.FAILED_MSAT: tuple(
        (kind, reason) for kind, reason in product(Kind, Reason) if kind is Kind.INVOICE or reason not in _RARE_REASONS
    ),
    Counter.ATTEMPTS_STARTED: ((),),
    Counter.ATTEMPTS_SETTLED: ((),),
    Counter.ATTEMPTS_FAILED: tuple(product(Purpose, _COMMON_CODES, _SOURCES)),
    Counter.ATTEMPTS_UNRESOLVED: tuple((cause,) for cause in Unresolved),
    Counter.LOCKED_MSAT_MS: tuple((outcome,) for outcome in Outcome),
    Counter.PEER_ATTEMPTS: (),
    Counter.PEER_SENT: (),
    Counter.PEER_FEES: (),
    Counter.PEER_FEES_BY_PURPOSE: (),
    Counter.PEER_REBALANCED_IN: (),
    Counter.PEER_REBALANCED_IN_FEES: (),
    Counter.PEER_OUTSTANDING_MS: (),
    Counter.DESTINATION_ENDED: (),
    Counter.DESTINATION_SENT: (),
    Counter.DESTINATION_FEES: (),
    Counter.UPDATES: tuple((source,) for source in Source),
    Counter.UPDATES_IGNORED: tuple((cause,) for cause in Ignored),
    Counter.INTERRUPTIONS: tuple((cause,) for cause in Interruption),
    Counter.RECOVERED: ((),),
    Counter.ATTEMPTS_INCOMPLETE: ((),),
    Counter.LOST: tuple((cause,) for cause in Lost),
    Counter.CATCH_UP: ((),),
    Counter.LND_CALLS: tuple(product(Method, CallOutcome)),
}
_HISTOGRAM_LABELS: dict[HistogramName, tuple[Labels, ...]] = {
    HistogramName.FEE: tuple((purpose,) for purpose in Purpose),
    HistogramName.FEE_PPM: tuple((purpose,) for purpose in Purpose),
    HistogramName.DURATION: tuple(product(Purpose, Outcome)),
    HistogramName.FIRST_ATTEMPT: ((),),
    HistogramName.ATTEMPTS: tuple(product(Purpose, Outcome)),
    HistogramName.PARTS: tuple((purpose,) for purpose in Purpose),
    HistogramName.RUNS: ((Purpose.PAYMENT,),),
    HistogramName.ATTEMPT_DURATION: tuple((outcome,) for outcome in Outcome),
    HistogramName.ATTEMPT_HOPS: tuple((outcome,) for outcome in Outcome),
    HistogramName.UPDATE_DELAY: ((),),
    HistogramName.DESTINATION_DURATION: (),
}


def zero_counters() -> dict[Counter, dict[Labels, int]]:
    """Return every counter with the series that exist from the start, at 0."""
    return {counter: dict.fromkeys(_INITIAL_LABELS[counter], 0) for counter in Counter}


def zero_histograms() -> dict[HistogramName, dict[Labels, Histogram]]:
    """Return every histogram with all its series, empty."""
    return {name: {labels: Histogram(EDGES[name]) for labels in _HISTOGRAM_LABELS[name]} for name in HistogramName}
