"""What a process costs that has nothing to do: start, memory, CPU and calls of an idle node."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from exporter.follow import Account
from exporter.payments.labels import Source, Status
from exporter.payments.payment import NS_PER_S
from exporter.store import Store, encode
from tests.bench.fake_lnd import Address, FakeLnd, fake_lnd, read_answer
from tests.bench.fleet import fleet
from tests.bench.line import Goal, Limit, Line, Scale
from tests.bench.processes import PAGE_BYTES, cpu_s, exporter_process, resident_mb
from tests.metrics import scene
from tests.network.process import free_port

GROUP = "process"
OPEN = 50_000
NODES = 200
_BARE = """
import asyncio, json, sys, time
import aiohttp, grpc, grpc.aio

async def main(address, cert):
    credentials = grpc.ssl_channel_credentials(open(cert, "rb").read())
    async with grpc.aio.secure_channel(address, credentials) as channel:
        seconds = time.process_time()
        await channel.channel_ready()
        print(json.dumps({"seconds": seconds}), flush=True)
        await asyncio.sleep(3600)

asyncio.run(main(*sys.argv[1:]))
"""
_BARE_NAME = "bare process with grpc, aiohttp and a connected channel"
"""Its CPU seconds are those until the channel begins to connect."""
_SETTLE_S = 8.0
"""After the start: the second catch-up is over."""
_PAGES = 3
_START, _START_OPEN = "start, until the first page", "start with open payments in the state, until the first page"
_MEMORY_ONE, _MEMORY_MANY = "memory, 1 node", "memory, many nodes"
_IDLE_CPU, _IDLE_CALLS = "idle node: CPU", "idle node: calls to lnd"
_AFTER = "memory after {:,} finished payments"


@asynccontextmanager
async def _child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _bare(lnd: FakeLnd) -> tuple[float, float]:
    """Return CPU seconds and memory of a bare process."""
    async with _child("-c", _BARE, lnd.address, str(lnd.tls_cert)) as process:
        answer: dict[str, Any] = await read_answer(process)
        return answer["seconds"], resident_mb(process.pid)


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure start, idle and memory."""
    with tempfile.TemporaryDirectory() as home:
        place = Path(home)
        async with fake_lnd(place) as lnd:
            if scale.wants(_START, _START_OPEN, _MEMORY_ONE):
                async for line in _start(lnd, place, scale):
                    yield line
            if scale.wants(_IDLE_CPU, _IDLE_CALLS):
                async for line in _idle(lnd, place, scale):
                    yield line
            if scale.wants(_MEMORY_MANY):
                yield await _many(lnd, scale)
    if any(scale.wants(_AFTER.format(number)) for number in _payments(scale)):
        async for line in _growth(scale):
            yield line


async def _start(lnd: FakeLnd, home: Path, scale: Scale) -> AsyncIterator[Line]:
    """Measure the start until the first page, cold and with open payments; and the memory of one node."""
    cold, memory, bare_start, bare_memory = list[float](), list[float](), list[float](), list[float]()
    for number in range(scale.repetitions):
        seconds, resident = await _bare(lnd)
        bare_start.append(seconds)
        bare_memory.append(resident)
        async with exporter_process(home / f"cold{number}", lnd) as exporter:
            await exporter.first_page()
            cold.append(cpu_s(exporter.pid))
            await exporter.until_following()
            for _ in range(_PAGES):
                await exporter.page()
            memory.append(resident_mb(exporter.pid))
    above = Goal(Limit.ABOVE, 0.6)
    yield Line(GROUP, _START, "s", cold, _BARE_NAME, bare_start, above)
    yield Line(GROUP, _MEMORY_ONE, "MB", memory, _BARE_NAME, bare_memory, Goal(Limit.ABOVE, 12))
    many, number = list[float](), scale.of(OPEN)
    away = Address(f"127.0.0.1:{free_port()}", lnd.tls_cert, lnd.macaroon)
    for repetition in range(scale.repetitions):
        place = home / f"open{repetition}"
        place.mkdir()
        _write_open(place / "state.sqlite", number)
        async with exporter_process(place, away) as exporter:
            await exporter.first_page()
            many.append(cpu_s(exporter.pid))
    yield Line(GROUP, _START_OPEN, "s", many, _START, cold, note=f"{number:,}")


def _write_open(path: Path, number: int) -> None:
    """Write a state with open payments, each with an attempt."""
    account = Account("node0", lambda: scene.at(100), 50)
    account.tracker.begin([], 0, scene.at(0))
    account.tracker.stream_started()
    for index in range(1, number + 1):
        account.record(
            scene.payment(index, 10 + index / NS_PER_S, Status.IN_FLIGHT, scene.attempt(index, 20)), Source.STREAM
        )
    store = Store(path)
    store.save({"node0": encode(account.save(account.capture()))})
    store.close()


async def _idle(lnd: FakeLnd, home: Path, scale: Scale) -> AsyncIterator[Line]:
    """Measure an exporter whose node is idle, which nobody scrapes."""
    seconds = 60.0 * scale.factor
    async with exporter_process(home / "idle", lnd) as exporter:
        await exporter.until_following()
        await asyncio.sleep(scale.wait_s(_SETTLE_S))
        await lnd.calls()
        before = cpu_s(exporter.pid)
        await asyncio.sleep(seconds)
        used, calls = cpu_s(exporter.pid) - before, await lnd.calls()
    yield Line(GROUP, _IDLE_CPU, "ms/min", [used * 1000 * 60 / seconds])
    yield Line(GROUP, _IDLE_CALLS, "per minute", [sum(calls.values()) * 60 / seconds])


async def _many(lnd: FakeLnd, scale: Scale) -> Line:
    """Measure the memory of many nodes, without their connections."""
    nodes = scale.of(NODES, 5)
    own, bare = list[float](), list[float]()
    for _ in range(scale.repetitions):
        async with fleet(nodes, 20) as served:
            for _ in range(_PAGES):
                await served.change(nodes)
                await served.scrape()
            own.append(resident_mb(served.pid))
        bare.append((await _bare(lnd))[1])
    note = f"{nodes}, after {_PAGES} pages, without connections, with the benchmark's own modules"
    return Line(GROUP, _MEMORY_MANY, "MB", own, _BARE_NAME, bare, Goal(Limit.VALUE, 200), note)


def _payments(scale: Scale) -> list[int]:
    """Return after how many finished payments the memory is measured."""
    return [scale.of(each) for each in ([10_000, 100_000, 1_000_000] if scale.full else [10_000, 100_000])]


async def _growth(scale: Scale) -> AsyncIterator[Line]:
    """Measure the memory after some numbers of finished payments; a million, which takes minutes, only once."""
    numbers = _payments(scale)
    after: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(1 if scale.full else scale.repetitions):
        async with _child("-m", "tests.bench.grow", *map(str, numbers)) as process:
            for number in numbers:
                after[number].append((await read_answer(process))["pages"] * PAGE_BYTES / 1e6)
    for fewer, number in pairwise(numbers):
        goal = Goal(Limit.ABOVE, 2) if number == 1_000_000 else None
        name = _AFTER.format(number)
        yield Line(GROUP, name, "MB", after[number], f"after {fewer:,}", after[fewer], goal)
