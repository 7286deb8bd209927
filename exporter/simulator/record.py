"""One run of a payment in lnd's database, and the message that lnd makes of it."""

from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.payments.payment import US_PER_NS, Run
from exporter.simulator.mutation import Create
from exporter.simulator.wire import block, number

_S = 1_000_000_000
_MSAT = 1000
_NO_PREIMAGE = "0" * 64  # what lnd sends for a preimage that nobody knows yet


class Update(NamedTuple):
    """A payment as lnd sends it after a mutation: serialised once, shared by all who listen."""

    payment_hash: str
    status: int
    """`Payment.status`; INITIATED only where lnd is told to use it."""
    message: bytes

    @property
    def ended(self) -> bool:
        """True for a terminal status."""
        return self.status in (pb.Payment.SUCCEEDED, pb.Payment.FAILED)


class Failure(NamedTuple):
    """How an attempt failed, for the truth: the failed attempts themselves get deleted."""

    code: int
    source: int
    hops: int


class Record:
    """One run. The message is kept ready: fields that our protos don't declare live in it as raw bytes."""

    __slots__ = (
        "_declared",
        "_initiated",
        "_message",
        "_preimage",
        "created_ns",
        "failures",
        "in_flight",
        "index",
        "kind",
        "payment_hash",
        "settled",
        "update",
    )

    def __init__(self, create: Create, index: int, created_ns: int, *, initiated: bool) -> None:
        """The run as `InitPayment` leaves it."""
        self.payment_hash = create.payment_hash
        self.created_ns = created_ns
        self.index = index
        self.kind: Kind = create.kind
        self.failures: list[Failure] = []
        self.settled = 0
        self.in_flight = 0
        self._initiated = pb.Payment.INITIATED if initiated else pb.Payment.IN_FLIGHT
        self._preimage = _NO_PREIMAGE
        self._message: pb.Payment | None = pb.Payment(
            payment_hash=create.payment_hash,
            creation_date=created_ns // _S,
            creation_time_ns=created_ns,
            value_msat=create.value_msat,
            payment_request=create.payment_request,
            payment_index=index,
        )
        self._declared = 0  # length of the message without the fields that change and are not declared
        self._message.MergeFromString(number(2, create.value_msat // _MSAT) + number(7, create.value_msat // _MSAT))
        self.update = self.write()

    @property
    def run(self) -> Run:
        """The identity of this run."""
        return Run(self.payment_hash, self.created_ns // US_PER_NS)

    @property
    def status(self) -> int:
        """As lnd decides it: outstanding HTLCs first, then a settled one, then the reason."""
        if self.in_flight:
            return pb.Payment.IN_FLIGHT
        if self.settled:
            return pb.Payment.SUCCEEDED
        if self.message.failure_reason:
            return pb.Payment.FAILED
        return pb.Payment.IN_FLIGHT if self.failures else self._initiated

    @property
    def message(self) -> pb.Payment:
        """The parsed message; most runs have ended, and keep only bytes."""
        if self._message is None:
            self._message = pb.Payment.FromString(self.update.message[: self._declared])
        return self._message

    def register(self, attempt_id: int, route: pb.Route, now_ns: int) -> None:
        """A new attempt, in flight."""
        self.message.htlcs.add(attempt_id=attempt_id, route=route, attempt_time_ns=now_ns)
        self.in_flight += 1

    def settle(self, place: int, preimage: bytes, now_ns: int) -> None:
        """The attempt succeeded; lnd tells the preimage twice."""
        attempt = self._outstanding(place)
        attempt.status = pb.HTLCAttempt.SUCCEEDED
        attempt.resolve_time_ns = now_ns
        attempt.MergeFromString(block(6, preimage))
        self._preimage = preimage.hex()
        self.message.fee_msat += attempt.route.total_fees_msat
        self.in_flight -= 1
        self.settled += 1

    def fail(self, place: int, code: int, source: int, now_ns: int) -> None:
        """The attempt failed."""
        attempt = self._outstanding(place)
        attempt.status = pb.HTLCAttempt.FAILED
        attempt.resolve_time_ns = now_ns
        attempt.failure.code = code  # type: ignore[assignment] # any number: a newer lnd may know more of them
        attempt.failure.failure_source_index = source
        self.in_flight -= 1
        self.failures.append(Failure(code, source, len(attempt.route.hops)))

    def _outstanding(self, place: int) -> pb.HTLCAttempt:
        attempt = self.message.htlcs[place]
        if attempt.status != pb.HTLCAttempt.IN_FLIGHT:
            raise ValueError("attempt is already resolved")
        return attempt

    def give_up(self, reason: int) -> None:
        """Write the reason, whatever the status."""
        self.message.failure_reason = reason  # type: ignore[assignment]

    def forget_failed_attempts(self) -> None:
        """Delete the failed attempts; what is left is for asking only, so bytes will do."""
        htlcs = self.message.htlcs
        for place in reversed(range(len(htlcs))):
            if htlcs[place].status == pb.HTLCAttempt.FAILED:
                del htlcs[place]
        self.write()
        self._message = None

    def renumber(self, index: int) -> None:
        """Give it another index."""
        self.index = self.message.payment_index = index
        self.write()

    def write(self) -> Update:
        """Serialise the present state."""
        message = self.message
        status = self.status
        message.status = status  # type: ignore[assignment]
        declared = message.SerializeToString()
        self._declared = len(declared)
        fee = number(5, message.fee_msat // _MSAT) + number(11, message.fee_msat // _MSAT)
        self.update = Update(self.payment_hash, status, declared + block(6, self._preimage.encode()) + fee)
        return self.update
