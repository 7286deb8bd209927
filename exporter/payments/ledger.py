"""Facts in, totals out: every counter and histogram of a node as plain integers.

Totals are kept here and not in the objects of a client library, because a page must show one instant, and because they
are saved and restored together with the open runs. A total never falls.
"""

from typing import assert_never

from exporter.payments.event import (
    AttemptFailed,
    AttemptSettled,
    AttemptStarted,
    AttemptUnresolved,
    BalanceLacked,
    CatchUpPageRead,
    ChannelsListed,
    Ending,
    EndUnconfirmed,
    Event,
    FirstAttemptMade,
    LndCalled,
    NoRouteChecked,
    PaymentFailed,
    PaymentLost,
    PaymentStarted,
    PaymentSucceeded,
    StatusChanged,
    StreamInterrupted,
    UpdateDelayed,
    UpdateIgnored,
    UpdateReceived,
)
from exporter.payments.labels import (
    PURPOSE,
    REPAYABLE,
    Code,
    FailureSource,
    Outcome,
    PeerOutcome,
    Purpose,
    Reason,
    amount_band,
)
from exporter.payments.payment import NS_PER_MS, Attempt
from exporter.payments.peers import FORMER_PEERS, Peers, peer_outcome
from exporter.payments.totals import EDGES, Counter, Histogram, HistogramName, Labels, zero_counters, zero_histograms

ENDS = (Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)
"""The counters of which one counts each run when it ends."""
PICO = 10**12
"""Millionths of a ppm in 1."""
_OUTSTANDING = Counter.PEER_OUTSTANDING_MS
PEER_COUNTERS = (
    Counter.PEER_ATTEMPTS,
    Counter.PEER_SENT,
    Counter.PEER_FEES,
    Counter.PEER_FEES_BY_PURPOSE,
    Counter.PEER_REBALANCED_IN,
    Counter.PEER_REBALANCED_IN_FEES,
    _OUTSTANDING,
)
"""Counters whose first label is a peer."""


class Ledger:
    """The totals of one node. Their number is bounded: labels are closed sets, except `max_peers` first-hop peers."""

    def __init__(self, max_peers: int = 50) -> None:
        """Start with all totals at zero; with `max_peers` 0 nothing is counted by peer."""
        self.counters: dict[Counter, dict[Labels, int]] = zero_counters()
        self.histograms: dict[HistogramName, dict[Labels, Histogram]] = zero_histograms()
        self.last_update_ns: int | None = None
        """When the last snapshot was received, by our clock, nanoseconds since 1970; None before the first."""
        self.peers = Peers(max_peers)
        """The first-hop peers that have a label of their own."""
        self._own: set[Counter | tuple[HistogramName, Labels]] = set(self.counters)
        """What no copy of the totals contains, so that it may be changed in place: bounded by the series."""

    def share(self) -> tuple[dict[Counter, dict[Labels, int]], dict[HistogramName, dict[Labels, Histogram]]]:
        """Return all counters and histograms as they are now: nothing changes them any more.

        What changes later is copied before (`_to_change`, `_observe`), so two results share what hasn't changed between
        them: `is` tells.
        """
        self._own.clear()
        return self.counters.copy(), self.histograms.copy()

    def resume(
        self, counters: dict[Counter, dict[Labels, int]], histograms: dict[HistogramName, dict[Labels, Histogram]]
    ) -> None:
        """Continue from saved totals; series that were not saved start at zero."""
        for counter, totals in counters.items():
            self._to_change(counter).update(totals)
        for name, series in histograms.items():
            self.histograms[name] = self.histograms[name] | series  # not its own: copied before they change
            self._own.difference_update((name, labels) for labels in series)

    @property
    def ended(self) -> int:
        """Number of runs counted as succeeded, failed or lost."""
        return sum(sum(self.counters[counter].values()) for counter in ENDS)

    def apply(self, events: list[Event]) -> None:
        """Add the facts to the totals."""
        for event in events:
            self._apply(event)

    def _apply(self, event: Event) -> None:  # noqa: C901, PLR0912 - one flat table, a row for each kind of fact
        match event:
            case UpdateReceived(source, wall_ns):
                self.last_update_ns = wall_ns
                self._count(Counter.UPDATES, source)
            case UpdateIgnored(cause):
                self._count(Counter.UPDATES_IGNORED, cause)
            case UpdateDelayed(delay_ns):
                self._observe(HistogramName.UPDATE_DELAY, delay_ns)
            case PaymentStarted():
                self._count(Counter.STARTED)
            case EndUnconfirmed() | BalanceLacked():
                pass
            case StatusChanged(before, after):
                self._count(Counter.TRANSITIONS, before, after)
            case FirstAttemptMade(after_ns):
                self._observe(HistogramName.FIRST_ATTEMPT, after_ns)
            case AttemptStarted(attempt):
                self._started(attempt)
            case AttemptSettled(attempt, purpose):
                self._settled(attempt, purpose)
            case AttemptFailed():
                self._attempt_failed(event)
            case AttemptUnresolved(attempt, cause):
                self._count(Counter.ATTEMPTS_UNRESOLVED, cause)
                self.peers.resolved(attempt.peer, self._now_ns)
            case PaymentSucceeded():
                self._succeeded(event)
            case PaymentFailed():
                self._failed(event)
            case PaymentLost(_, cause):
                self._count(Counter.LOST, cause)
            case NoRouteChecked(verdict):
                self._count(Counter.NO_ROUTE_CHECKS, verdict)
            case StreamInterrupted(cause):
                self._count(Counter.INTERRUPTIONS, cause)
            case LndCalled(method, outcome):
                self._count(Counter.LND_CALLS, method, outcome)
            case CatchUpPageRead(payments):
                self._count(Counter.CATCH_UP, by=payments)
            case ChannelsListed(peers):
                self.peers.with_channel = peers
            case _:
                assert_never(event)

    def _started(self, attempt: Attempt) -> None:
        self._count(Counter.ATTEMPTS_STARTED)
        self.retire(self.peers.use(attempt.peer, self._now_ns))
        if peer := self.peers.label(attempt.peer):
            self._add_peer(peer)

    def _add_peer(self, peer: str) -> None:
        """Let the series of a peer begin at 0, except those that most peers don't have: of what comes back."""
        fees = Counter.PEER_FEES_BY_PURPOSE
        if (peer, Outcome.FAILED) in self.counters[_OUTSTANDING] and (peer, Purpose.REBALANCE) in self.counters[fees]:
            return
        for resolution in PeerOutcome:
            self._count(Counter.PEER_ATTEMPTS, peer, resolution, by=0)
        for outcome in Outcome:
            self._count(_OUTSTANDING, peer, outcome, by=0)
        self._count(fees, peer, Purpose.REBALANCE, by=0)
        self._count(Counter.PEER_SENT, peer, by=0)
        self._count(Counter.PEER_FEES, peer, by=0)

    def retire(self, peers: list[str]) -> None:
        """Add the totals of peers that have lost their place to the label `former`: no sum over all peers falls."""
        if not peers:
            return
        for counter in PEER_COUNTERS:
            series = self._to_change(counter)
            for labels in [labels for labels in series if labels[0] in peers]:
                self._count(counter, FORMER_PEERS, *labels[1:], by=series.pop(labels))

    @property
    def _now_ns(self) -> int:
        """The time of the last snapshot, which is near enough to now: nanoseconds since 1970, 0 before the first."""
        return self.last_update_ns or 0

    def _settled(self, attempt: Attempt, purpose: Purpose) -> None:
        self._count(Counter.ATTEMPTS_SETTLED)
        self.peers.resolved(attempt.peer, self._now_ns)
        self._resolved(attempt, Outcome.SUCCEEDED)
        if peer := self.peers.label(attempt.peer):
            self._count(Counter.PEER_ATTEMPTS, peer, PeerOutcome.SETTLED)
            self._count(Counter.PEER_SENT, peer, by=max(0, attempt.amount_msat - attempt.fee_msat))
            self._count(Counter.PEER_FEES, peer, by=attempt.fee_msat)
            self._count(Counter.PEER_FEES_BY_PURPOSE, peer, purpose, by=attempt.fee_msat)
        self.retire(self.peers.give_place(attempt.back_peer, self._now_ns))
        if peer := self.peers.label(attempt.back_peer):
            self._add_peer(peer)
            self._count(Counter.PEER_REBALANCED_IN, peer, by=max(0, attempt.amount_msat - attempt.fee_msat))
            self._count(Counter.PEER_REBALANCED_IN_FEES, peer, by=attempt.fee_msat)

    def _attempt_failed(self, event: AttemptFailed) -> None:
        attempt = event.attempt
        code, source = attempt.code or Code.OTHER, attempt.source or FailureSource.UNKNOWN
        self._count(Counter.ATTEMPTS_FAILED, event.purpose, code, source)
        self.peers.resolved(attempt.peer, self._now_ns)
        self._resolved(attempt, Outcome.FAILED)
        if peer := self.peers.label(attempt.peer):
            self._count(Counter.PEER_ATTEMPTS, peer, peer_outcome(source))

    def _resolved(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.resolve_ns:
            locked_ns = max(0, attempt.resolve_ns - attempt.attempt_ns)
            self._observe(HistogramName.ATTEMPT_DURATION, locked_ns, outcome)
            self._count(Counter.LOCKED_MSAT_MS, outcome, by=attempt.amount_msat * (locked_ns // NS_PER_MS))
            if peer := self.peers.label(attempt.peer):
                self._count(_OUTSTANDING, peer, outcome, by=locked_ns // NS_PER_MS)
        if attempt.hops:
            self._observe(HistogramName.ATTEMPT_HOPS, attempt.hops, outcome)

    def _succeeded(self, event: PaymentSucceeded) -> None:
        ending = event.ending
        labels = (ending.kind, amount_band(ending.value_msat))
        purpose = PURPOSE[ending.kind]
        self._count(Counter.SUCCEEDED, *labels)
        self._count(Counter.SENT, *labels, by=ending.value_msat)
        self._count(Counter.FEES, *labels, by=ending.fee_msat)
        if ending.reason is not Reason.NONE:
            self._count(Counter.SUCCEEDED_LATE, ending.reason)
            self._count(Counter.SUCCEEDED_LATE_MSAT, ending.reason, by=ending.value_msat)
        self._observe(HistogramName.FEE, ending.fee_msat, purpose)
        if ending.value_msat:
            # Millionths of a ppm, rounded up, so that the comparison with the edges of buckets, whole ppm, is exact.
            self._observe(HistogramName.FEE_PPM, -(-ending.fee_msat * PICO // ending.value_msat), purpose)
        self._observe(HistogramName.PARTS, ending.parts, purpose)
        self._ended(ending, Outcome.SUCCEEDED)
        for kind, band, reason, number in event.made_good:
            self._count(Counter.FAILED_MADE_GOOD, kind, band, reason, by=number)
        if ending.kind in REPAYABLE:
            self._observe(HistogramName.RUNS, 1 + sum(runs.number for runs in event.made_good), purpose)

    def _failed(self, event: PaymentFailed) -> None:
        ending, band = event.ending, amount_band(event.ending.value_msat)
        self._count(Counter.FAILED, ending.kind, band, ending.reason)
        if event.made_good:
            self._count(Counter.FAILED_MADE_GOOD, ending.kind, band, ending.reason)
        self._count(Counter.FAILED_BY_CAUSE, PURPOSE[ending.kind], event.cause, band)
        self._count(Counter.FAILED_MSAT, ending.kind, ending.reason, by=ending.value_msat)
        self._ended(ending, Outcome.FAILED)

    def _ended(self, ending: Ending, outcome: Outcome) -> None:
        purpose = PURPOSE[ending.kind]
        if ending.duration_ns is not None:
            self._observe(HistogramName.DURATION, ending.duration_ns, purpose, outcome)
        if ending.attempts is not None:
            self._observe(HistogramName.ATTEMPTS, ending.attempts, purpose, outcome)
        else:
            self._count(Counter.ATTEMPTS_INCOMPLETE)
        if ending.recovered:
            self._count(Counter.RECOVERED)

    def _count(self, counter: Counter, *labels: str, by: int = 1) -> None:
        if by or labels not in self.counters[counter]:
            series = self.counters[counter] if counter in self._own else self._to_change(counter)
            series[labels] = series.get(labels, 0) + by

    def _to_change(self, counter: Counter) -> dict[Labels, int]:
        """Return the series of a counter, which may be changed: not those that `share` has returned, but a copy."""
        if counter not in self._own:
            self.counters[counter] = self.counters[counter].copy()
            self._own.add(counter)
        return self.counters[counter]

    def _observe(self, name: HistogramName, value: int, *labels: str) -> None:
        series = self.histograms[name]
        if (name, labels) not in self._own:  # `share` has returned it
            before = series.get(labels)  # a few series begin with their first observation
            self.histograms[name] = series = series | {labels: before.copy() if before else Histogram(EDGES[name])}
            self._own.add((name, labels))
        series[labels].observe(value)
