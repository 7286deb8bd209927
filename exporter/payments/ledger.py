"""Facts in, totals out: every counter and histogram of a node as plain integers.

Totals are kept here and not in the objects of a client library, because a page must show one instant, and because they
are saved and restored together with the open runs. A total never falls.
"""

from typing import assert_never

from exporter.payments.destinations import DestinationTotals
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
from exporter.payments.running_totals import RunningTotals
from exporter.payments.totals import Counter, HistogramName

ENDS = (Counter.SUCCEEDED, Counter.FAILED, Counter.LOST)
"""The counters of which one counts each run when it ends."""
PICO = 10**12
"""Millionths of a ppm in 1."""
# Python 3.11 takes longer to look up the member of an enum than a global name. These are counted for most payments.
_PAYMENTS_SUCCEEDED, _PAYMENTS_SENT, _PAYMENTS_FEES = Counter.SUCCEEDED, Counter.SENT, Counter.FEES
_RECOVERED, _ATTEMPTS_INCOMPLETE = Counter.RECOVERED, Counter.ATTEMPTS_INCOMPLETE
_ATTEMPTS_STARTED, _ATTEMPTS_SETTLED = Counter.ATTEMPTS_STARTED, Counter.ATTEMPTS_SETTLED
_LOCKED_MSAT_MS, _OUTSTANDING = Counter.LOCKED_MSAT_MS, Counter.PEER_OUTSTANDING_MS
_PEER_ATTEMPTS, _PEER_SENT, _PEER_FEES = Counter.PEER_ATTEMPTS, Counter.PEER_SENT, Counter.PEER_FEES
_PEER_FEES_BY_PURPOSE = Counter.PEER_FEES_BY_PURPOSE
_FEE, _FEE_PPM, _PARTS, _RUNS = HistogramName.FEE, HistogramName.FEE_PPM, HistogramName.PARTS, HistogramName.RUNS
_DURATION, _ATTEMPT_DURATION = HistogramName.DURATION, HistogramName.ATTEMPT_DURATION
_ATTEMPT_HOPS = HistogramName.ATTEMPT_HOPS
_SUCCEEDED, _FAILED, _PEER_SETTLED = Outcome.SUCCEEDED, Outcome.FAILED, PeerOutcome.SETTLED
_REBALANCE, _NO_REASON = Purpose.REBALANCE, Reason.NONE
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


class Ledger(RunningTotals):
    """The totals of one node. Their number is bounded: labels are closed sets, but for peers and destinations.

    Those are `max_peers` first-hop peers, and the groups of destinations that the operator names.
    """

    def __init__(self, max_peers: int = 50) -> None:
        """Start with all totals at zero; with `max_peers` 0 nothing is counted by peer."""
        super().__init__()
        self.last_update_ns: int | None = None
        """When the last snapshot was received, by our clock, nanoseconds since 1970; None before the first."""
        self.peers = Peers(max_peers)
        """The first-hop peers that have a label of their own."""
        self.destinations = DestinationTotals(self)
        """What is counted by destination; nothing before there are groups of them."""

    @property
    def ended(self) -> int:
        """Number of runs counted as succeeded, failed or lost."""
        return sum(sum(self.counters[counter].values()) for counter in ENDS)

    def apply(self, events: list[Event]) -> None:  # noqa: C901, PLR0912 - one flat table, a row for each kind of fact
        """Add the facts to the totals."""
        for event in events:
            match event:  # the facts of each payment first
                case AttemptStarted():
                    self._started(event.attempt)
                case PaymentStarted():
                    self.count(Counter.STARTED)
                case AttemptSettled():
                    self._settled(event.attempt, event.purpose)
                case PaymentSucceeded():
                    self._succeeded(event)
                case AttemptFailed():
                    self._attempt_failed(event)
                case PaymentFailed():
                    self._failed(event)
                case UpdateReceived(source, wall_ns):
                    self.last_update_ns = wall_ns
                    self.count(Counter.UPDATES, source)
                case StatusChanged(before, after):
                    self.count(Counter.TRANSITIONS, before, after)
                case UpdateIgnored(cause):
                    self.count(Counter.UPDATES_IGNORED, cause)
                case UpdateDelayed(delay_ns):
                    self.observe(HistogramName.UPDATE_DELAY, delay_ns)
                case EndUnconfirmed() | BalanceLacked():
                    pass
                case FirstAttemptMade(after_ns):
                    self.observe(HistogramName.FIRST_ATTEMPT, after_ns)
                case AttemptUnresolved(attempt, cause):
                    self.count(Counter.ATTEMPTS_UNRESOLVED, cause)
                    self.peers.resolved(attempt.peer, self.last_update_ns or 0)
                case PaymentLost(ending, cause):
                    self.count(Counter.LOST, cause)
                    self.destinations.count_lost(ending, cause)
                case NoRouteChecked(verdict):
                    self.count(Counter.NO_ROUTE_CHECKS, verdict)
                case StreamInterrupted(cause):
                    self.count(Counter.INTERRUPTIONS, cause)
                case LndCalled(method, outcome):
                    self.count(Counter.LND_CALLS, method, outcome)
                case CatchUpPageRead(payments):
                    self.count(Counter.CATCH_UP, by=payments)
                case ChannelsListed(peers):
                    self.peers.with_channel = peers
                case _:
                    assert_never(event)

    def _started(self, attempt: Attempt) -> None:
        self.count(_ATTEMPTS_STARTED)
        if lost := self.peers.use(attempt.peer, self.last_update_ns or 0):
            self.retire(lost)
        if peer := self.peers.label(attempt.peer):
            self._add_peer(peer)

    def _add_peer(self, peer: str) -> None:
        """Let the series of a peer begin at 0, except those that most peers don't have: of what comes back."""
        fees, outstanding = self.counters[_PEER_FEES_BY_PURPOSE], self.counters[_OUTSTANDING]
        if (peer, _FAILED) in outstanding and (peer, _REBALANCE) in fees:
            return
        for resolution in PeerOutcome:
            self.count(Counter.PEER_ATTEMPTS, peer, resolution, by=0)
        for outcome in Outcome:
            self.count(_OUTSTANDING, peer, outcome, by=0)
        self.count(_PEER_FEES_BY_PURPOSE, peer, _REBALANCE, by=0)
        self.count(Counter.PEER_SENT, peer, by=0)
        self.count(Counter.PEER_FEES, peer, by=0)

    def retire(self, peers: list[str]) -> None:
        """Add the totals of peers that have lost their place to the label `former`: no sum over all peers falls."""
        self.rename(PEER_COUNTERS, peers, FORMER_PEERS)

    def _settled(self, attempt: Attempt, purpose: Purpose) -> None:
        fee_msat = attempt.fee_msat
        sent_msat = max(0, attempt.amount_msat - fee_msat)
        self.count(_ATTEMPTS_SETTLED)
        if peer := self._resolved(attempt, _SUCCEEDED):
            self.count(_PEER_ATTEMPTS, peer, _PEER_SETTLED)
            self.count(_PEER_SENT, peer, by=sent_msat)
            self.count(_PEER_FEES, peer, by=fee_msat)
            self.count(_PEER_FEES_BY_PURPOSE, peer, purpose, by=fee_msat)
        if attempt.back_peer:
            self.retire(self.peers.give_place(attempt.back_peer, self.last_update_ns or 0))
            if peer := self.peers.label(attempt.back_peer):
                self._add_peer(peer)
                self.count(Counter.PEER_REBALANCED_IN, peer, by=sent_msat)
                self.count(Counter.PEER_REBALANCED_IN_FEES, peer, by=fee_msat)

    def _attempt_failed(self, event: AttemptFailed) -> None:
        attempt = event.attempt
        code, source = attempt.code or Code.OTHER, attempt.source or FailureSource.UNKNOWN
        self.count(Counter.ATTEMPTS_FAILED, event.purpose, code, source)
        if peer := self._resolved(attempt, _FAILED):
            self.count(_PEER_ATTEMPTS, peer, peer_outcome(source))

    def _resolved(self, attempt: Attempt, outcome: Outcome) -> str | None:
        """Count what all attempts have that are over; return the label of the first hop."""
        self.peers.resolved(attempt.peer, self.last_update_ns or 0)
        peer = self.peers.label(attempt.peer)
        if attempt.resolve_ns:
            locked_ns = max(0, attempt.resolve_ns - attempt.attempt_ns)
            locked_ms = locked_ns // NS_PER_MS
            self.observe(_ATTEMPT_DURATION, locked_ns, outcome)
            self.count(_LOCKED_MSAT_MS, outcome, by=attempt.amount_msat * locked_ms)
            if peer:
                self.count(_OUTSTANDING, peer, outcome, by=locked_ms)
        if attempt.hops:
            self.observe(_ATTEMPT_HOPS, attempt.hops, outcome)
        return peer

    def _succeeded(self, event: PaymentSucceeded) -> None:
        ending = event.ending
        kind, band = ending.kind, amount_band(ending.value_msat)
        purpose = PURPOSE[kind]
        self.count(_PAYMENTS_SUCCEEDED, kind, band)
        self.count(_PAYMENTS_SENT, kind, band, by=ending.value_msat)
        self.count(_PAYMENTS_FEES, kind, band, by=ending.fee_msat)
        if ending.reason is not _NO_REASON:
            self.count(Counter.SUCCEEDED_LATE, ending.reason)
            self.count(Counter.SUCCEEDED_LATE_MSAT, ending.reason, by=ending.value_msat)
        self.observe(_FEE, ending.fee_msat, purpose)
        if ending.value_msat:
            # Millionths of a ppm, rounded up, so that the comparison with the edges of buckets, whole ppm, is exact.
            self.observe(_FEE_PPM, -(-ending.fee_msat * PICO // ending.value_msat), purpose)
        self.observe(_PARTS, ending.parts, purpose)
        self._ended(ending, purpose, _SUCCEEDED)
        self.destinations.count_succeeded(ending)
        for failed in event.made_good:
            self.count(Counter.FAILED_MADE_GOOD, failed.kind, failed.amount_band, failed.reason, by=failed.number)
        if kind in REPAYABLE:
            runs = 1 + sum([runs.number for runs in event.made_good]) if event.made_good else 1
            self.observe(_RUNS, runs, purpose)

    def _failed(self, event: PaymentFailed) -> None:
        ending, band = event.ending, amount_band(event.ending.value_msat)
        purpose = PURPOSE[ending.kind]
        self.count(Counter.FAILED, ending.kind, band, ending.reason)
        if event.made_good:
            self.count(Counter.FAILED_MADE_GOOD, ending.kind, band, ending.reason)
        self.count(Counter.FAILED_BY_CAUSE, purpose, event.cause, band)
        self.count(Counter.FAILED_MSAT, ending.kind, ending.reason, by=ending.value_msat)
        self._ended(ending, purpose, _FAILED)
        self.destinations.count_failed(ending, event.cause)

    def _ended(self, ending: Ending, purpose: Purpose, outcome: Outcome) -> None:
        if ending.duration_ns is not None:
            self.observe(_DURATION, ending.duration_ns, purpose, outcome)
        if ending.attempts is not None:
            self.observe(HistogramName.ATTEMPTS, ending.attempts, purpose, outcome)
        else:
            self.count(_ATTEMPTS_INCOMPLETE)
        if ending.recovered:
            self.count(_RECOVERED)
