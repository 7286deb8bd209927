"""The HTLC attempts seen of an open run, and the payment's kind as far as they show it."""

from dataclasses import dataclass, field

from exporter.payments.cause import attempt_cause
from exporter.payments.event import (
    AttemptFailed,
    AttemptSettled,
    AttemptStarted,
    AttemptUnresolved,
    Event,
    FirstAttemptMade,
    LastFailure,
)
from exporter.payments.labels import PURPOSE, AttemptStatus, Cause, Code, FailureSource, Kind, Purpose, Unresolved
from exporter.payments.payment import NS_PER_US, Attempt, Run

# Python 3.11 takes longer to look up the member of an enum than a global name.
_IN_FLIGHT, _SETTLED = AttemptStatus.IN_FLIGHT, AttemptStatus.SETTLED
_REBALANCE, _INVOICE = Kind.REBALANCE, Kind.INVOICE
_MPP_TIMEOUT, _REFUSED = Code.MPP_TIMEOUT, Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS

MAX_FIRST_HOPS = 8
"""Direct peers of a run that are remembered after its end."""


@dataclass(slots=True, kw_only=True)
class SeenAttempts:
    """The attempts of one run: as many as lnd makes, for it repeats them all in every message."""

    run: Run
    from_beginning: bool
    """True if the first snapshot of the run had no attempt yet: then all of them have been seen."""
    invoice: bool = False
    """True if the payment has a payment request."""
    pays_self: bool = False
    """True if it has no attempt, and its payment request is payable to this very node."""
    hint: Kind | None = None
    """The kind as far as the last hop of an attempt has shown it (`Attempt.hint`)."""
    refused: bool = False
    """True if the recipient refused an attempt with `incorrect_or_unknown_payment_details`."""
    outstanding: dict[int, Attempt] = field(default_factory=dict)
    """Attempts in flight, by `Attempt.key`."""
    resolved: set[int] = field(default_factory=set)
    """Keys of the attempts that are over."""
    settled: int = 0
    """Number of attempts settled."""
    failures: dict[Cause, int] = field(default_factory=dict)
    """Number of failed attempts by cause."""
    longest_ns: int = 0
    """The longest time for which a failed HTLC was locked, not counting those that waited for other parts."""
    last_resolve_ns: int = 0
    """lnd's time of the last resolution, nanoseconds since 1970; 0 before the first."""
    destination: str = ""
    """Identity key of the recipient (`Payment.destination`); empty if it isn't known, or isn't to be kept."""
    group: str = ""
    """Name of the group of destinations that the recipient is in; kept even if the recipient is not."""
    peers: dict[str, int] = field(default_factory=dict)
    """Amount that settled by first hop, msat with fees; 0 for those that were only tried; the last one used is last."""
    last_failure: LastFailure | None = None

    @property
    def first_hops(self) -> tuple[str, ...]:
        """`Ending.first_hops`."""
        if self.settled:
            paid = [peer for peer, msat in self.peers.items() if msat]
            if len(paid) > 1:
                paid.sort(key=self.peers.__getitem__, reverse=True)  # stable, also in reverse
            return tuple(paid[:MAX_FIRST_HOPS])
        return tuple(reversed(self.peers))[:MAX_FIRST_HOPS]

    def drop_destination(self) -> None:
        """Forget who the recipient is, and who failed an attempt on the way there."""
        self.destination = ""
        if self.last_failure:
            self.last_failure = self.last_failure._replace(failed_by="")

    @property
    def kind(self) -> Kind:
        """The payment's kind by what is known so far."""
        if self.pays_self:
            return _REBALANCE
        if self.hint:
            return self.hint
        if self.invoice:
            return _INVOICE
        if self.refused:
            return Kind.PROBE
        return Kind.OTHER if self.outstanding or self.resolved else Kind.UNKNOWN

    @property
    def purpose(self) -> Purpose:
        """The group of its kind."""
        return PURPOSE[self.kind]

    def learn(self, attempts: tuple[Attempt, ...]) -> list[Event]:
        """Return the facts that these attempts add. An attempt never goes back from resolved to in flight."""
        events: list[Event] = []
        outstanding, resolved = self.outstanding, self.resolved
        for attempt in attempts:
            key = attempt.attempt_id or attempt.key
            if attempt.hint and (self.hint is None or attempt.hint is _REBALANCE):
                self.hint = attempt.hint  # of known attempts, too: the node's own key may have become known only now
            if key in resolved:
                continue
            known = key in outstanding
            if not known:
                self._start(attempt, events)
            if attempt.status is not _IN_FLIGHT:
                if known:
                    del outstanding[key]
                resolved.add(key)
                events.append(self._resolved(attempt))
            elif not known:
                outstanding[key] = attempt
        return events

    def close_outstanding(self, cause: Unresolved) -> list[Event]:
        """Count all outstanding attempts as unresolved: their end can't be learnt any more."""
        if not self.outstanding:
            return []
        unresolved: list[Event] = [AttemptUnresolved(attempt, cause) for attempt in self.outstanding.values()]
        self.resolved.update(self.outstanding)
        self.outstanding.clear()
        return unresolved

    def _start(self, attempt: Attempt, events: list[Event]) -> None:
        """Note a new attempt, and add the facts about its start to `events`."""
        if self.from_beginning and not self.outstanding and not self.resolved:
            events.append(FirstAttemptMade(max(0, attempt.attempt_ns - self.run.created_us * NS_PER_US)))
        if attempt.peer:
            self.peers[attempt.peer] = self.peers.pop(attempt.peer, 0)
        events.append(AttemptStarted(attempt))

    def _resolved(self, attempt: Attempt) -> Event:
        self.last_resolve_ns = max(self.last_resolve_ns, attempt.resolve_ns)
        if attempt.status is _SETTLED:
            self.settled += 1
            if attempt.peer:
                self.peers[attempt.peer] = self.peers.get(attempt.peer, 0) + attempt.amount_msat
            return AttemptSettled(attempt, PURPOSE[self.kind])
        code, source = attempt.code or Code.OTHER, attempt.source or FailureSource.UNKNOWN
        cause = attempt_cause(code, source, before_recipient=attempt.before_recipient)
        self.failures[cause] = self.failures.get(cause, 0) + 1
        if self.last_failure is None or attempt.resolve_ns >= self.last_failure.resolve_ns:
            self.last_failure = LastFailure(code, source, attempt.failed_by, attempt.resolve_ns)
        if code is not _MPP_TIMEOUT:  # it wasn't held: it waited for the other parts
            self.longest_ns = max(self.longest_ns, attempt.resolve_ns - attempt.attempt_ns)
        if code is _REFUSED and source is FailureSource.RECIPIENT:
            self.refused = True
        return AttemptFailed(attempt, PURPOSE[self.kind])
