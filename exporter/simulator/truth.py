"""The truth that the counts of an exporter are compared with: the finished runs of a simulated node."""

from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Code, FailureSource, Kind, Reason, Status
from exporter.payments.payment import NS_PER_US, Run
from exporter.simulator.record import Failure, Record

_REASON_PREFIX = "FAILURE_REASON_"


class Finished(NamedTuple):
    """A run that ended: the status of its first terminal update, the reason of its last."""

    payment_hash: str
    created_ns: int
    payment_index: int
    status: Status
    reason: Reason
    """`none` on a plain success."""
    kind: Kind
    value_msat: int
    fee_msat: int
    settled: int
    """Number of attempts that settled."""
    failures: tuple[tuple[Code, FailureSource], ...]
    """Code and source of each failed attempt, in the order in which they failed."""

    @property
    def run(self) -> Run:
        """The identity of this run."""
        return Run(self.payment_hash, self.created_ns // NS_PER_US)

    @property
    def attempts(self) -> int:
        """Number of all attempts, settled and failed."""
        return self.settled + len(self.failures)


def finished(record: Record) -> Finished:
    """Return the truth about a run whose status is terminal."""
    message = record.message
    return Finished(
        payment_hash=record.payment_hash,
        created_ns=record.created_ns,
        payment_index=record.index,
        status=Status.SUCCEEDED if record.settled else Status.FAILED,
        reason=reason(message.failure_reason),
        kind=record.kind,
        value_msat=message.value_msat,
        fee_msat=message.fee_msat,
        settled=record.settled,
        failures=tuple((code(failure.code), _source(failure)) for failure in record.failures),
    )


def reason(value: int) -> Reason:
    """Return the label of an lnd enum number; `other` if it is unknown."""
    if value not in pb.PaymentFailureReason.values():
        return Reason.OTHER
    return Reason(pb.PaymentFailureReason.Name(value).removeprefix(_REASON_PREFIX).lower())


def code(value: int) -> Code:
    """Return the label of an lnd enum number; `other` if it is unknown."""
    if value not in pb.Failure.FailureCode.values():
        return Code.OTHER
    return Code(pb.Failure.FailureCode.Name(value).lower())


def _source(failure: Failure) -> FailureSource:
    if failure.source == 0:
        no_source = code(failure.code) in (Code.INTERNAL_FAILURE, Code.UNKNOWN_FAILURE, Code.UNREADABLE_FAILURE)
        return FailureSource.UNKNOWN if no_source else FailureSource.SELF
    if failure.source == failure.hops:
        return FailureSource.RECIPIENT
    return FailureSource.FIRST_HOP if failure.source == 1 else FailureSource.INTERMEDIATE
