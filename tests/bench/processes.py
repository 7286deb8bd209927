"""Child processes that are measured: an exporter, a bare loop; their CPU and memory."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from exporter.config import ListenAddress
from tests.bench.fake_lnd import FakeLnd, Reachable, read_answer
from tests.network.process import free_port
from tests.patience import PATIENCE_S
from tests.web.serving import fetch

_SCHEDULED = 2
"""Makes a process id that of the process' CPU clock, as clock_getcpuclockid(3) does; Python has it for threads."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
QUIET_S = 1.0
_QUIET_CPU_S = 0.03
"""A process that uses less than this in `QUIET_S` has nothing to do."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process: user and system, all threads, in nanoseconds' steps."""
    return time.clock_gettime((~pid << 3) | _SCHEDULED)


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB of 10^6 bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6


async def until_quiet(pid: int, quiet_s: float = QUIET_S) -> float:
    """Wait until a process has nothing to do for so long; return its CPU seconds until then."""
    before = cpu_s(pid)
    while True:
        await asyncio.sleep(quiet_s)
        now = cpu_s(pid)
        if now - before < _QUIET_CPU_S:
            return before
        before = now


class ExporterProcess:
    """A running exporter."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        """Take a process that starts."""
        self._process = process
        self.pid = process.pid
        self._address = ListenAddress("127.0.0.1", port)
        self.log = log

    async def page(self, target: str = "/metrics") -> str:
        """Return a page."""
        answer = await fetch(self._address, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return answer.partition(b"\r\n\r\n")[2].decode()

    async def first_page(self) -> None:
        """Wait for a page; ask often, because the time until then is measured."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                await self.page()
            except ConnectionError:
                if time.monotonic() > deadline or self._process.returncode is not None:
                    raise RuntimeError(f"no page: {self.log.read_text()[-2000:]}") from None
                await asyncio.sleep(0.02)
            else:
                return

    async def sum(self, name: str) -> float:
        """Return the sum of all series of a metric."""
        lines = (await self.page()).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    async def until_following(self) -> None:
        """Wait until the stream is up."""
        await self.first_page()
        deadline = time.monotonic() + PATIENCE_S
        while not await self.sum("lnd_payments_stream_up"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"it does not follow: {self.log.read_text()[-2000:]}")
            await asyncio.sleep(0.2)

    async def until_counted(self, payments: int, quiet_s: float = QUIET_S) -> float:
        """Wait until that many payments have ended on its page; return its CPU seconds until then, without the page."""
        while True:
            used = await until_quiet(self.pid, quiet_s)
            ended = await self.sum("lnd_payments_succeeded_total") + await self.sum("lnd_payments_failed_total")
            if ended >= payments:
                return used


@asynccontextmanager
async def exporter_process(home: Path, lnd: Reachable, *, final_only: bool = False) -> AsyncIterator[ExporterProcess]:
    """Run an exporter with its state in `home`, which follows this node; with flags, as the README starts it."""
    port = free_port()
    home.mkdir(parents=True, exist_ok=True)
    flags = [
        "--lnd.name=node0",
        f"--lnd.address={lnd.address}",
        f"--lnd.tls-cert={lnd.tls_cert}",
        f"--lnd.macaroon={lnd.macaroon}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.path={home / 'state.sqlite'}",
        *(["--lnd.final-updates-only"] if final_only else []),
    ]
    log = home / "exporter.log"
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "exporter", *flags, stdout=sink, stderr=sink
        )
    try:
        yield ExporterProcess(process, port, log)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


_BARE_LOOP = """
import asyncio, json, sys
import grpc, grpc.aio
from exporter.lnd.rpc import lnd_pb2 as rpc

async def main(address, cert, macaroon):
    credentials = grpc.ssl_channel_credentials(open(cert, "rb").read())
    async with grpc.aio.secure_channel(address, credentials) as channel:
        method = channel.unary_stream("/routerrpc.Router/TrackPayments")
        request = rpc.TrackPaymentsRequest().SerializeToString()
        call = method(request, metadata=(("macaroon", open(macaroon, "rb").read().hex()),))
        print(json.dumps({"ready": True}), flush=True)
        while (data := await call.read()) is not grpc.aio.EOF:
            rpc.Payment.FromString(data)

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def bare_loop(lnd: FakeLnd) -> AsyncIterator[int]:
    """Run a process that only reads the stream of all updates and parses each message; yield its process id."""
    arguments = [lnd.address, str(lnd.tls_cert), str(lnd.macaroon)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BARE_LOOP, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await read_answer(process)
        await lnd.subscribed()
        yield process.pid
    finally:
        process.kill()
        await process.wait()
