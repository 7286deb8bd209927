"""How cost grows: with the attempts of an update, with open payments, and with nodes."""

import time
from collections.abc import AsyncIterator, Sequence

from exporter.follow import Account
from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Source, Status
from exporter.payments.payment import NS_PER_MS, NS_PER_S, Moment
from exporter.simulator.world import World
from exporter.store import encode
from tests.bench.document import GROWTH
from tests.bench.fleet import counted, fleet
from tests.bench.line import Line, Scale
from tests.bench.messages import START_NS, add_attempts, new_record
from tests.metrics import scene

GROUP = GROWTH
ATTEMPTS = (1, 4, 16, 64, 200)
OPEN = (10, 1_000, 10_000, 50_000)
NODES = (1, 10, 50, 200)
_UPDATES = 50
_PAYMENTS = 100
_UPDATE = "update with {} attempts, decoded and counted"
_OF_OPEN = (
    "{:,} open payments: an update",
    "{:,} open payments: copied for a page",
    "{:,} open payments: encoded for the state file",
)
_SCRAPE = "scrape of {} nodes, everything changed, no state file"


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure each size."""
    for attempts in ATTEMPTS:
        if scale.wants(_UPDATE.format(attempts)):
            yield _attempts(attempts, scale)
    for number in (scale.of(each) for each in OPEN):
        if scale.wants(*(name.format(number) for name in _OF_OPEN)):
            for line in _open(number, scale):
                yield line
    for nodes in dict.fromkeys(scale.of(each) for each in NODES):
        if scale.wants(_SCRAPE.format(nodes)):
            yield await _nodes(nodes, scale)


def _attempts(attempts: int, scale: Scale) -> Line:
    """Measure updates of payments that fail after these attempts, one update for each: decoded and counted."""
    world, messages = World.random("growth"), list[bytes]()
    record, payee = new_record(world, 1, START_NS)
    add_attempts(record, world, payee, START_NS, attempts)
    messages.append(record.write().message)
    for place in range(min(attempts, scale.of(_UPDATES, 2))):
        record.fail(place, rpc.Failure.TEMPORARY_CHANNEL_FAILURE, 2, START_NS + place * NS_PER_MS)
        messages.append(record.write().message)
    own, bare = list[float](), list[float]()
    rounds = max(1, 200 // len(messages))
    for _ in range(scale.repetitions):
        used = 0.0
        for _ in range(rounds):
            account = counted([])
            before = time.process_time()
            for message in messages:
                account.record(decode.payment(rpc.Payment.FromString(message), "02"), Source.STREAM)
            used += time.process_time() - before
        own.append(used / rounds / len(messages) * 1e6)
        before = time.process_time()
        for _ in range(rounds):
            for message in messages:
                rpc.Payment.FromString(message)
        bare.append((time.process_time() - before) / rounds / len(messages) * 1e6)
    return Line(GROUP, _UPDATE.format(attempts), "us", own, "parsed", bare, note=f"{len(messages[0]):,} bytes")


def _open(number: int, scale: Scale) -> list[Line]:
    """Measure with so many open payments: an update of one of them, and the copy of the node for a page."""
    clock = [scene.at(100)]
    account = Account("lnd", lambda: clock[0], 50)
    account.tracker.begin([], 0, scene.at(0))
    account.tracker.stream_started()

    def update(index: int, attempts: int) -> float:
        sent = [scene.attempt(index * 10 + each, 20 + each) for each in range(attempts)]
        payment = scene.payment(index, 10 + index / NS_PER_S, Status.IN_FLIGHT, *sent)
        before = time.process_time()
        account.record(payment, Source.STREAM)
        return time.process_time() - before

    for index in range(1, number + 1):
        update(index, 1)
    updates, copies, writes = list[float](), list[float](), list[float]()
    sample = range(1, min(number, 500) + 1)
    for repetition in range(scale.repetitions):
        updates.append(sum(update(index, 2 + repetition) for index in sample) / len(sample) * 1e6)
        clock[0] = Moment(clock[0].wall_ns + NS_PER_S, clock[0].mono_ns + NS_PER_S)
        times: Sequence[float] = _copy(account)
        copies.append(times[0] * 1000)
        writes.append(times[1] * 1000)
    measured = (("us", updates), ("ms", copies), ("ms", writes))
    return [Line(GROUP, name.format(number), *each) for name, each in zip(_OF_OPEN, measured, strict=True)]


def _copy(account: Account) -> tuple[float, float]:
    """Return the CPU seconds of a copy, and of encoding it."""
    begin = time.process_time()
    view = account.capture()
    copied = time.process_time()
    encode(account.save(view))
    return copied - begin, time.process_time() - copied


async def _nodes(nodes: int, scale: Scale) -> Line:
    """Measure scrapes over HTTP after each node has changed."""
    own = list[float]()
    async with fleet(nodes, scale.of(_PAYMENTS, 10)) as served:
        await served.scrape()
        for _ in range(scale.repetitions):
            await served.change(nodes)
            before = await served.cpu_s()
            await served.scrape()
            own.append((await served.cpu_s() - before) * 1000)
    return Line(GROUP, _SCRAPE.format(nodes), "ms", own)
