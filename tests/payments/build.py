"""Snapshots for tests: a payment of 1000 sat over three hops. Every time is an argument, in seconds after `T0`."""

from dataclasses import dataclass, field

from exporter.payments.event import Ending, Event, UpdateReceived
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Kind, Reason, Source, Status
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Attempt, Moment, Payment, Run
from exporter.payments.tracker import Tracker

SECOND = 1_000_000_000
T0 = 1_780_000_000 * SECOND
"""Creation of the payments by default, nanoseconds since 1970."""
HASH = "ab" * 32
OTHER_HASH = "cd" * 32
PEER = "02" + "11" * 32
RUN = Run(HASH, T0 // 1000)


def at(seconds: float) -> Moment:
    """Return the moment that many seconds after `T0`: the monotonic clock is 0 at `T0`."""
    return Moment(T0 + int(seconds * SECOND), int(seconds * SECOND))


def flying(attempt_id: int = 1, *, sent_s: float = 1, hint: Kind | None = None, msat: int = 1_000_010) -> Attempt:
    """Return an attempt in flight."""
    return Attempt(
        attempt_id=attempt_id,
        status=AttemptStatus.IN_FLIGHT,
        attempt_ns=T0 + int(sent_s * SECOND),
        amount_msat=msat,
        fee_msat=10,
        hops=3,
        peer=PEER,
        expiry_height=800_144,
        hint=hint,
    )


def settled(attempt: Attempt, *, end_s: float = 2) -> Attempt:
    """Return the attempt, settled."""
    return attempt._replace(status=AttemptStatus.SETTLED, resolve_ns=T0 + int(end_s * SECOND))


def failed(
    attempt: Attempt,
    code: Code = Code.TEMPORARY_CHANNEL_FAILURE,
    source: FailureSource = FailureSource.INTERMEDIATE,
    *,
    end_s: float = 2,
) -> Attempt:
    """Return the attempt, failed."""
    return attempt._replace(status=AttemptStatus.FAILED, resolve_ns=T0 + int(end_s * SECOND), code=code, source=source)


def refused(attempt: Attempt, *, end_s: float = 2) -> Attempt:
    """Return the attempt, refused by the recipient."""
    return failed(attempt, Code.INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS, FailureSource.RECIPIENT, end_s=end_s)


def payment(
    status: Status = Status.IN_FLIGHT,
    *attempts: Attempt,
    reason: Reason = Reason.NONE,
    payment_hash: str = HASH,
    created_s: float = 0,
    payment_index: int = 10,
    invoice: bool = True,
    pays_self: bool = False,
) -> Payment:
    """Return a snapshot; its fee is that of its settled attempts, as in lnd."""
    return Payment(
        payment_hash=payment_hash,
        created_ns=T0 + int(created_s * SECOND),
        payment_index=payment_index,
        status=status,
        reason=reason,
        value_msat=1_000_000,
        fee_msat=sum(a.fee_msat for a in attempts if a.status is AttemptStatus.SETTLED),
        invoice=invoice,
        pays_self=(lambda: True) if pays_self else None,
        attempts=attempts,
    )


def unfinished(snapshot: Payment, first_hops: tuple[str, ...] = (PEER,)) -> Ending:
    """Return what is known of a payment by an invoice whose end was never seen, nor any attempt resolved."""
    return Ending(
        run=snapshot.run,
        kind=Kind.INVOICE,
        reason=Reason.NONE,
        value_msat=snapshot.value_msat,
        fee_msat=0,
        parts=0,
        duration_ns=None,
        attempts=None,
        recovered=True,
        first_hops=first_hops,
    )


IN_FLIGHT, INITIATED, SUCCEEDED, FAILED = Status.IN_FLIGHT, Status.INITIATED, Status.SUCCEEDED, Status.FAILED


@dataclass
class Observer:
    """A tracker with an open stream, its ledger, and all facts that followed from the snapshots received."""

    tracker: Tracker = field(default_factory=Tracker)
    ledger: Ledger = field(default_factory=Ledger)
    events: list[Event] = field(default_factory=list)
    """All facts except `UpdateReceived`."""

    def __post_init__(self) -> None:
        """Begin to count with an empty history, unless counting has begun; start a stream."""
        if not self.tracker.begun:
            self.tracker.begin([], 0, at(0))
        self.tracker.stream_started()

    def apply(self, events: list[Event]) -> list[Event]:
        """Count the facts; return them without `UpdateReceived`."""
        self.ledger.apply(events)
        facts: list[Event] = [event for event in events if not isinstance(event, UpdateReceived)]
        self.events += facts
        return facts

    def receive(self, snapshot: Payment, seconds: float, source: Source = Source.STREAM) -> list[Event]:
        """Receive a snapshot that many seconds after `T0`; an answer takes no time. Return the facts."""
        return self.apply(self.tracker.update(snapshot, source, at(seconds)))

    def make_others_old(self, seconds: float = 3600) -> None:
        """Receive another payment, created that many seconds after `T0`: by lnd's clock all others are old."""
        self.receive(payment(payment_hash="0a" * 32, created_s=seconds, payment_index=99_999), seconds)

    def release(self, seconds: float) -> list[Event]:
        """Count the runs whose hold is over by then; return the facts."""
        return self.apply(self.tracker.release(at(seconds)))

    def not_found(self, seconds: float, payment_hash: str = HASH) -> list[Event]:
        """Receive lnd's answer that it doesn't know the hash; return the facts."""
        return self.apply(self.tracker.not_found(payment_hash, at(seconds)))
