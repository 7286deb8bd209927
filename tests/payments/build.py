"""Snapshots for tests: a payment of 1000 sat over three hops, and time that passes only when it is told to."""

from dataclasses import dataclass, field

from exporter.payments.event import Event, UpdateReceived
from exporter.payments.labels import AttemptStatus, Code, FailureSource, Kind, Reason, Source, Status
from exporter.payments.ledger import Ledger
from exporter.payments.payment import Attempt, Moment, Payment, Run
from exporter.payments.tracker import Tracker

SECOND = 1_000_000_000
T0 = 1_780_000_000 * SECOND
"""Creation of the payments, nanoseconds since 1970."""
HASH = "ab" * 32
OTHER_HASH = "cd" * 32
PEER = "02" + "11" * 32
RUN = Run(HASH, T0 // 1000)


def at(seconds: float) -> Moment:
    """A moment so long after T0, on both clocks."""
    return Moment(T0 + int(seconds * SECOND), int(seconds * SECOND))


def flying(attempt_id: int = 1, *, sent_s: float = 1, hint: Kind | None = None, msat: int = 1_000_010) -> Attempt:
    """An attempt in flight."""
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
    """The attempt, settled."""
    return attempt._replace(status=AttemptStatus.SETTLED, resolve_ns=T0 + int(end_s * SECOND))


def failed(
    attempt: Attempt,
    code: Code = Code.TEMPORARY_CHANNEL_FAILURE,
    source: FailureSource = FailureSource.INTERMEDIATE,
    *,
    end_s: float = 2,
) -> Attempt:
    """The attempt, failed."""
    return attempt._replace(status=AttemptStatus.FAILED, resolve_ns=T0 + int(end_s * SECOND), code=code, source=source)


def refused(attempt: Attempt, *, end_s: float = 2) -> Attempt:
    """The attempt, refused by the recipient."""
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
    """A snapshot; the fee is what its settled attempts cost, as in lnd."""
    return Payment(
        payment_hash=payment_hash,
        created_ns=T0 + int(created_s * SECOND),
        payment_index=payment_index,
        status=status,
        reason=reason,
        value_msat=1_000_000,
        fee_msat=sum(a.fee_msat for a in attempts if a.status is AttemptStatus.SETTLED),
        invoice=invoice,
        pays_self=pays_self,
        attempts=attempts,
    )


IN_FLIGHT, INITIATED, SUCCEEDED, FAILED = Status.IN_FLIGHT, Status.INITIATED, Status.SUCCEEDED, Status.FAILED


@dataclass
class Observer:
    """A tracker and its ledger with a stream up, and all that they have said."""

    tracker: Tracker = field(default_factory=Tracker)
    ledger: Ledger = field(default_factory=Ledger)
    events: list[Event] = field(default_factory=list)
    """All facts, but for the mere receipt of updates."""

    def __post_init__(self) -> None:
        """Begin with an empty history, unless it has begun."""
        if not self.tracker.begun:
            self.tracker.begin([], 0, at(0))
        self.tracker.stream_started()

    def take(self, events: list[Event]) -> list[Event]:
        """Count facts; give back those that say something."""
        self.ledger.apply(events)
        said: list[Event] = [event for event in events if not isinstance(event, UpdateReceived)]
        self.events += said
        return said

    def hear(self, snapshot: Payment, seconds: float, source: Source = Source.STREAM) -> list[Event]:
        """A snapshot arrives so many seconds after T0."""
        return self.take(self.tracker.update(snapshot, source, at(seconds)))

    def grow_old(self, seconds: float = 3600) -> None:
        """Another payment shows that lnd's clock is at T0 plus so many seconds."""
        self.hear(payment(payment_hash="0a" * 32, created_s=seconds, payment_index=99_999), seconds)

    def release(self, seconds: float) -> list[Event]:
        """What is due then is counted."""
        return self.take(self.tracker.release(at(seconds)))

    def miss(self, seconds: float, payment_hash: str = HASH) -> list[Event]:
        """Lnd says that it doesn't know the hash."""
        return self.take(self.tracker.not_found(payment_hash, at(seconds)))
