"""Mutations of lnd's payment database, as data; a scenario is a list of them, each with the time before it."""

from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind


class Create(NamedTuple):
    """`InitPayment`: start a run. A hash that failed may be created again, which erases its old run."""

    payment_hash: str
    value_msat: int
    kind: Kind
    """The kind that an exporter must come to; lnd doesn't know kinds."""
    payment_request: str = ""
    payment_index: int | None = None
    """An index of `Database.reserve_index`, to create the payment after others with higher indexes."""


class Register(NamedTuple):
    """`RegisterAttempt`: add an HTLC that is about to be sent."""

    payment_hash: str
    route: pb.Route


class Settle(NamedTuple):
    """`SettleAttempt`: settle an HTLC, whose recipient revealed the preimage."""

    payment_hash: str
    attempt: int
    """Number of the attempt in this run, from 0."""
    preimage: bytes


class Fail(NamedTuple):
    """`FailAttempt`: fail an HTLC."""

    payment_hash: str
    attempt: int
    code: int
    source: int
    """`failure_source_index`: 0 is this node, the number of hops is the recipient."""


class GiveUp(NamedTuple):
    """`FailPayment`: write the failure reason whatever the status is, over an older reason too."""

    payment_hash: str
    reason: int


class Finish(NamedTuple):
    """The payment's lifecycle in lnd ends: delete failed attempts, without an update.

    `SendToRoute` has no lifecycle, so its failed attempts stay.
    """

    payment_hash: str


class Delete(NamedTuple):
    """`DeletePayment`: delete the payment, without an update."""

    payment_hash: str


Mutation = Create | Register | Settle | Fail | GiveUp | Finish | Delete


class Step(NamedTuple):
    """A mutation, and the seconds since the step before."""

    delay_s: float
    mutation: Mutation


class Scenario(NamedTuple):
    """A scenario: all mutations of one payment hash; of more than one run if it is paid again."""

    name: str
    payment_hash: str
    steps: tuple[Step, ...]
