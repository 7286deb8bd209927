"""Updates streamed from a fake lnd to a real exporter and to a bare loop: storms, large updates, steady work."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from tests.bench.fake_lnd import AS_TAKEN, AT_ONCE, AUDIT, FakeLnd, fake_lnd
from tests.bench.line import Goal, Limit, Line, Scale
from tests.bench.messages import Shape
from tests.bench.processes import QUIET_S, bare_loop, cpu_s, exporter_process, until_quiet

GROUP = "stream"
BARE = "bare grpc.aio loop that reads and parses"
FINAL_LIMIT = 0.57
"""Goal of final updates only, in bare loops with every update: twice what lndmon, another exporter for lnd, used.

It used 0.36 s of CPU on a stream of final updates, where the bare loop used 1.27 s on every update of these payments.
"""
STEADY_PER_S = 20.0
"""Updates per second of 6 payments."""
_SETTLE_S = 2.0
"""After the start and after the load: what belongs to neither is over then."""


class _Load(NamedTuple):
    name: str
    shape: Shape
    updates: int
    rate: float
    goal: Goal | None


def _loads(scale: Scale) -> list[_Load]:
    storm, burst = (30_000, 50_000) if scale.full else (10_000, 10_000)
    three_times = Goal(Limit.RATIO, 3)
    return [
        _Load("updates of 2.3 kB, 4 attempts of 4 hops", Shape.PAID, scale.of(3000), AS_TAKEN, None),
        _Load("updates of 88 kB, 200 attempts of 4 hops", Shape.LARGE, scale.of(300), AS_TAKEN, None),
        _Load("failures without attempt, as fast as it goes", Shape.STORM, scale.of(storm), AS_TAKEN, three_times),
        _Load("failures without attempt, 4,000 updates/s", Shape.STORM, scale.of(storm), 4000.0, three_times),
        _Load("failures without attempt, all at once", Shape.STORM, scale.of(burst), AT_ONCE, three_times),
    ]


async def measure(scale: Scale) -> AsyncIterator[Line]:
    """Measure each load with a new exporter for each repetition, then steady work."""
    with tempfile.TemporaryDirectory() as home:
        for number, load in enumerate(_loads(scale)):
            if not scale.wants(load.name):
                continue
            place = Path(home) / str(number)
            place.mkdir()
            async with fake_lnd(place) as lnd:
                async for line in _measure_load(load, lnd, place, scale):
                    yield line
        if scale.wants(_EVERY, _FINAL):
            async for line in _measure_steady(Path(home), scale):
                yield line


async def _measure_load(load: _Load, lnd: FakeLnd, home: Path, scale: Scale) -> AsyncIterator[Line]:
    own, bare, audit, others = list[float](), list[float](), list[float](), list[float]()
    methods: Counter[str] = Counter()
    updates, quiet_s = 0, scale.wait_s(QUIET_S)
    for number in range(scale.repetitions):
        prepared = await lnd.prepare(load.shape, load.updates)
        updates = prepared.updates
        async with bare_loop(lnd) as pid:
            before = cpu_s(pid)
            await lnd.play(load.rate)
            bare.append((await until_quiet(pid, quiet_s) - before) / updates * 1e6)
        prepared = await lnd.prepare(load.shape, load.updates)
        async with exporter_process(home / f"exporter{number}", lnd) as exporter:
            await exporter.until_following()
            await asyncio.sleep(scale.wait_s(_SETTLE_S))
            await lnd.calls()
            before = cpu_s(exporter.pid)
            await lnd.play(load.rate)
            own.append((await exporter.until_counted(prepared.payments, quiet_s) - before) / updates * 1e6)
            calls = Counter(await lnd.calls())
        calls["list_payments"] -= calls[AUDIT]
        audit.append(calls[AUDIT] / prepared.payments * 100)
        others.append((calls.total() - calls[AUDIT]) / prepared.payments * 100)
        methods += calls
    yield Line(GROUP, load.name, "us/update", own, BARE, bare, load.goal, f"{updates:,} updates")
    if load.shape is Shape.STORM:
        said = ", ".join(f"{method} {count}" for method, count in sorted(methods.items()) if method != AUDIT) or "none"
        few = Goal(Limit.VALUE, 1)
        name = load.name.removeprefix("failures without attempt, ")
        yield Line(GROUP, f"calls to lnd beside the audit's, {name}", "% of ends", others, goal=few, note=said)
        yield Line(GROUP, f"calls of the audit, {name}", "% of ends", audit)


_EVERY, _FINAL = ("steady: 6 payments/s, 20 updates/s", "steady: 6 payments/s, final updates only")


async def _measure_steady(home: Path, scale: Scale) -> AsyncIterator[Line]:
    """Measure three processes on the same stream at the same time, start not counted."""
    seconds = 40.0 * scale.factor
    used: dict[str, list[float]] = {key: [] for key in ("own", "bare", "own final")}
    place = home / "steady"
    place.mkdir()
    async with fake_lnd(place) as lnd, AsyncExitStack() as stack:
        pids = {}
        pids["bare"] = await stack.enter_async_context(bare_loop(lnd))
        for name, final_only in (("own", False), ("own final", True)):
            exporter = await stack.enter_async_context(exporter_process(place / name, lnd, final_only=final_only))
            await exporter.until_following()
            pids[name] = exporter.pid
        await asyncio.sleep(scale.wait_s(8.0))  # the second catch-up is over
        for _ in range(scale.repetitions):
            await lnd.prepare(Shape.STEADY, int(seconds * STEADY_PER_S), STEADY_PER_S)
            before = {name: cpu_s(pid) for name, pid in pids.items()}
            took_s = await lnd.play(STEADY_PER_S)
            await asyncio.sleep(scale.wait_s(_SETTLE_S))
            for name, pid in pids.items():
                used[name].append((cpu_s(pid) - before[name]) / took_s * 1000)
    yield Line(GROUP, _EVERY, "ms/s", used["own"], BARE, used["bare"], Goal(Limit.RATIO, 1.5))
    goal = Goal(Limit.RATIO, FINAL_LIMIT)
    yield Line(GROUP, _FINAL, "ms/s", used["own final"], f"{BARE}, every update", used["bare"], goal)
