"""A process with many nodes and without lnd: it serves pages, and changes some nodes on command."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from exporter import garbage, log
from exporter.app import current_moment
from exporter.checkpoint import Checkpoint
from exporter.config import ListenAddress
from exporter.follow import Account
from exporter.lnd import decode
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Mode, NodeState, Source
from exporter.payments.payment import NS_PER_S, Moment, Payment
from exporter.simulator.database import Database
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.world import World
from exporter.store import Store
from exporter.web.server import build_app, serve
from tests.bench.fake_lnd import read_answer
from tests.bench.messages import START_NS, Shape, prepare
from tests.metrics import scene
from tests.web.serving import LOCAL, Stream, answer, connect, fetch

_LATER_INDEX = 1_000_000
"""Index of the first payment that a change adds."""
_PAGE_BYTES = 1 << 24
"""A client reads so much of an answer at once."""
_LAG_EVERY_S = 0.001
_REQUEST = (
    "GET {} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n"
    "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.5\r\n\r\n"
)
"""As Prometheus asks."""


def traffic(payments: int) -> tuple[World, list[bytes]]:
    """Return a world, and all updates that lnd sends of that many payments of every kind, one after the other."""
    clock, world = [START_NS], World.random("bench")
    database, messages = Database(lambda: clock[0]), list[bytes]()
    for scenario in islice(RandomTraffic(world, "bench"), payments):
        for step in scenario.steps:
            clock[0] += int(step.delay_s * NS_PER_S)
            if update := database.apply(step.mutation):
                messages.append(update.message)
    return world, messages


def counted(payments: Sequence[Payment]) -> Account:
    """Return a new account that has counted these snapshots; needs a running event loop."""
    clock = [Moment(START_NS, 0)]
    account = Account("lnd", lambda: clock[0], 50)
    account.tracker.begin([], 0, clock[0])
    account.tracker.stream_started()
    for payment in payments:
        clock[0] = Moment(payment.latest_ns or payment.created_ns, clock[0].mono_ns + NS_PER_S // 5)
        account.record(payment, Source.STREAM)
    clock[0] = Moment(clock[0].wall_ns, clock[0].mono_ns + 100 * NS_PER_S)
    account.release()
    return account


class _Fleet:
    """The accounts, and what the parent can ask."""

    def __init__(self, nodes: int, payments: int, path: Path | None) -> None:
        """Create nodes that have counted payments of every kind."""
        world, messages = traffic(payments)
        account = counted([decode.payment(rpc.Payment.FromString(each), world.me.pubkey) for each in messages])
        saved = replace(account.save(account.capture()), open=())
        self._ahead_ns = 0
        self._accounts = [self._account(f"node{number}", saved) for number in range(nodes)]
        self._store = Store(path) if path else None
        self._checkpoint = Checkpoint(self._accounts, self._store)
        self._changes = 0
        prepared = prepare(Shape.PAID, 1, NS_PER_S // 10)
        of_one = [each.update.message for each in prepared if each.payment_index == prepared[0].payment_index]
        self._paid = [decode.payment(rpc.Payment.FromString(message), "") for message in of_one]
        self._lag_s = 0.0
        self._watching: asyncio.Task[None] | None = None

    def _account(self, name: str, saved: Any) -> Account:
        account = Account(name, self._now, 50)
        account.resume(saved)
        account.tracker.stream_started()
        account.set_status(
            state=NodeState.READY,
            stream_up=True,
            mode=Mode.FIREHOSE,
            info=scene.STATUS.info,
            channels=scene.STATUS.channels,
        )
        return account

    def _now(self) -> Moment:
        now = current_moment()
        return Moment(now.wall_ns + self._ahead_ns, now.mono_ns + self._ahead_ns)

    async def run(self) -> None:
        """Write node by node, as two hundred at once take longer than a page waits; then serve until the input ends."""
        for name in self._checkpoint.nodes():
            await self._checkpoint.durable_page([name])
        app = build_app(self._checkpoint.durable_page, nodes=self._checkpoint.nodes)
        server = await serve(app, [LOCAL])
        garbage.leave_out_what_is_there()  # as the exporter does when it serves
        _answer({"port": server.addresses[0].port})
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            command = json.loads(line)
            _answer(getattr(self, command.pop("do"))(**command))
        await server.close()
        if self._store:
            self._store.close()

    def change(self, nodes: int) -> dict[str, float]:
        """Let a payment with 4 attempts succeed on each of the first nodes."""
        self._changes += 1
        index = _LATER_INDEX + self._changes
        now_ns = self._now().wall_ns
        for update in self._paid:
            attempts = tuple(
                each._replace(attempt_ns=now_ns, resolve_ns=each.resolve_ns and now_ns + NS_PER_S // 2)
                for each in update.attempts
            )
            payment = update._replace(
                payment_hash=f"{index:064x}", payment_index=index, created_ns=now_ns, attempts=attempts
            )
            for account in self._accounts[:nodes]:
                account.record(payment, Source.STREAM)
        self._ahead_ns += 2 * NS_PER_S
        for account in self._accounts[:nodes]:
            account.release()
        return {}

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of this process."""
        return {"seconds": time.process_time()}

    def watch(self) -> dict[str, float]:
        """Measure from now on how long the event loop stands still."""
        self._lag_s = 0.0
        self._watching = asyncio.create_task(self._watch_lag())
        return {}

    def lag(self) -> dict[str, float]:
        """Return how long the event loop has stood still at most, seconds, since `watch`; measure it no longer."""
        if self._watching is not None:
            self._watching.cancel()
        return {"seconds": self._lag_s}

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before_s = loop.time()
            await asyncio.sleep(_LAG_EVERY_S)
            self._lag_s = max(self._lag_s, loop.time() - before_s - _LAG_EVERY_S)


def _answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _body(page: bytes) -> bytes:
    return page.partition(b"\r\n\r\n")[2]


class Fleet:
    """The child process."""

    def __init__(self, process: asyncio.subprocess.Process, nodes: int, port: int) -> None:
        """Take a process that serves."""
        self._process = process
        self.nodes = nodes
        self.pid = process.pid
        self.address = ListenAddress("127.0.0.1", port)
        self._stream: Stream | None = None
        self._second: Stream | None = None

    async def change(self, nodes: int) -> None:
        """Let a payment succeed on each of that many nodes."""
        await self._ask(do="change", nodes=nodes)

    async def cpu_s(self) -> float:
        """Return the CPU seconds of the process."""
        return await self._ask(do="cpu")

    async def watch(self) -> None:
        """Measure from now on how long its event loop stands still."""
        await self._ask(do="watch")

    async def lag_s(self) -> float:
        """Return how long its event loop has stood still at most since `watch`."""
        return await self._ask(do="lag")

    async def scrape(self, target: str = "/metrics") -> bytes:
        """Return a page as Prometheus gets it: OpenMetrics, compressed, over one connection for all scrapes."""
        if self._stream is None:
            self._stream = await connect(self.address, limit=_PAGE_BYTES)
        return _body(await answer(self._stream, _REQUEST.format(target).encode()))

    async def scrape_anew(self) -> bytes:
        """Return the same over a connection of its own."""
        return _body(await fetch(self.address, _REQUEST.format("/metrics").encode()))

    async def scrape_twice(self) -> bytes:
        """Take two pages at the same instant, as two Prometheus do, each over a kept connection; return one."""
        if self._second is None:
            self._second = await connect(self.address, limit=_PAGE_BYTES)
        page, _ = await asyncio.gather(self.scrape(), answer(self._second, _REQUEST.format("/metrics").encode()))
        return page

    def hang_up(self) -> None:
        """Close the kept connections."""
        for stream in (self._stream, self._second):
            if stream is not None:
                stream[1].close()

    async def _ask(self, **command: Any) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        seconds: float = (await read_answer(self._process)).get("seconds", 0.0)
        return seconds


@asynccontextmanager
async def fleet(nodes: int, payments: int, path: Path | None = None) -> AsyncIterator[Fleet]:
    """Run a process with that many nodes, each of which has counted so many payments; with `path` they are written."""
    arguments = [str(nodes), str(payments), *([str(path)] if path else [])]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, *arguments, stdin=pipe, stdout=pipe)
    served: Fleet | None = None
    try:
        served = Fleet(process, nodes, int((await read_answer(process))["port"]))
        yield served
    finally:
        if served is not None:
            served.hang_up()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _main(nodes: str, payments: str, path: str = "") -> None:
    garbage.collect_seldom()
    log.configure("warning", "console")  # to stderr: stdout is for the answers
    await _Fleet(int(nodes), int(payments), Path(path) if path else None).run()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
