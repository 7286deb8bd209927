"""A fake lnd in a process of its own, which sends prepared updates: `python -m tests.bench.fake_lnd DIRECTORY`."""

import asyncio
import pickle
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from exporter.lnd.rpc import lnd_pb2 as rpc
from exporter.simulator import credentials
from exporter.simulator.wire import bytes_field, int_field
from exporter.simulator.world import World
from tests.bench.prepared import Sent

_PAYMENTS, _FIRST, _LAST = 1, 2, 3  # fields of ListPaymentsResponse


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
            self._now[one.payment_index] = self._hashes[one.payment_hash] = one
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
    world, sent, certificate = pickle.loads((home / "prepared").read_bytes())
    asyncio.run(FakeLnd(world, sent).serve(certificate, home / "port"))


@contextmanager
def fake_lnd(home: Path, world: World, sent: Sequence[Sent]) -> Iterator[str]:
    """Run a fake lnd in a process of its own; yield its address. Certificate and macaroon are in `home`."""
    certificate = credentials.certificate()
    (home / "prepared").write_bytes(pickle.dumps((world, list(sent), certificate)))
    (home / "tls.cert").write_bytes(certificate.certificate)
    (home / "macaroon").write_bytes(credentials.macaroon(bytes(32), 1, []))
    (home / "port").unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.fake_lnd", str(home)])
    try:
        while not (home / "port").exists():
            if process.poll() is not None:
                raise RuntimeError("the fake lnd did not start")
            time.sleep(0.05)
        yield f"127.0.0.1:{(home / 'port').read_text()}"
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
