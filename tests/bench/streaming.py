"""What a stream of updates costs this process, beside a bare loop; a fake lnd has a process of its own.

`python -m tests.bench.streaming storm|steady|final [--rate=MESSAGES_PER_SECOND] [--seconds=N] [--payments=N]`
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter as Tally
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio

from exporter.follow import Account, Follower, Intervals
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.payments.labels import Method
from exporter.payments.payment import Moment
from exporter.payments.totals import Counter
from exporter.simulator.world import World
from tests.bench.fake_lnd import fake_lnd
from tests.bench.prepared import Sent, steady, storm


class Cost(NamedTuple):
    """What this process needed to receive a stream."""

    cpu_s: float
    wall_s: float
    updates: int
    calls: dict[Method, int]
    """Calls to lnd, failed ones too."""


def _moment() -> Moment:
    return Moment(time.time_ns(), time.monotonic_ns())


def _calls(account: Account) -> dict[Method, int]:
    calls: Tally[Method] = Tally()
    for (method, _), number in account.ledger.counters[Counter.LND_CALLS].items():
        calls[Method(method)] += number
    return dict(calls)


async def follow(
    home: Path, address: str, sent: Sequence[Sent], *, final_only: bool = False, slow_s: float = 0
) -> Cost:
    """Follow the fake lnd until all payments that end are counted; `slow_s` is wasted at each update."""
    account = Account("lnd", _moment, 50)
    client = GrpcClient(address, home / "tls.cert", home / "macaroon")
    counted = account.ledger.counters
    to_count = len({one.payment_index for one in sent if one.final})
    record = account.record

    def slowed(*args: Any) -> None:
        record(*args)
        until = time.process_time() + slow_s
        while time.process_time() < until:
            pass

    if slow_s:
        account.record = slowed  # type: ignore[method-assign, assignment]
    follower = Follower(account, client, intervals=Intervals(), final_only=final_only)
    cpu_s, wall_s = time.process_time(), time.monotonic()
    running = asyncio.create_task(follower.run())
    while sum(counted[Counter.SUCCEEDED].values()) + sum(counted[Counter.FAILED].values()) < to_count:
        await asyncio.sleep(0.5)
        if running.done():
            running.result()
    cost = Cost(time.process_time() - cpu_s, time.monotonic() - wall_s, len(sent), _calls(account))
    running.cancel()
    await asyncio.wait([running])
    return cost


async def bare(home: Path, address: str, sent: Sequence[Sent], *, final_only: bool = False) -> Cost:
    """Receive and parse the same stream in the barest loop."""
    credential = grpc.ssl_channel_credentials((home / "tls.cert").read_bytes())
    number = sum(one.final or not final_only for one in sent)
    cpu_s, wall_s = time.process_time(), time.monotonic()
    async with grpc.aio.secure_channel(address, credential) as channel:
        unary_stream: Any = channel.unary_stream(
            "/routerrpc.Router/TrackPayments", request_serializer=rpc.TrackPaymentsRequest.SerializeToString
        )
        call = unary_stream(rpc.TrackPaymentsRequest(no_inflight_updates=final_only))
        for _ in range(number):
            rpc.Payment.FromString(await call.read())
        cost = Cost(time.process_time() - cpu_s, time.monotonic() - wall_s, number, {})
        call.cancel()
    return cost


def measure(world: World, sent: Sequence[Sent], *, final_only: bool = False, slow_s: float = 0) -> tuple[Cost, Cost]:
    """Return the cost of following and that of the bare loop."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with fake_lnd(home, world, sent) as address:
            without = asyncio.run(bare(home, address, sent, final_only=final_only))
        with fake_lnd(home, world, sent) as address:
            followed = asyncio.run(follow(home, address, sent, final_only=final_only, slow_s=slow_s))
    return followed, without


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["storm", "steady", "final"])
    parser.add_argument("--rate", type=float, default=8000)
    parser.add_argument("--payments", type=int, default=15_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--slow-us", type=float, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    world, sent = storm(options.payments, options.rate) if options.kind == "storm" else steady(options.seconds)
    size = sum(len(one.message) for one in sent) / len(sent)
    sys.stdout.write(f"{options.kind}: {len(sent):,} messages of {size:,.0f} bytes\n")
    for _ in range(options.rounds):
        cost, without = measure(world, sent, final_only=options.kind == "final", slow_s=options.slow_us / 1e6)
        sys.stdout.write(
            f"follower {cost.cpu_s:.2f} s of CPU in {cost.wall_s:.1f} s, bare {without.cpu_s:.2f} s: "
            f"{cost.cpu_s / without.cpu_s:.2f} x; calls { {m.value: n for m, n in cost.calls.items() if n} }\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
