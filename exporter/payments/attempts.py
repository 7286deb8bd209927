"""What was seen of the HTLC attempts of an open run, and what they tell of its kind."""

from dataclasses import dataclass, field

from exporter.payments.cause import attempt_cause
from exporter.payments.event import (
    AttemptFailed,
    AttemptSettled,
    AttemptStarted,
    AttemptUnresolved,
    Event,
    FirstAttemptMade,
)
from exporter.payments.labels import PURPOSE, AttemptStatus, Cause, Code, FailureSource, Kind, Purpose, Unresolved
from exporter.payments.payment import US_PER_NS, Attempt, Run


@dataclass(slots=True, kw_only=True)
class SeenAttempts:
    """The attempts of one run, bounded by lnd, which repeats them all in every message."""

    run: Run
    from_beginning: bool
    """The first snapshot of the run had no attempt: all of them have been seen."""
    invoice: bool = False
    """The payment has a payment request."""
    pays_self: bool = False
    """It has no attempt, and its payment request is payable to this very node."""
    hint: Kind | None = None
    """What the last hop of an attempt tells of the kind."""
    refused: bool = False
    """The recipient refused an attempt with `incorrect_or_unknown_payment_details`."""
    outstanding: dict[int, Attempt] = field(default_factory=dict)
    """Attempts in flight, by `Attempt.key`."""
    resolved: set[int] = field(default_factory=set)
    """Keys of the attempts that are over."""
    settled: int = 0
    failures: dict[Cause, int] = field(default_factory=dict)
    """Failed attempts by what stopped them."""
    longest_ns: int = 0
    """The longest time that a failed HTLC was locked, without those that waited for other parts."""
    last_resolve_ns: int = 0
    """lnd's time of the last resolution, nanoseconds since 1970; 0 before the first."""

    @property
    def kind(self) -> Kind:
        """What it is for, by what is known so far."""
        if self.pays_self:
            return Kind.REBALANCE
        if self.hint:
            return self.hint
        if self.invoice:
            return Kind.INVOICE
        if self.refused:
            return Kind.PROBE
        return Kind.OTHER if self.outstanding or self.resolved else Kind.UNKNOWN

    @property
    def purpose(self) -> Purpose:
        """The group of its kind."""
        return PURPOSE[self.kind]

    def learn(self, attempts: tuple[Attempt, ...]) -> list[Event]:
        """Return what these attempts say that wasn't known; none goes back from resolved to in flight."""
        events: list[Event] = []
        for attempt in attempts:
            key = attempt.key
            if attempt.hint and (self.hint is None or attempt.hint is Kind.REBALANCE):
                self.hint = attempt.hint  # also of known ones: our own key may have become known only now
            if key in self.resolved:
                continue
            known = key in self.outstanding
            if not known:
                events += self._started(attempt)
            if attempt.status is not AttemptStatus.IN_FLIGHT:
                self.outstanding.pop(key, None)
                self.resolved.add(key)
                events.append(self._resolved(attempt))
            elif not known:
                self.outstanding[key] = attempt
        return events

    def _started(self, attempt: Attempt) -> list[Event]:
        events: list[Event] = []
        if self.from_beginning and not self.outstanding and not self.resolved:
            events.append(FirstAttemptMade(max(0, attempt.attempt_ns - self.run.created_us * US_PER_NS)))
        events.append(AttemptStarted(attempt))
        return events

    def _resolved(self, attempt: Attempt) -> Event:
        self.last_resolve_ns = max(self.last_resolve_ns, attempt.resolve_ns)
        if attempt.status is AttemptStatus.SETTLED:
            self.settled += 1
            return AttemptSettled(attempt)
        code, source = attempt.code or Code.OTHER, attempt.source or FailureSource.UNKNOWN
        cause = attempt_cause(code, source)
        self.failures[cause] = self.failures.get(cause, 0) + 1
        if code is not Code.MPP_TIMEOUT:  # then it waited for the other parts, nobody held it
            self.longest_ns = max(self.longest_ns, attempt.resolve_ns - attempt.attempt_ns)
        if code is Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS and source is FailureSource.RECIPIENT:
            self.refused = True
        return AttemptFailed(attempt, self.purpose)

    def give_up(self, cause: Unresolved) -> list[Event]:
        """Take all outstanding attempts for over: their end can no longer be learnt."""
        given_up: list[Event] = [AttemptUnresolved(attempt, cause) for attempt in self.outstanding.values()]
        self.resolved.update(self.outstanding)
        self.outstanding.clear()
        return given_up
