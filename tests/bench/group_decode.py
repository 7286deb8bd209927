"""What decoding, counting, listing and writing cost in this process, compared with parsing alone."""

import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from exporter.app import current_moment
from exporter.follow import Account
from exporter.lnd import decode, json_messages
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Source
from exporter.payments.payment import Payment, Run
from exporter.simulator import rest_json
from exporter.simulator.wire import bytes_field
from exporter.store import Store, encode
from tests.bench.fleet import counted, traffic
from tests.bench.line import Goal, Limit, Line, Scale
from tests.bench.messages import START_NS, Shape, prepare

GROUP = "decode"
PAYMENTS = 2000
LISTED = 5000
COUNTED = 200_000
PAGE = 500
"""Payments of a page of ListPayments."""
_PARSED = "protobuf, parsed"
_GRPC, _REST = "update over gRPC, to a snapshot", "update over REST, to a snapshot"
_COUNTED, _WRITTEN = "snapshot, counted", "state written after 100 updates"
_LISTED = "catch-up: listed, decoded and compared"
_LIST = "list of counted payments, on disk"


def cpu_of(work: Callable[[], object]) -> float:
    """Return the CPU seconds that this takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def _pairs(scale: Scale, own: Callable[[], object], bare: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Return the CPU seconds of both, measured in turn."""
    measured = [(cpu_of(own), cpu_of(bare)) for _ in range(scale.repetitions)]
    return [first for first, _ in measured], [second for _, second in measured]


def _each(seconds: Sequence[float], number: int) -> list[float]:
    """Return microseconds for each of that many."""
    return [each / number * 1e6 for each in seconds]


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure each part; async because an account reads the clock of the running event loop."""
    if scale.wants(_GRPC, _REST, _COUNTED, _WRITTEN):
        for line in _updates(scale):
            yield line
    if scale.wants(_LISTED):
        yield _catch_up(scale)
    if scale.wants(_LIST):
        with tempfile.TemporaryDirectory() as home:
            yield _list(Path(home), scale)


def _updates(scale: Scale) -> Iterator[Line]:
    """Measure with payments of every kind."""
    world, messages = traffic(scale.of(PAYMENTS, 20))
    own, number = world.me.pubkey, len(messages)
    texts = [rest_json.json_line(rest_json.message_json(rpc.Payment, message)) for message in messages]
    decoded = [decode.payment(rpc.Payment.FromString(message), own) for message in messages]

    def parse() -> object:
        return [rpc.Payment.FromString(message) for message in messages]

    times = _pairs(scale, lambda: [decode.payment(rpc.Payment.FromString(each), own) for each in messages], parse)
    yield Line(GROUP, _GRPC, "us", _each(times[0], number), _PARSED, _each(times[1], number))
    times = _pairs(
        scale,
        lambda: [decode.payment(json_messages.message(rpc.Payment, json_messages.parse(text)), own) for text in texts],
        lambda: [msgspec.json.decode(text) for text in texts],
    )
    yield Line(GROUP, _REST, "us", _each(times[0], number), "JSON, parsed", _each(times[1], number))
    times = _pairs(scale, lambda: counted(decoded), parse)
    yield Line(GROUP, _COUNTED, "us", _each(times[0], number), _PARSED, _each(times[1], number))
    with tempfile.TemporaryDirectory() as home:
        yield _write(Path(home), decoded, scale)


def _catch_up(scale: Scale) -> Line:
    """Measure pages of ListPayments: parsed, decoded, and counted as new."""
    latest = {each.payment_index: each.update.message for each in prepare(Shape.STEADY, scale.of(LISTED * 3.3), 10**6)}
    listed = list(latest.values())
    pages = [
        b"".join(bytes_field(1, message) for message in listed[first : first + PAGE])
        for first in range(0, len(listed), PAGE)
    ]

    def read() -> None:
        account = Account("lnd", current_moment, 50)
        account.tracker.begin([], 0, account.now())
        for page in pages:
            for message in rpc.ListPaymentsResponse.FromString(page).payments:
                account.record(decode.payment(message, "02"), Source.LIST)

    used, bare = _pairs(scale, read, lambda: [rpc.ListPaymentsResponse.FromString(page) for page in pages])
    rates, bare_rates = [len(listed) / each for each in used], [len(listed) / each for each in bare]
    goal = Goal(Limit.LEAST, 25_000)
    return Line(GROUP, _LISTED, "payments/s", rates, _PARSED, bare_rates, goal)


def _write(home: Path, decoded: Sequence[Payment], scale: Scale) -> Line:
    """Measure writing the state after the last hundred updates: only changed rows are written."""
    accounts = [counted(decoded[:-100]), counted(decoded)]
    states = [{"lnd": encode(account.save(account.capture()))} for account in accounts]
    store = Store(home / "state.sqlite")
    own, bare = list[float](), list[float]()
    with (home / "bare").open("wb", buffering=0) as file:

        def write_bare() -> None:
            file.write(bytes(4096))
            os.fsync(file.fileno())

        for _ in range(scale.repetitions + 1):
            store.save(states[0])
            own.append(cpu_of(lambda: store.save(states[1])) * 1000)
            bare.append(cpu_of(write_bare) * 1000)
    store.close()
    return Line(GROUP, _WRITTEN, "ms", own[1:], "4 KiB written and fsync", bare[1:])


def _list(home: Path, scale: Scale) -> Line:
    """Measure how much the state file grows with each payment that was counted, written a thousand at a time."""
    account, number = counted([]), scale.of(COUNTED, 1000)
    path = home / "list.sqlite"
    store = Store(path)
    store.save({"lnd": encode(account.save(account.capture()))})
    store.close()
    before = path.stat().st_size
    store = Store(path)
    for first in range(0, number, 1000):
        hashes = (hashlib.sha256(b"%d" % index).hexdigest() for index in range(first, first + 1000))
        account.ended = [Run(each, START_NS // 1000 + first * 1000 + place) for place, each in enumerate(hashes)]
        store.save({"lnd": encode(account.save(account.capture()))})
    store.close()
    return Line(GROUP, _LIST, "bytes/payment", [(path.stat().st_size - before) / number])
