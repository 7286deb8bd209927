"""`make bench`: measures the cost of an update, from bytes to totals, and of a page; ARGS: number of payments."""

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
from exporter.lnd import decode, gateway
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.metrics.collector import PageCollector
from exporter.metrics.exposition import Format, render
from exporter.metrics.row import PageData
from exporter.payments.labels import Source
from exporter.payments.payment import Moment, Payment
from exporter.simulator import rest
from exporter.simulator.database import Database
from exporter.simulator.mix import Mix
from exporter.simulator.world import World
from exporter.store import Store, encode

PAYMENTS = 2000
ROUNDS = 5
"""Number of measurements; the fastest counts."""
SECOND_NS = 10**9
BORN_NS = 1_780_000_000 * SECOND_NS


class Row(NamedTuple):
    """A measurement."""

    what: str
    seconds: float
    number: int
    """Number of operations in that time."""
    bare: float
    """Seconds that the bare loop took for the same number, in the same run."""


def updates(payments: int) -> tuple[World, list[bytes]]:
    """Return lnd's updates of payments of every kind, one after the other."""
    clock, world = [BORN_NS], World.random("bench")
    database, told = Database(lambda: clock[0]), list[bytes]()
    for life in islice(Mix(world, "bench"), payments):
        for step in life.steps:
            clock[0] += int(step.delay_s * SECOND_NS)
            if update := database.apply(step.mutation):
                told.append(update.message)
    return world, told


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest round."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def account(payments: Sequence[Payment]) -> Account:
    """Return tracker and ledger after these updates, from an empty state."""
    clock = [Moment(BORN_NS, 0)]
    books = Account("lnd", lambda: clock[0], 50)
    books.tracker.begin([], 0, clock[0])
    books.tracker.stream_started()
    for payment in payments:
        clock[0] = Moment(payment.latest_ns or payment.created_ns, clock[0].mono_ns + SECOND_NS // 5)
        books.record(payment, Source.STREAM)
    return books


def measured(payments: int) -> Iterator[Row]:
    """Yield the measurements, row by row."""
    world, messages = updates(payments)
    own, number = world.me.pubkey, len(messages)
    texts = [rest.line(rest.words(rpc.Payment, message)) for message in messages]
    decoded = [decode.payment(rpc.Payment.FromString(message), own) for message in messages]

    protobuf = fastest(lambda: [rpc.Payment.FromString(message) for message in messages])
    json = fastest(lambda: [msgspec.json.decode(text) for text in texts])
    yield Row("protobuf, parsed (bare)", protobuf, number, protobuf)
    took = fastest(lambda: [decode.payment(rpc.Payment.FromString(message), own) for message in messages])
    yield Row("update over gRPC, to a snapshot", took, number, protobuf)
    yield Row("JSON, parsed (bare)", json, number, json)
    took = fastest(
        lambda: [decode.payment(gateway.message(rpc.Payment, gateway.parse(text)), own) for text in texts],
    )
    yield Row("update over REST, to a snapshot", took, number, json)
    yield Row("snapshot, counted", fastest(lambda: account(decoded)), number, protobuf)

    books = account(decoded)
    view = books.view()
    lines = render(PageCollector(PageData([view])), Format.TEXT, compress=False).splitlines()
    bare = fastest(lambda: b"".join(line + b"\n" for line in lines))
    for form in Format:
        took = fastest(lambda form=form: render(PageCollector(PageData([view])), form, compress=False))  # type: ignore[misc]
        yield Row(f"page of {len(lines):,} lines, {form.name.lower()}", took, 1, bare)
    with tempfile.TemporaryDirectory() as home:
        yield from _written(Path(home), decoded)


def _written(home: Path, decoded: Sequence[Payment]) -> Iterator[Row]:
    """Write the states before and after the last hundred updates in turn, so that each write has changes."""
    store = Store(home / "state.sqlite")
    states = [{"lnd": encode(books.saved(books.view()))} for books in (account(decoded[:-100]), account(decoded))]

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
    """Print a table, each row as soon as it is measured."""
    console = Console()
    table = Table("what", "each", "a second", "x bare", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    with console.status("measuring") as status:
        for row in measured(payments):
            each = row.seconds / row.number
            table.add_row(row.what, f"{each * 1e6:,.1f} us", f"{1 / each:,.0f}", f"{row.seconds / row.bare:.1f}")
            status.update(f"measured: {row.what}")
    console.print(table)


def main() -> int:
    """Measure and show."""
    asyncio.run(show(int(sys.argv[1]) if len(sys.argv) > 1 else PAYMENTS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
