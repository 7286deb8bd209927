"""What can happen to a payment in lnd's database, as data: a life is a list of these with the time before each."""

from typing import NamedTuple

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.labels import Kind


class Create(NamedTuple):
    """`InitPayment`: a run begins. A hash that failed may be created again, which erases its old run."""

    payment_hash: str
    value_msat: int
    kind: Kind
    """What a perfect observer would call it; lnd knows nothing of kinds."""
    payment_request: str = ""
    payment_index: int | None = None
    """One that `Database.reserve_index` gave: taken before others, visible after them."""


class Register(NamedTuple):
    """`RegisterAttempt`: an HTLC is about to be sent."""

    payment_hash: str
    route: pb.Route


class Settle(NamedTuple):
    """`SettleAttempt`: the recipient revealed the preimage."""

    payment_hash: str
    attempt: int
    """Which attempt of this run, from 0."""
    preimage: bytes


class Fail(NamedTuple):
    """`FailAttempt`."""

    payment_hash: str
    attempt: int
    code: int
    source: int
    """`failure_source_index`: 0 is this node, the number of hops is the recipient."""


class GiveUp(NamedTuple):
    """`FailPayment`: writes the reason whatever the status is, over an older reason too."""

    payment_hash: str
    reason: int


class Finish(NamedTuple):
    """The payment's life cycle in lnd ends: failed attempts are deleted, and nobody is told.

    A `SendToRoute` has no life cycle, so its failed attempts stay.
    """

    payment_hash: str


class Delete(NamedTuple):
    """`DeletePayment`: nobody is told."""

    payment_hash: str


Mutation = Create | Register | Settle | Fail | GiveUp | Finish | Delete


class Step(NamedTuple):
    """A mutation and how long lnd takes until then."""

    delay_s: float
    mutation: Mutation


class Life(NamedTuple):
    """All that ever happens to a payment hash; more than one run, if it is tried again."""

    name: str
    payment_hash: str
    steps: tuple[Step, ...]
