"""What decoding, counting, listing and writing cost in this process, compared with parsing alone."""

import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from exporter.lnd import decode, json_messages
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.ended import EndedPayment
from exporter.payments.payment import Payment, Run
from exporter.simulator import rest_json
from exporter.store import Store, encode
from tests.bench.catch_up import catch_up, listed, parse
from tests.bench.fleet import counted, traffic
from tests.bench.line import Goal, Limit, Line, Scale
from tests.bench.messages import START_NS

GROUP = "decode"
PAYMENTS = 2000
LISTED = 10_000
COUNTED = 200_000
ENDED, AT_ONCE = 10_000, 375
_PARSED = "protobuf, parsed"
_GRPC, _REST = "update over gRPC, to a snapshot", "update over REST, to a snapshot"
_COUNTED, _WRITTEN = "snapshot, counted", "state written after 100 updates"
_KNOWN, _NEW = "catch-up: known payments, decoded and compared", "catch-up: new payments, decoded and counted"
_LIST = "list of counted payments, on disk"
_ENDED, _ENDED_WRITTEN = "list of ended payments, on disk", "375 ended payments written"


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
    if scale.wants(_KNOWN, _NEW):
        async for line in _catch_ups(scale):
            yield line
    if scale.wants(_LIST):
        with tempfile.TemporaryDirectory() as home:
            yield _list(Path(home), scale)
    if scale.wants(_ENDED, _ENDED_WRITTEN):
        with tempfile.TemporaryDirectory() as home:
            for line in _ended(Path(home), scale):
                yield line


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


async def _catch_ups(scale: Scale) -> AsyncIterator[Line]:
    """Measure catch-ups on prepared lists: of payments that are known as finished, and of new ones."""
    sent = listed(scale.of(LISTED, 100))
    for name, known, goal in ((_KNOWN, True, Goal(Limit.LEAST, 25_000)), (_NEW, False, None)):
        rates, bare_rates = list[float](), list[float]()
        for _ in range(scale.repetitions):
            prepared = catch_up(sent, known=known)
            before = time.process_time()
            await prepared.read()
            rates.append(len(sent) / (time.process_time() - before))
            bare_rates.append(len(sent) / cpu_of(lambda: parse(sent)))
        note = f"{len(sent):,}, half without an attempt"
        yield Line(GROUP, name, "payments/s", rates, _PARSED, bare_rates, goal, note)


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


def _ended(home: Path, scale: Scale) -> list[Line]:
    """Measure the list of ended payments: its size when it is full, and writing what ends in 15 s at 25 a second."""
    length, path = scale.of(ENDED, 750), home / "ended.sqlite"
    account = counted([])
    store = Store(path, ended_length=length)
    state = {"lnd": encode(account.save(account.capture()))}
    store.save(state)
    store.close()
    before = path.stat().st_size
    store = Store(path, ended_length=length)
    times = list[float]()
    for first in range(0, 2 * length, AT_ONCE):
        entries = tuple(_entry(number) for number in range(first + 1, first + 1 + AT_ONCE))
        more = {"lnd": state["lnd"]._replace(newly_ended=entries)}
        times.append(cpu_of(lambda more=more: store.save(more)) * 1000)  # type: ignore[misc]
    store.close()
    size = (path.stat().st_size - before) / length
    return [Line(GROUP, _ENDED, "bytes/payment", [size]), Line(GROUP, _ENDED_WRITTEN, "ms", times[len(times) // 2 :])]


def _entry(number: int) -> EndedPayment:
    """Return a payment that failed on the way, one of several first hops of the node."""

    def key(of: str) -> str:
        return "02" + hashlib.sha256(of.encode()).hexdigest()

    digest = hashlib.sha256(b"%d" % number).hexdigest()
    created_us = START_NS // 1000 + number
    return EndedPayment(
        number, created_us + 2_000_000, Run(digest, created_us), "failed", "no_route", "route_liquidity", "invoice",
        12_345_678, 0, 0, 3, 1_234_567_890, recovered=False, first_hops=(key(f"peer {number % 20}"),),
        destination=key(f"to {number}"), failure_code="temporary_channel_failure", failure_source="intermediate",
        failed_by=key(f"by {number}"),
    )  # fmt: skip
