"""What a stream of updates costs this process: a fake lnd in a process of its own sends prepared messages.

`python -m tests.bench.streaming storm|steady|final [--rate=MESSAGES_PER_SECOND] [--seconds=N] [--payments=N]`
"""

import argparse
import asyncio
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter as Tally
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import grpc
import grpc.aio

from exporter.follow import Account, Follower, Intervals
from exporter.lnd.grpc import GrpcClient
from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.lnd.rpc import track_pb2 as track
from exporter.payments.labels import Method
from exporter.payments.payment import NS_PER_S, Moment
from exporter.payments.totals import Counter
from exporter.simulator import credentials
from exporter.simulator.wire import bytes_field, int_field
from exporter.simulator.world import World

START_NS = 1_780_000_000 * NS_PER_S
FAST = 1e9
"""A rate at which everything happens at once, messages per second."""
_FINAL = (rpc.Payment.SUCCEEDED, rpc.Payment.FAILED)
_PAYMENTS, _FIRST, _LAST = 1, 2, 3  # fields of ListPaymentsResponse


class Sent(NamedTuple):
    """One update."""

    at_s: float
    """Seconds after the first one."""
    index: int
    payment_hash: str
    final: bool
    message: bytes


class Cost(NamedTuple):
    """What this process needed to receive a stream."""

    cpu_s: float
    wall_s: float
    updates: int
    calls: dict[Method, int]
    """Calls to lnd, failed ones too."""


# What is sent.


def storm(payments: int, rate: float) -> tuple[World, list[Sent]]:
    """Return updates of payments with a signed invoice that fail without an attempt, `rate` a second.

    One in twenty has a second terminal update with another reason.
    """
    world, random = World.random("storm"), Random("storm")
    order: list[tuple[float, int, track.Payment]] = []
    for number in range(payments):
        payee = random.choice(world.far)
        payment_hash = random.randbytes(32)
        created_ns = START_NS + int(2 * number / min(rate, 10_000) * NS_PER_S)
        payment = track.Payment(
            payment_hash=payment_hash.hex(),
            value_msat=random.randrange(1_000, 10_000_000),
            creation_date=created_ns // NS_PER_S,
            creation_time_ns=created_ns,
            payment_request=world.payment_request(payee, payment_hash, 50_000, created_ns // NS_PER_S),
            status=track.Payment.IN_FLIGHT,
            payment_index=number + 1,
        )
        order.append((2.0 * number, number, payment))
        failed = track.Payment()
        failed.CopyFrom(payment)
        failed.status, failed.failure_reason = track.Payment.FAILED, track.FAILURE_REASON_NO_ROUTE
        end = 2.0 * number + random.uniform(1, 200)
        order.append((end, number, failed))
        if random.random() < 0.05:
            second = track.Payment()
            second.CopyFrom(failed)
            second.failure_reason = track.FAILURE_REASON_TIMEOUT
            order.append((end + 20, number, second))
    order.sort(key=lambda item: item[0])
    return world, [_sent(position / rate, payment) for position, (_, _, payment) in enumerate(order)]


def steady(seconds: float) -> tuple[World, list[Sent]]:
    """Return six payments a second with up to four attempts of four hops: some 20 updates a second of up to 3 kB."""
    world, random = World.random("steady"), Random("steady")
    sent: list[Sent] = []
    for number in range(int(seconds * 6)):
        begin_s = number / 6
        created_ns = START_NS + int(begin_s * NS_PER_S)
        payment_hash = random.randbytes(32)
        payment = track.Payment(
            payment_hash=payment_hash.hex(),
            value_msat=50_000_000,
            creation_date=created_ns // NS_PER_S,
            creation_time_ns=created_ns,
            payment_request=world.payment_request(
                random.choice(world.far), payment_hash, 50_000, created_ns // NS_PER_S
            ),
            status=track.Payment.IN_FLIGHT,
            payment_index=number + 1,
        )
        for step in range(3):
            payment.htlcs.extend(
                _attempt(world, random, 8 * number + len(payment.htlcs) + n, created_ns) for n in (1, 2)
            )
            if step == 1:
                for htlc in payment.htlcs:
                    htlc.status, htlc.resolve_time_ns = track.HTLCAttempt.FAILED, created_ns + NS_PER_S // 10
                    htlc.failure.code, htlc.failure.failure_source_index = 15, 2
            if step == 2:
                del payment.htlcs[4:]
                payment.htlcs[-1].status, payment.htlcs[-1].preimage = track.HTLCAttempt.SUCCEEDED, bytes(32)
                payment.status = track.Payment.SUCCEEDED
            sent.append(_sent(begin_s + step * 0.15, payment))
    return world, sorted(sent, key=lambda one: one.at_s)


def _attempt(world: World, random: Random, attempt_id: int, created_ns: int) -> track.HTLCAttempt:
    nodes = [random.choice(world.peers).node, *random.choices(world.far, k=3)]
    hops = [
        track.Hop(
            chan_id=random.getrandbits(60),
            expiry=840_100,
            amt_to_forward_msat=50_000_000,
            fee_msat=random.randrange(5000),
            pub_key=node.pubkey,
        )
        for node in nodes
    ]
    route = track.Route(total_time_lock=840_200, hops=hops, total_fees_msat=9_000, total_amt_msat=50_009_000)
    return track.HTLCAttempt(attempt_id=attempt_id, attempt_time_ns=created_ns + 50_000_000, route=route)


def _sent(at_s: float, payment: track.Payment) -> Sent:
    final = payment.status in _FINAL
    return Sent(at_s, payment.payment_index, payment.payment_hash, final, payment.SerializeToString())


# The fake lnd, in a process of its own.


class FakeLnd:
    """Answers from the updates that have happened so far; each has happened `Sent.at_s` after the subscription."""

    def __init__(self, world: World, sent: Sequence[Sent]) -> None:
        """Nothing has happened yet."""
        self._world = world
        self._sent = sent
        self._times = [one.at_s for one in sent]
        self._began_s: float | None = None
        self._applied = 0
        self._now: dict[int, Sent] = {}
        self._hashes: dict[str, Sent] = {}

    def _happened(self) -> int:
        """Return the number of updates that have happened, and bring the table up to date."""
        if self._began_s is None:
            return 0
        until = bisect_right(self._times, time.monotonic() - self._began_s)
        for one in self._sent[self._applied : until]:
            self._now[one.index] = self._hashes[one.payment_hash] = one
        self._applied = until
        return until

    async def track_payments(self, data: bytes, _context: object) -> AsyncIterator[bytes]:
        """TrackPayments: send what happens from now on; then be quiet."""
        final_only = rpc.TrackPaymentsRequest.FromString(data).no_inflight_updates
        self._began_s = time.monotonic()
        at = 0
        while at < len(self._sent):
            until = self._happened()
            for one in self._sent[at:until]:
                if one.final or not final_only:
                    yield one.message
            at = until
            if at < len(self._sent):
                await asyncio.sleep(max(0.0, self._times[at] - (time.monotonic() - self._began_s)))
        await asyncio.Event().wait()

    async def track_payment(self, data: bytes, context: Any) -> AsyncIterator[bytes]:
        """TrackPaymentV2: the present state."""
        self._happened()
        one = self._hashes.get(rpc.TrackPaymentRequest.FromString(data).payment_hash.hex())
        if one is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "payment isn't initiated")
        else:
            yield one.message

    async def list_payments(self, data: bytes, _context: object) -> bytes:
        """ListPayments: one page; indexes are 1, 2, 3..."""
        self._happened()
        request, there = rpc.ListPaymentsRequest.FromString(data), len(self._now)
        if request.reversed:
            last = min(there, (request.index_offset or there + 1) - 1)
            first = max(1, last - request.max_payments + 1)
        else:
            first = request.index_offset + 1
            last = min(there, first + request.max_payments - 1)
        page = [self._now[index].message for index in range(first, last + 1)]
        bounds = int_field(_FIRST, first) + int_field(_LAST, last) if page else b""
        return b"".join(bytes_field(_PAYMENTS, message) for message in page) + bounds

    async def serve(self, certificate: credentials.Certificate, port_file: Path) -> None:
        """Listen, and write the port to a file."""
        stream, unary = grpc.unary_stream_rpc_method_handler, grpc.unary_unary_rpc_method_handler
        info = rpc.GetInfoResponse(identity_pubkey=self._world.me.pubkey, block_height=840_000, synced_to_chain=True)
        state = rpc.SubscribeStateResponse(state=rpc.SERVER_ACTIVE).SerializeToString()

        def answer(data: bytes) -> Any:
            async def call(_data: bytes, _context: object) -> bytes:
                return data

            return unary(call)

        async def states(_data: bytes, _context: object) -> AsyncIterator[bytes]:
            yield state
            await asyncio.Event().wait()

        methods: dict[str, dict[str, Any]] = {
            "routerrpc.Router": {
                "TrackPayments": stream(self.track_payments),
                "TrackPaymentV2": stream(self.track_payment),
            },
            "lnrpc.Lightning": {
                "ListPayments": unary(self.list_payments),
                "GetInfo": answer(info.SerializeToString()),
                "ListChannels": answer(b""),
            },
            "lnrpc.State": {"SubscribeState": stream(states), "GetState": answer(state)},
        }
        server = grpc.aio.server()
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(name, handlers) for name, handlers in methods.items())
        )
        key = grpc.ssl_server_credentials([(certificate.key, certificate.certificate)])
        port = server.add_secure_port("127.0.0.1:0", key)
        await server.start()
        credentials.replace_file(port_file, str(port).encode())
        await server.wait_for_termination()


def _serve(home: Path) -> None:
    """Run the fake lnd of a directory until killed."""
    world, sent, certificate = pickle.loads((home / "prepared").read_bytes())  # noqa: S301 - our own
    asyncio.run(FakeLnd(world, sent).serve(certificate, home / "port"))


@contextmanager
def fake_lnd(home: Path, world: World, sent: Sequence[Sent]) -> Iterator[str]:
    """Run a fake lnd in a process of its own; yield its address. Certificate and macaroon are in `home`."""
    certificate = credentials.certificate()
    (home / "prepared").write_bytes(pickle.dumps((world, list(sent), certificate)))
    (home / "tls.cert").write_bytes(certificate.certificate)
    (home / "macaroon").write_bytes(credentials.macaroon(bytes(32), 1, []))
    (home / "port").unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.streaming", "serve", str(home)])  # noqa: S603
    try:
        while not (home / "port").exists():
            if process.poll() is not None:
                raise RuntimeError("the fake lnd did not start")
            time.sleep(0.05)
        yield f"127.0.0.1:{(home / 'port').read_text()}"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


# What is measured.


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
    to_count = len({one.index for one in sent if one.final})
    record = account.record

    def slowed(*args: Any) -> None:
        record(*args)
        until = time.process_time() + slow_s
        while time.process_time() < until:
            pass

    if slow_s:
        account.record = slowed  # type: ignore[method-assign]
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
    if sys.argv[1:2] == ["serve"]:
        _serve(Path(sys.argv[2]))
        return 0
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
    print(f"{options.kind}: {len(sent):,} messages of {size:,.0f} bytes")
    for _ in range(options.rounds):
        cost, without = measure(world, sent, final_only=options.kind == "final", slow_s=options.slow_us / 1e6)
        print(
            f"follower {cost.cpu_s:.2f} s of CPU in {cost.wall_s:.1f} s, bare {without.cpu_s:.2f} s: "
            f"{cost.cpu_s / without.cpu_s:.2f} x; calls { {m.value: n for m, n in cost.calls.items() if n} }"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
