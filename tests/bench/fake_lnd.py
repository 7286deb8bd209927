"""A fake lnd in a process of its own, so that only our process is measured: it plays updates, or has a past."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from exporter.lnd.rpc import lnd_pb2 as pb
from exporter.payments.payment import NS_PER_S
from exporter.simulator.database import Database
from exporter.simulator.record import Update
from exporter.simulator.server import SimulatedNode
from exporter.simulator.subscriptions import Subscriptions
from exporter.simulator.wire import bytes_field, int_field
from exporter.simulator.world import World
from tests.bench.history import PastPayments
from tests.bench.messages import START_NS, Prepared, Shape, prepare, shifted

AS_TAKEN = 0.0
"""Rate: as fast as the streams take the updates; lnd's lists are never more than some hundred updates ahead of them."""
AT_ONCE = float("inf")
"""Rate: all updates at one instant, as after a long pause; they wait in lnd for the streams to take them."""
AUDIT = "list_payments newest first"
"""In `FakeLnd.calls`: those calls of `list_payments` that only the audit makes once counting has begun."""
_AHEAD = 100  # updates that are queued before the streams are waited for
_PACE_S = 0.005  # updates that are due within this time are sent together


class PlayedPayments(Database):
    """The payments as the updates have shown them so far: lists and answers agree with what was sent."""

    def __init__(self) -> None:
        """Start without any payment."""
        super().__init__(lambda: START_NS)
        self._latest: dict[int, Update] = {}  # by payment index, ascending
        self._of_hash: dict[str, Update] = {}
        self._unfinished: dict[str, Update] = {}
        self.lists_backwards = 0
        """Requests for more than one payment, newest first."""

    def show(self, index: int, update: Update) -> None:
        """Take an update, and send it on all streams."""
        self._latest[index] = self._of_hash[update.payment_hash] = update
        if update.ended:
            self._unfinished.pop(update.payment_hash, None)
        else:
            self._unfinished[update.payment_hash] = update
        for watcher in self.watchers:
            watcher(update)

    def current(self, payment_hash: str) -> Update | None:
        """Return the present state of a payment; None if the hash is unknown."""
        return self._of_hash.get(payment_hash)

    def snapshot(self) -> list[Update]:
        """Return every payment that is not terminal."""
        return list(self._unfinished.values())

    def page(self, request: pb.ListPaymentsRequest) -> bytes:
        """Return the answer to `ListPayments`; indexes are 1, 2, 3 and so on without a gap."""
        last = len(self._latest)
        self.lists_backwards += request.reversed and request.max_payments > 1
        if request.reversed:
            end = min(last, request.index_offset - 1 if request.index_offset else last)
            indexes = range(max(0, end - request.max_payments) + 1, end + 1)
        else:
            indexes = range(request.index_offset + 1, min(last, request.index_offset + request.max_payments) + 1)
        if not indexes:
            return b""
        payments = b"".join(bytes_field(1, self._latest[index].message) for index in indexes)
        return payments + int_field(2, indexes[0]) + int_field(3, indexes[-1])

    def __len__(self) -> int:
        """Return the number of payments."""
        return len(self._latest)


class _Child:
    """The process itself: it answers one JSON line on its output for each on its input."""

    def __init__(self, directory: Path) -> None:
        self._node = SimulatedNode(directory, seed="bench", world=World.random("bench"))
        self._payments = PlayedPayments()
        self._use(self._payments)
        self._prepared: list[Prepared] = []

    async def run(self) -> None:
        """Serve until the input ends."""
        async with self._node as node:
            self._answer({"address": node.address, "cert": str(node.tls_cert), "macaroon": str(node.macaroon)})
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            while line := await reader.readline():
                command = json.loads(line)
                self._answer(await getattr(self, command.pop("do"))(**command))

    @staticmethod
    def _answer(answer: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def _use(self, payments: Database) -> None:
        self._node.database = payments
        self._node.subscriptions = Subscriptions(payments)

    async def remember(self, payments: int, days: float, end_ns: int) -> dict[str, Any]:
        """Have a past of that many payments, and none in flight; `end_ns` is when the last one was created."""
        past = PastPayments(self._node.world, payments, days, end_ns or self._node.clock.now_ns())
        past.entry(1)  # what all are made from, so that no call waits for it
        self._use(past)
        return {}

    async def prepare(self, shape: str, updates: int, rate: float) -> dict[str, Any]:
        """Prepare updates of payments with the next indexes; their times fit to this rate."""
        self._prepared = prepare(Shape(shape), updates, int(NS_PER_S / rate), len(self._payments) + 1)
        size = sum(len(prepared.update.message) for prepared in self._prepared)
        ends = sum(prepared.update.ended for prepared in self._prepared)
        return {"updates": len(self._prepared), "bytes": size, "payments": ends}

    async def play(self, rate: float) -> dict[str, Any]:
        """Send what is prepared, beginning now; return when it was sent."""
        loop = asyncio.get_running_loop()
        coming, begin_s = iter(self._shifted()), loop.time()
        sent = 0
        while batch := list(islice(coming, self._due(rate, loop.time() - begin_s, sent))):
            for index, update in batch:
                self._payments.show(index, update)
            sent += len(batch)
            if rate == AS_TAKEN:
                await self._node.wait_until_drained()
            elif rate != AT_ONCE:
                await asyncio.sleep(max(_PACE_S, sent / rate - (loop.time() - begin_s)))
        await self._node.wait_until_drained()
        return {"sent": sent, "seconds": loop.time() - begin_s}

    async def calls(self) -> dict[str, Any]:
        """Return how often each method was called since the last time."""
        calls = {method.value: number for method, number in self._node.calls.items()}
        calls[AUDIT] = self._payments.lists_backwards
        self._node.calls.clear()
        self._payments.lists_backwards = 0
        return calls

    async def subscribed(self) -> dict[str, Any]:
        """Wait until exactly one stream of all payments is open."""
        await self._node.wait_for_subscribers(1)
        return {}

    def _due(self, rate: float, elapsed_s: float, sent: int) -> int:
        """Return how many updates to send now, at least one."""
        if rate == AS_TAKEN:
            return _AHEAD
        return len(self._prepared) if rate == AT_ONCE else max(1, int(elapsed_s * rate) - sent)

    def _shifted(self) -> Iterable[Prepared]:
        """Return what is prepared with times that begin now."""
        by_ns = self._node.clock.now_ns() - START_NS
        return [
            Prepared(index, update._replace(message=shifted(update.message, by_ns))) for index, update in self._prepared
        ]


class Load(NamedTuple):
    """What was prepared."""

    updates: int
    bytes: int
    """Of all updates together."""
    payments: int
    """Payments that end in it: all."""


class Reachable(Protocol):
    """The address and files by which an exporter follows a node."""

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC."""

    @property
    def tls_cert(self) -> Path:
        """The certificate."""

    @property
    def macaroon(self) -> Path:
        """The macaroon."""


class Address(NamedTuple):
    """A node that need not be there."""

    address: str
    tls_cert: Path
    macaroon: Path


class FakeLnd:
    """The child process, and what a client of it needs. It ends when this process does."""

    def __init__(self, process: asyncio.subprocess.Process, ready: dict[str, str]) -> None:
        """Take a process that listens."""
        self._process = process
        self.pid = process.pid
        self.address = ready["address"]
        self.tls_cert, self.macaroon = Path(ready["cert"]), Path(ready["macaroon"])

    async def prepare(self, shape: Shape, updates: int, rate: float = 4000.0) -> Load:
        """Prepare at least this many updates of payments that are new; `rate` (per second) is for the times in them."""
        return Load(**await self._ask(do="prepare", shape=shape.value, updates=updates, rate=rate))

    async def play(self, rate: float) -> float:
        """Send all that is prepared, `rate` updates per second, beginning now; return the seconds until it was sent."""
        seconds: float = (await self._ask(do="play", rate=rate))["seconds"]
        return seconds

    async def remember(self, payments: int, days: float, end_ns: int = 0) -> None:
        """Have a past of that many payments in so many days, and none in flight, from now on.

        `end_ns` is when the last one was created, nanoseconds since 1970; 0 is now.
        """
        await self._ask(do="remember", payments=payments, days=days, end_ns=end_ns)

    async def calls(self) -> dict[str, int]:
        """Return how often each method was called since the last time, by the names of `labels.Method`."""
        return await self._ask(do="calls")

    async def subscribed(self) -> None:
        """Wait until exactly one stream of all payments is open."""
        await self._ask(do="subscribed")

    async def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await read_answer(self._process)


async def read_answer(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Return the next JSON line of a child process. Raises RuntimeError if it has ended."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a child process has ended with {await process.wait()}: its error is above")
    answer: dict[str, Any] = json.loads(line)
    return answer


@asynccontextmanager
async def fake_lnd(directory: Path) -> AsyncIterator[FakeLnd]:
    """Run a fake lnd, whose certificate and macaroon are in `directory`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        str(directory),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        ready = await read_answer(process)
        yield FakeLnd(process, ready)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_Child(Path(sys.argv[1])).run())
