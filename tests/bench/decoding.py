"""Measures decoding: messages of lnd to snapshots, a payment request's signature, and the lists of a catch-up."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from google.protobuf.message import Message

from exporter.follow import Account
from exporter.follow.calls import Calls
from exporter.follow.catch_up import CatchUp
from exporter.lnd import decode
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Source
from exporter.payments.payment import NS_PER_MS, NS_PER_S, Moment, Payment
from exporter.simulator.invoice import encode
from exporter.simulator.wire import bytes_field, int_field

M = TypeVar("M", bound=Message)

ROUNDS = 3
"""Each row is measured this many times, in turn with its bare loop; the fastest counts."""
START_NS = 1_780_000_000 * NS_PER_S
"""When the payments begin, nanoseconds since 1970."""
OWN = "02" + "aa" * 32
"""Identity key of the node: no payment pays it."""
PAGE = 500
"""Payments in a page of the catch-up, as the exporter requests them."""
_STEP_NS = 10 * NS_PER_MS
"""Time between two readings of the clock: a hundred runs are on hold at a time, which the tracker looks through."""


class Cost(NamedTuple):
    """One measurement, in CPU seconds of this process."""

    name: str
    seconds: float
    """What `number` of them took, parsing included."""
    number: int
    bare: float
    """What protobuf took to parse the same bytes, in the same run."""


def message(number: int, attempts: int = 0, hops: int = 4, *, ended: bool = True) -> rpc.Payment:
    """Return a payment whose attempts failed, as lnd sends it: 0.4 kB without attempts, 3 kB with 4 over 4 hops."""
    created_ns = START_NS + number * NS_PER_S
    payment = rpc.Payment(
        payment_hash=f"{number:064x}",
        creation_date=created_ns // NS_PER_S,
        creation_time_ns=created_ns,
        value_msat=100_000,
        payment_request=_REQUEST,
        status=rpc.Payment.FAILED if ended else rpc.Payment.IN_FLIGHT,
        failure_reason=rpc.FAILURE_REASON_NO_ROUTE if ended else rpc.FAILURE_REASON_NONE,
        payment_index=number,
        htlcs=[_attempt(number * 1000 + place, hops, created_ns) for place in range(1, attempts + 1)],
    )
    payment.MergeFromString(bytes_field(6, b"0" * 64) + int_field(2, 100) + int_field(7, 100))
    return payment


def _attempt(attempt_id: int, hops: int, created_ns: int) -> rpc.HTLCAttempt:
    route = rpc.Route(total_time_lock=800_000, total_fees_msat=1000, total_amt_msat=101_000)
    for place in range(hops):
        hop = route.hops.add(pub_key=f"03{attempt_id % 50 + place:064x}")
        undeclared = int_field(1, 2**59 + place) + int_field(2, 10**6) + int_field(3, 100) + int_field(5, 800_000)
        hop.MergeFromString(undeclared + int_field(6, 100_000) + int_field(7, 250) + int_field(9, 1) + b"R\0")
    failure = rpc.Failure(code=rpc.Failure.TEMPORARY_CHANNEL_FAILURE, failure_source_index=min(2, hops))
    failure.MergeFromString(bytes_field(3, bytes(128)))  # the channel's policy
    return rpc.HTLCAttempt(
        attempt_id=attempt_id,
        status=rpc.HTLCAttempt.FAILED,
        route=route,
        attempt_time_ns=created_ns + NS_PER_MS,
        resolve_time_ns=created_ns + 900 * NS_PER_MS,
        failure=failure,
    )


_REQUEST = encode(
    key=bytes(31) + b"\7", network="regtest", payment_hash=bytes(32), amount_msat=100_000, created_s=1_780_000_000
)


def fastest(*works: Callable[[], object]) -> list[float]:
    """Return the CPU seconds of the fastest round of each, measured in turn."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            began = time.process_time()
            work()
            best[place] = min(best[place], time.process_time() - began)
    return best


def _counted(messages: list[bytes]) -> None:
    """Count the messages as those of a stream, so far apart that a hundred runs are on hold at a time."""
    clock = [Moment(START_NS, 0)]
    account = Account("lnd", lambda: clock[0], 50)
    account.tracker.begin([], 0, clock[0])
    account.tracker.stream_started()
    for data in messages:
        clock[0] = Moment(clock[0].wall_ns + _STEP_NS, clock[0].mono_ns + _STEP_NS)
        account.record(decode.payment(rpc.Payment.FromString(data), OWN), Source.STREAM)


def measure_updates() -> Iterator[Cost]:
    """Measure messages of a stream: decoded alone, then decoded and counted. Needs a running event loop."""
    kinds = (
        ("update without attempts", 4000, 0),
        ("update with 4 attempts of 4 hops", 1000, 4),
        ("update with 200 attempts", 40, 200),
    )
    for name, number, attempts in kinds:
        messages = [message(place, attempts).SerializeToString() for place in range(1, number + 1)]

        def parse(messages: list[bytes] = messages) -> None:
            for data in messages:
                rpc.Payment.FromString(data)

        def decoded(messages: list[bytes] = messages) -> None:
            for data in messages:
                decode.payment(rpc.Payment.FromString(data), OWN)

        def counted(messages: list[bytes] = messages) -> None:
            _counted(messages)

        bare, took, all_of_it = fastest(parse, decoded, counted)
        named = f"{name} ({len(messages[0]):,} bytes)"
        yield Cost(f"{named}, decoded", took, number, bare)
        yield Cost(f"{named}, decoded and counted", all_of_it, number, bare)
    # One payment whose attempts fail one after the other: each message repeats all attempts before it.
    growing = [message(1, attempts, ended=attempts == 200).SerializeToString() for attempts in range(201)]

    def parse_growing() -> None:
        for data in growing:
            rpc.Payment.FromString(data)

    bare, took = fastest(parse_growing, lambda: _counted(growing))
    yield Cost("one payment that grows to 200 attempts, an update each, counted", took, len(growing), bare)


class PreparedClient(GrpcClient):
    """A node whose payments are all over, with indexes from 1: its pages are prepared bytes, parsed as over gRPC."""

    def __init__(self, payments: list[bytes]) -> None:
        """`payments` are those of a `ListPaymentsResponse`, serialised, in ascending order of their index."""
        self.own_key = OWN
        self.payments_sent = payments

    async def payment(self, payment_hash: str) -> Payment | None:
        """Return a payment; `message` makes the hash from the index."""
        sent = self.payments_sent[int(payment_hash, 16) - 1]
        return decode.payment(rpc.ListPaymentsResponse.FromString(sent).payments[0], OWN)

    async def _call(self, method: str, request: Message, answer: type[M], timeout_s: float | None) -> M:
        assert isinstance(request, rpc.ListPaymentsRequest), f"{method} within {timeout_s} s"
        first, last = request.index_offset, request.index_offset + request.max_payments
        if request.reversed:
            last = request.index_offset - 1 if request.index_offset else len(self.payments_sent)
            first = max(0, last - request.max_payments)
        page = self.payments_sent[first:last]
        data = b"".join(page) + int_field(2, first + 1) + int_field(3, first + len(page))
        return answer.FromString(data)


def _listed(number: int, attempts: int) -> bytes:
    return bytes_field(1, message(number, attempts).SerializeToString())


async def measure_catch_up(payments: int = 10_000) -> list[Cost]:
    """Measure catch-ups that read that many payments: all new (counted, half with an attempt), or all known."""
    sent = [_listed(number, number % 2) for number in range(1, payments + 1)]
    pages = [b"".join(sent[first : first + PAGE]) for first in range(0, payments, PAGE)]
    costs = []
    for name, known in (("new", 0), ("known", payments)):
        best = bare = float("inf")
        for _ in range(ROUNDS):
            began = time.process_time()
            for page in pages:
                rpc.ListPaymentsResponse.FromString(page)
            bare = min(bare, time.process_time() - began)
            catch_up = prepared_catch_up(sent, known)
            began = time.process_time()
            await catch_up.read()
            best = min(best, time.process_time() - began)
        costs.append(Cost(f"catch-up, {name} payments", best, payments, bare))
    return costs


def prepared_catch_up(sent: list[bytes], known: int = 0) -> CatchUp:
    """Return a catch-up on a node with these payments, of which the first `known` are remembered as finished."""
    clock = [Moment(START_NS + len(sent) * NS_PER_S, 0)]

    def now() -> Moment:
        clock[0] = Moment(clock[0].wall_ns + _STEP_NS, clock[0].mono_ns + _STEP_NS)
        return clock[0]

    account = Account("lnd", now, 50)
    account.tracker.begin([], 0, clock[0])
    account.tracker.finished.read_up_to = 0  # so that all of them are remembered
    for number in range(1, known + 1):
        payment = decode.payment(message(number), OWN)
        account.tracker.finished.add(payment.run, payment.payment_index)
    calls = Calls(PreparedClient(sent), account)
    calls.page_size.wanted = PAGE
    return CatchUp(calls)


async def measure() -> list[Cost]:
    """Measure everything."""
    return [*measure_updates(), *await measure_catch_up()]


def main() -> None:
    """Print the measurements."""
    for name, seconds, number, bare in asyncio.run(measure()):
        print(f"{name:70} {seconds / number * 1e6:9.1f} us {number / seconds:10,.0f}/s {seconds / bare:6.1f} x bare")  # noqa: T201


if __name__ == "__main__":
    main()
