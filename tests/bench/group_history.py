"""What it costs to read the past of a node: each part, and the whole command `backfill`; lnd's own time left out."""

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

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
from tests.bench.line import Goal, Limit, Line, Scale
from tests.bench.messages import START_NS
from tests.bench.processes import cpu_s

GROUP = "history"
PAYMENTS = 20_000
DAYS = 365.0
PAGE = 500
READ, READ_FULL = (10_000, 100_000), (100_000, 1_000_000)
"""Payments that the command reads."""
DENSITIES = {"5 million a year": 5_000_000, "1 million a year": 1_000_000}
"""Payments in a year: each step of time is written, so a past with few payments in it costs more for each of them."""
_PARSED = "protobuf, parsed"
_RECEIVED = "list received over gRPC, to snapshots"
_REPLAYED, _COUNTED = "snapshot, replayed", "snapshot, replayed and counted"
_COMMAND = "backfill, {}, its CPU alone"
_MEMORY = "memory of backfill after {:,} payments"
_STEP = "5m"
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_LOOK_S = 0.02


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure the parts in this process, and the command in one of its own."""
    if scale.wants(_RECEIVED):
        with tempfile.TemporaryDirectory() as home:
            async with fake_lnd(Path(home)) as lnd:
                yield await _received(lnd, scale)
    if scale.wants(_REPLAYED, _COUNTED):
        for line in _parts(scale):
            yield line
    fewer, number = (scale.of(each, PAGE + 1) for each in (READ_FULL if scale.full else READ))
    for name, yearly in DENSITIES.items():
        if scale.wants(_COMMAND.format(name), *([_MEMORY.format(number)] if yearly == max(DENSITIES.values()) else [])):
            for line in await _command(name, yearly, fewer, number, scale):
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


async def _command(name: str, yearly: int, fewer: int, number: int, scale: Scale) -> list[Line]:
    """Measure the command on a past of that many payments, and on one of fewer, so that the start is left out."""
    rates, bare_rates = list[float](), list[float]()
    memory, memory_of_fewer = list[float](), list[float]()
    pages = _pages(PAGE * 10)
    for _ in range(1 if scale.full else scale.repetitions):
        less, whole = await _backfill(fewer, fewer / yearly), await _backfill(number, number / yearly)
        rates.append((number - fewer) / (whole.cpu_s - less.cpu_s))
        bare_rates.append(PAGE * 10 / cpu_of(lambda: [rpc.ListPaymentsResponse.FromString(page) for page in pages]))
        memory.append(whole.memory_mb)
        memory_of_fewer.append(less.memory_mb)
    lines = [
        Line(
            GROUP,
            _COMMAND.format(name),
            "payments/s",
            rates,
            _PARSED,
            bare_rates,
            Goal(Limit.LEAST, 20_000),
            f"{number:,}",
        )
    ]
    if yearly == max(DENSITIES.values()):
        goal = Goal(Limit.ABOVE, 5)
        compared = f"after {fewer:,}"
        lines.append(Line(GROUP, _MEMORY.format(number), "MB", memory, compared, memory_of_fewer, goal, "its largest"))
    return lines


class _Used(NamedTuple):
    """What a process has used when it ends."""

    cpu_s: float
    memory_mb: float
    """The most that was resident at any time, MB of 10^6 bytes."""


async def _backfill(payments: int, years: float) -> _Used:
    """Let the command read and write a past; raises RuntimeError if it fails."""
    with tempfile.TemporaryDirectory() as home:
        place = Path(home)
        async with fake_lnd(place) as lnd:
            await lnd.remember(payments, years * DAYS)
            flags = [
                f"--lnd.address={lnd.address}",
                f"--lnd.tls-cert={lnd.tls_cert}",
                f"--lnd.macaroon={lnd.macaroon}",
                "--lnd.name=node0",
                f"--storage.path={place / 'state.sqlite'}",
                f"--output={place / 'past'}",
                "--labels=job=lnd-payments,instance=localhost:10019",
                f"--step={_STEP}",
                "--adopt",
            ]
            with (place / "log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "exporter", "backfill", *flags, stdout=log, stderr=log
                )
                used = await _until_ended(process)
            if process.returncode:
                raise RuntimeError(f"backfill has failed: {(place / 'log').read_text()[-2000:]}")
    return used


async def _until_ended(process: asyncio.subprocess.Process) -> _Used:
    """Wait until a process has ended; return what it had used just before."""
    used = _Used(0, 0)
    while process.returncode is None:
        with suppress(OSError):  # it has ended, but asyncio hasn't said so yet
            if peak := _PEAK.search(Path(f"/proc/{process.pid}/status").read_text()):
                used = _Used(cpu_s(process.pid), int(peak[1]) * 1024 / 1e6)
        await asyncio.sleep(_LOOK_S)
    return used
