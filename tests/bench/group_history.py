"""What it costs to read the past of a node: lists received, decoded, replayed and counted, lnd's own time left out."""

import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from exporter.lnd import decode
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.destinations import Recipients
from exporter.payments.ledger import Ledger
from exporter.payments.past import replay
from exporter.payments.payment import Payment
from exporter.simulator.world import World
from tests.bench.fake_lnd import FakeLnd, fake_lnd
from tests.bench.group_decode import cpu_of
from tests.bench.history import PastPayments
from tests.bench.line import Line, Scale
from tests.bench.messages import START_NS

GROUP = "history"
PAYMENTS = 20_000
DAYS = 365.0
PAGE = 500
_PARSED = "protobuf, parsed"
_RECEIVED = "list received over gRPC, to snapshots"
_REPLAYED, _COUNTED = "snapshot, replayed", "snapshot, replayed and counted"


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure the parts in this process."""
    if scale.wants(_RECEIVED):
        with tempfile.TemporaryDirectory() as home:
            async with fake_lnd(Path(home)) as lnd:
                yield await _received(lnd, scale)
    if scale.wants(_REPLAYED, _COUNTED):
        for line in _parts(scale):
            yield line


async def _received(lnd: FakeLnd, scale: Scale) -> Line:
    """Measure reading a past by the client, compared with parsing the same pages."""
    number = scale.of(PAYMENTS, PAGE)
    await lnd.remember(number, DAYS, START_NS)
    client = GrpcClient(lnd.address, lnd.tls_cert, lnd.macaroon)
    await client.connect()
    own, bare = list[float](), list[float]()
    pages = _pages(number)
    try:
        for _ in range(scale.repetitions):
            before, read = time.process_time(), 0
            while read < number:
                read += len((await client.payments(after=read, limit=PAGE)).payments)
            own.append((time.process_time() - before) / number * 1e6)
            bare.append(cpu_of(lambda: [rpc.ListPaymentsResponse.FromString(page) for page in pages]) / number * 1e6)
    finally:
        await client.close()
    return Line(GROUP, _RECEIVED, "us/payment", own, _PARSED, bare)


def _parts(scale: Scale) -> list[Line]:
    """Measure page by page what happens to a payment that was received; nothing is kept of it."""
    number, world = scale.of(PAYMENTS, PAGE), World.random("bench")
    pages = _pages(number)
    bare, replayed, counted = list[float](), list[float](), list[float]()
    for _ in range(scale.repetitions):
        recipients, ledger = Recipients(), Ledger()
        seconds = [0.0, 0.0, 0.0]
        for page in pages:
            before = time.process_time()
            answer = rpc.ListPaymentsResponse.FromString(page)
            seconds[0] += time.process_time() - before
            payments = [decode.payment(message, world.me.pubkey) for message in answer.payments]
            seconds[1] += cpu_of(lambda: _replay(payments, recipients))  # noqa: B023 - called at once
            seconds[2] += cpu_of(lambda: _count(payments, recipients, ledger))  # noqa: B023
        for values, spent in zip((bare, replayed, counted), seconds, strict=True):
            values.append(spent / number * 1e6)
    return [
        Line(GROUP, _REPLAYED, "us/payment", replayed, _PARSED, bare),
        Line(GROUP, _COUNTED, "us/payment", counted, _PARSED, bare),
    ]


def _replay(payments: Sequence[Payment], recipients: Recipients) -> None:
    for payment in payments:
        replay(payment, recipients)


def _count(payments: Sequence[Payment], recipients: Recipients, ledger: Ledger) -> None:
    for payment in payments:
        facts = replay(payment, recipients)
        ledger.last_update_ns = facts[-1].at_ns
        ledger.apply([event for _, event in facts])


def _pages(number: int) -> list[bytes]:
    """Return the pages of a past of that many payments."""
    past = PastPayments(World.random("bench"), number, DAYS, START_NS)
    requests = (rpc.ListPaymentsRequest(index_offset=first, max_payments=PAGE) for first in range(0, number, PAGE))
    return [past.page(request) for request in requests]
