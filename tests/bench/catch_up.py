"""A catch-up without lnd: the client answers with prepared lists, parsed as over gRPC."""

from typing import TypeVar

from google.protobuf.message import Message

from exporter.follow import Account
from exporter.follow.calls import Calls
from exporter.follow.catch_up import CatchUp
from exporter.lnd import decode
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.payment import NS_PER_MS, NS_PER_S, Moment, Payment
from exporter.simulator.wire import bytes_field, int_field
from tests.bench.messages import START_NS, Shape, prepare

M = TypeVar("M", bound=Message)

PAGE = 500
"""Payments in a page of the catch-up, as the exporter requests them."""
_OWN = "02" + "aa" * 32
"""Identity key of the node: no payment pays it."""
_STEP_NS = NS_PER_MS // 2
"""Time between two readings of the clock: a thousand runs or two are on hold at a time."""
_EVERY_NS = 50 * NS_PER_MS
"""Time between two updates of the node: only what ended in the last half minute must be requested once more."""


def listed(payments: int) -> list[bytes]:
    """Return about that many finished payments as a list contains them, in order: first those without an attempt."""
    latest: dict[int, bytes] = {}
    for shape, updates in ((Shape.STORM, payments), (Shape.STEADY, payments * 10 // 6)):
        for index, update in prepare(shape, updates, _EVERY_NS, len(latest) + 1):
            latest[index] = update.message
    return [bytes_field(1, message) for _, message in sorted(latest.items())]


def parse(sent: list[bytes]) -> None:
    """Parse the pages of a list, and do nothing else."""
    for first in range(0, len(sent), PAGE):
        rpc.ListPaymentsResponse.FromString(b"".join(sent[first : first + PAGE]))


def _payment(sent: bytes) -> Payment:
    return decode.payment(rpc.ListPaymentsResponse.FromString(sent).payments[0], _OWN)


class _PreparedClient(GrpcClient):
    """A node whose payments are all over, with indexes from 1."""

    def __init__(self, sent: list[bytes]) -> None:
        self.own_key = _OWN
        self._sent = sent
        self._places: dict[str, int] = {}  # by payment hash

    async def payment(self, payment_hash: str) -> Payment | None:
        if not self._places:
            self._places = {_payment(sent).payment_hash: place for place, sent in enumerate(self._sent)}
        return _payment(self._sent[self._places[payment_hash]])

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float | None) -> M:
        assert isinstance(request, rpc.ListPaymentsRequest), f"{method} within {timeout_s} s"
        first, last = request.index_offset, request.index_offset + request.max_payments
        if request.reversed:
            last = request.index_offset - 1 if request.index_offset else len(self._sent)
            first = max(0, last - request.max_payments)
        page = self._sent[first:last]
        return answer.FromString(b"".join(page) + int_field(2, first + 1) + int_field(3, first + len(page)))


def catch_up(sent: list[bytes], *, known: bool) -> CatchUp:
    """Return a catch-up on a node with these payments; if they are known, all are remembered as finished."""
    clock = [Moment(START_NS + len(sent) * NS_PER_S, 0)]

    def now() -> Moment:
        clock[0] = Moment(clock[0].wall_ns + _STEP_NS, clock[0].mono_ns + _STEP_NS)
        return clock[0]

    account = Account("lnd", now, 50)
    account.tracker.begin([], 0, clock[0])
    account.tracker.finished.read_up_to = 0  # so that all of them are remembered
    for payment in map(_payment, sent if known else []):
        account.tracker.finished.add(payment.run, payment.payment_index)
    calls = Calls(_PreparedClient(sent), account)
    calls.page_size.wanted = PAGE
    return CatchUp(calls)
