"""`make bench`: measure what an update, a page and a checkpoint cost. ARGS is the number of payments."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from exporter.follow import Account
from exporter.lnd import decode, json_messages
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.metrics.collector import PageCollector
from exporter.metrics.exposition import Format, render
from exporter.page import PageData
from exporter.payments.labels import Source
from exporter.payments.payment import NS_PER_S, Moment, Payment
from exporter.simulator import rest_json
from exporter.simulator.database import Database
from exporter.simulator.random_traffic import RandomTraffic
from exporter.simulator.world import World
from exporter.store import Store, encode
from tests.bench.crowd import measure_crowd

PAYMENTS = 2000
ROUNDS = 5
"""Each row is measured this many times; the fastest counts."""
START_NS = 1_780_000_000 * NS_PER_S
"""When the payments begin, nanoseconds since 1970."""


class Row(NamedTuple):
    """One measurement."""

    name: str
    seconds: float
    """How long `number` of them took."""
    number: int
    bare: float
    """Seconds that a bare loop took for as many, in the same run."""


def updates(payments: int) -> tuple[World, list[bytes]]:
    """Return a world, and all updates that lnd sends of that many payments of every kind, one after the other."""
    clock, world = [START_NS], World.random("bench")
    database, messages = Database(lambda: clock[0]), list[bytes]()
    for scenario in islice(RandomTraffic(world, "bench"), payments):
        for step in scenario.steps:
            clock[0] += int(step.delay_s * NS_PER_S)
            if update := database.apply(step.mutation):
                messages.append(update.message)
    return world, messages


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds that the fastest round takes."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def counted(payments: Sequence[Payment]) -> Account:
    """Return a new account that has counted these snapshots."""
    clock = [Moment(START_NS, 0)]
    account = Account("lnd", lambda: clock[0], 50)
    account.tracker.begin([], 0, clock[0])
    account.tracker.stream_started()
    for payment in payments:
        clock[0] = Moment(payment.latest_ns or payment.created_ns, clock[0].mono_ns + NS_PER_S // 5)
        account.record(payment, Source.STREAM)
    return account


def measure(payments: int) -> Iterator[Row]:
    """Measure, and yield row by row."""
    world, messages = updates(payments)
    own, number = world.me.pubkey, len(messages)
    texts = [rest_json.json_line(rest_json.message_json(rpc.Payment, message)) for message in messages]
    decoded = [decode.payment(rpc.Payment.FromString(message), own) for message in messages]

    protobuf = fastest(lambda: [rpc.Payment.FromString(message) for message in messages])
    json = fastest(lambda: [msgspec.json.decode(text) for text in texts])
    yield Row("protobuf, parsed (bare)", protobuf, number, protobuf)
    took = fastest(lambda: [decode.payment(rpc.Payment.FromString(message), own) for message in messages])
    yield Row("update over gRPC, to a snapshot", took, number, protobuf)
    yield Row("JSON, parsed (bare)", json, number, json)
    took = fastest(
        lambda: [decode.payment(json_messages.message(rpc.Payment, json_messages.parse(text)), own) for text in texts],
    )
    yield Row("update over REST, to a snapshot", took, number, json)
    yield Row("snapshot, counted", fastest(lambda: counted(decoded)), number, protobuf)

    account = counted(decoded)
    view = account.capture()
    lines = render(PageCollector(PageData([view])), Format.TEXT, compress=False).splitlines()
    bare = fastest(lambda: b"".join(line + b"\n" for line in lines))
    for form in Format:
        took = fastest(lambda form=form: render(PageCollector(PageData([view])), form, compress=False))  # type: ignore[misc]
        yield Row(f"page of {len(lines):,} lines, {form.name.lower()}", took, 1, bare)
    with tempfile.TemporaryDirectory() as home:
        yield from _measure_write(Path(home), decoded)


def _measure_write(home: Path, decoded: Sequence[Payment]) -> Iterator[Row]:
    """Measure writing the state before and after the last hundred updates, in turn: only changed rows are written."""
    store = Store(home / "state.sqlite")
    states = [
        {"lnd": encode(account.save(account.capture()))} for account in (counted(decoded[:-100]), counted(decoded))
    ]

    def write() -> None:
        for state in states:
            store.save(state)

    took = fastest(write)
    store.close()
    with (home / "bare").open("wb", buffering=0) as file:

        def write_bare() -> None:
            for _ in states:
                file.write(bytes(4096))
                os.fsync(file.fileno())

        bare = fastest(write_bare)
    yield Row("state written (bare: 4 KiB, fsync)", took, len(states), bare)


async def show(payments: int) -> None:
    """Measure and print the table; async because an account reads the clock of the running event loop."""
    console = Console()
    table = Table("measured", "each", "per second", "x bare", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    with console.status("measuring") as status:
        for row in measure(payments):
            each = row.seconds / row.number
            table.add_row(row.name, f"{each * 1e6:,.1f} us", f"{1 / each:,.0f}", f"{row.seconds / row.bare:.1f}")
            status.update(f"measured: {row.name}")
        status.update("measuring scrapes in a crowd")
        for name, seconds, alone in await measure_crowd():
            table.add_row(name, f"{seconds * 1e6:,.1f} us", f"{1 / seconds:,.0f}", f"{seconds / alone:.1f}")
    console.print(table)


def main() -> int:
    """Run the command line; return the exit code."""
    asyncio.run(show(int(sys.argv[1]) if len(sys.argv) > 1 else PAYMENTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
