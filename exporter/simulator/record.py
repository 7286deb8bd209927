"""One run of a payment in lnd's database, and its `lnrpc.Payment`."""

from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind
from exporter.payments.payment import NS_PER_S, NS_PER_US, Run
from exporter.simulator.mutation import Create
from exporter.simulator.wire import bytes_field, int_field

_MSAT = 1000
_NO_PREIMAGE = "0" * 64  # lnd sends this while the preimage is unknown


class Update(NamedTuple):
    """A payment as lnd sends it after a mutation: serialised once for all subscribers."""

    payment_hash: str
    status: int
    """`Payment.status`; INITIATED only with `Options.use_status_initiated`."""
    message: bytes

    @property
    def ended(self) -> bool:
        """True if the status is terminal."""
        return self.status in (pb.Payment.SUCCEEDED, pb.Payment.FAILED)


class Failure(NamedTuple):
    """The failure of an attempt, kept for `truth`: lnd deletes the failed attempts themselves."""

    code: int
    source: int
    hops: int


class Record:
    """One run and its message. Fields that `protos/lnd.proto` doesn't declare are kept in it as raw bytes."""

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
        """Create the run as `InitPayment` does; `initiated`: its status is INITIATED until the first attempt."""
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
            creation_date=created_ns // NS_PER_S,
            creation_time_ns=created_ns,
            value_msat=create.value_msat,
            payment_request=create.payment_request,
            payment_index=index,
        )
        self._declared = 0  # length of the message without the undeclared fields that change
        value_sat = create.value_msat // _MSAT
        self._message.MergeFromString(int_field(2, value_sat) + int_field(7, value_sat))
        self.update = self.write()

    @property
    def run(self) -> Run:
        """The identity of this run."""
        return Run(self.payment_hash, self.created_ns // NS_PER_US)

    @property
    def status(self) -> int:
        """The status by lnd's rule: outstanding HTLCs first, then a settled one, then the failure reason."""
        if self.in_flight:
            return pb.Payment.IN_FLIGHT
        if self.settled:
            return pb.Payment.SUCCEEDED
        if self.message.failure_reason:
            return pb.Payment.FAILED
        return pb.Payment.IN_FLIGHT if self.failures else self._initiated

    @property
    def message(self) -> pb.Payment:
        """The parsed message. Finished runs keep only bytes, to save memory, and are parsed again."""
        if self._message is None:
            self._message = pb.Payment.FromString(self.update.message[: self._declared])
        return self._message

    def register(self, attempt_id: int, route: pb.Route, now_ns: int) -> None:
        """Add an attempt in flight."""
        self.message.htlcs.add(attempt_id=attempt_id, route=route, attempt_time_ns=now_ns)
        self.in_flight += 1

    def settle(self, place: int, preimage: bytes, now_ns: int) -> None:
        """Settle an attempt. The message has the preimage twice, in the attempt and in the payment, as in lnd."""
        attempt = self._outstanding(place)
        attempt.status = pb.HTLCAttempt.SUCCEEDED
        attempt.resolve_time_ns = now_ns
        attempt.MergeFromString(bytes_field(6, preimage))
        self._preimage = preimage.hex()
        self.message.fee_msat += attempt.route.total_fees_msat
        self.in_flight -= 1
        self.settled += 1

    def fail(self, place: int, code: int, source: int, now_ns: int) -> None:
        """Fail an attempt."""
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
        """Write the failure reason, whatever the status is."""
        self.message.failure_reason = reason  # type: ignore[assignment]

    def delete_failed_attempts(self) -> None:
        """Delete the failed attempts of a run that is finished, and drop the parsed message."""
        htlcs = self.message.htlcs
        for place in reversed(range(len(htlcs))):
            if htlcs[place].status == pb.HTLCAttempt.FAILED:
                del htlcs[place]
        self.write()
        self._message = None

    def renumber(self, index: int) -> None:
        """Change the payment index."""
        self.index = self.message.payment_index = index
        self.write()

    def write(self) -> Update:
        """Serialise the present state, and return it as an update."""
        message = self.message
        status = self.status
        message.status = status  # type: ignore[assignment]
        declared = message.SerializeToString()
        self._declared = len(declared)
        fee_sat = message.fee_msat // _MSAT
        undeclared = bytes_field(6, self._preimage.encode()) + int_field(5, fee_sat) + int_field(11, fee_sat)
        self.update = Update(self.payment_hash, status, declared + undeclared)
        return self.update
