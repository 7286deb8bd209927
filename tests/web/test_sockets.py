"""Listening sockets: several at once, Unix sockets and their files, sockets of systemd, and an orderly end."""

import asyncio
import errno
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from exporter.config import ListenAddress
from exporter.web.server import build_app, serve
from exporter.web.sockets import CannotListen
from tests.patience import PATIENCE_S
from tests.web.serving import LOCAL, READY, answer, connect, fetch, serving, small
from tests.web.ways import WAYS, way

ROOT = Path(__file__).parents[2]


async def refused(*addresses: ListenAddress) -> list[tuple[ListenAddress, int | None]]:
    """Return the addresses that can't be listened on, and why."""
    with pytest.raises(CannotListen) as caught:
        await serve(build_app(small), addresses)
    return [(address, error.errno) for address, error in caught.value.failures]


async def test_all_addresses_are_served(tmp_path: Path) -> None:
    """TCP with two ports, and a Unix socket."""
    addresses = [LOCAL, ListenAddress("127.0.0.1", 0), ListenAddress(path=str(tmp_path / "a.sock"))]
    async with serving(addresses=addresses) as server:
        assert len({*server.addresses}) == 3
        for address in server.addresses:
            assert (await fetch(address)).endswith(b"The exporter is ready.\n")


async def test_a_name_with_two_addresses_has_one_port() -> None:
    """`localhost` is IPv4 and, where the machine has it, IPv6."""
    async with serving(addresses=[ListenAddress("localhost", 0)]) as server:
        sockets = server._listener._sockets.sockets
        assert {each.getsockname()[1] for each in sockets} == {server.addresses[0].port}


async def test_unix_socket_is_for_its_group(tmp_path: Path) -> None:
    """Its mode is 0660 whatever the umask is, and its file is removed at the end."""
    path = tmp_path / "a.sock"
    before = os.umask(0o777)
    try:
        server = await serve(build_app(small), [ListenAddress(path=str(path))])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    await server.close()
    assert [*tmp_path.iterdir()] == []


async def test_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    """Its file stays behind, and nobody listens."""
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    async with serving(addresses=[ListenAddress(path=str(path))]) as server:
        assert (await fetch(server.addresses[0])).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    """A socket on which somebody listens, even if his queue is full, a file, a directory, a link."""
    (tmp_path / "file").write_text("of use")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "live")
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as waiting:
        live.bind(str(tmp_path / "live"))
        live.listen(0)
        waiting.connect(str(tmp_path / "live"))
        before = {path.name: path.lstat().st_ino for path in tmp_path.iterdir()}
        addresses = [ListenAddress(path=str(tmp_path / name)) for name in ("live", "file", "directory", "link")]
        assert await refused(*addresses) == [
            (addresses[0], errno.EADDRINUSE),
            *((address, errno.ENOTSOCK) for address in addresses[1:]),
        ]
        assert {path.name: path.lstat().st_ino for path in tmp_path.iterdir()} == before


async def test_file_that_was_replaced_is_not_removed(tmp_path: Path) -> None:
    """At the end the path may belong to another exporter."""
    path = tmp_path / "a.sock"
    async with serving(addresses=[ListenAddress(path=str(path))]):
        path.unlink()
        path.write_text("of another")
    assert path.read_text() == "of another"


@pytest.mark.asyncio(loop_scope="function")  # no tasks of other tests
async def test_one_address_that_fails(tmp_path: Path) -> None:
    """All that fail are named, and nothing is left of the others."""
    good, nowhere = ListenAddress(path=str(tmp_path / "a.sock")), ListenAddress(path=str(tmp_path / "no" / "a.sock"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = ListenAddress("127.0.0.1", taken.getsockname()[1])
        failures = await refused(good, busy, LOCAL, nowhere)
    assert failures == [(busy, errno.EADDRINUSE), (nowhere, errno.ENOENT)]
    assert [*tmp_path.iterdir()] == []
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.asyncio(loop_scope="function")  # no tasks of other tests
@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
async def test_orderly_end(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can connect any more, a running answer is finished, one that takes too long isn't, and no task is left."""
    asyncio.get_running_loop().set_debug(True)
    asyncio.get_running_loop().slow_callback_duration = PATIENCE_S
    begun, may_end, body = asyncio.Semaphore(0), asyncio.Event(), bytes(32 << 20)

    async def wait(request: web.Request) -> web.Response:
        begun.release()
        await (may_end.wait() if request.path == "/wait" else asyncio.Event().wait())
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/wait", wait)
    app.router.add_get("/for-ever", wait)
    there = way(name, tmp_path)
    server = await serve(app, [there.address], tls=there.server)
    (address,) = server.addresses
    streams = [await connect(address, there.client) for _ in range(4)]  # the last is idle
    silent = await connect(address)
    streams[0][1].write(READY[:20])
    finished = asyncio.create_task(answer(streams[1], b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n"))
    cut = asyncio.create_task(answer(streams[2], b"GET /for-ever HTTP/1.1\r\nHost: a\r\n\r\n"))
    for _ in range(2):
        await asyncio.wait_for(begun.acquire(), PATIENCE_S)
    end = asyncio.create_task(server.close())
    while True:
        try:
            _, late = await connect(address)
        except OSError:
            break
        late.transport.abort()
        with suppress(OSError):
            await late.wait_closed()
    may_end.set()
    assert (await finished).partition(b"\r\n\r\n")[2] == body
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await cut
    await end
    for _, writer in [*streams, silent]:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


# systemd

LAUNCHER = """
import os, sys
for number, descriptor in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(descriptor, number)
os.environ["LISTEN_PID"] = str(os.getpid()) if sys.argv[2] == "ours" else "1"
os.environ["LISTEN_FDS"] = sys.argv[3]
os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[4:]])
"""
"""Passes descriptors as systemd does, then becomes the exporter."""


def command(home: Path) -> list[str]:
    """Return the flags of an exporter that serves on the sockets of systemd."""
    macaroon = home / "payments.macaroon"
    macaroon.write_bytes(b"\x02\x01\x03lnd" + bytes(100))
    flags = ["--lnd.address=127.0.0.1:1", "--lnd.tls-cert=system", f"--lnd.macaroon={macaroon}"]
    return [*flags, "--storage.memory", "--log.format=json", "--web.systemd-socket"]


def start(home: Path, passed: Sequence[int], pid: str = "ours", count: str = "") -> subprocess.Popen[str]:
    """Start an exporter with these descriptors."""
    high = [os.dup(each) for each in passed]
    while min(high, default=99) < 3 + len(high):  # not among those that are replaced
        high = [os.dup(each) for each in high]
    arguments = [",".join(map(str, high)) or "0", pid, count or str(len(passed)), *command(home)]
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *arguments], pass_fds=high, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


async def test_sockets_of_systemd(tmp_path: Path) -> None:
    """TCP and Unix: they are served, and the file of the Unix socket is left to systemd."""
    path = tmp_path / "a.sock"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))
        unix.listen()
        process = start(tmp_path, [tcp.fileno(), unix.fileno()])
        with process:
            assert process.stderr is not None
            serving_ = json.loads(await asyncio.to_thread(process.stderr.readline))
            port = tcp.getsockname()[1]
            assert (serving_["event"], serving_["address"]) == ("serving metrics", f"127.0.0.1:{port}, unix:{path}")
            for address in (ListenAddress("127.0.0.1", port), ListenAddress(path=str(path))):
                assert (await fetch(address)).endswith(b"The exporter is ready.\n")
                flag = f"--web.listen-address={address}"
                health = [sys.executable, "-m", "exporter", "healthcheck", flag]
                done = await asyncio.to_thread(subprocess.run, health, capture_output=True, text=True, cwd=ROOT)
                assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")
            process.terminate()
            await asyncio.to_thread(process.stderr.read)
        assert process.returncode == 0
    assert path.is_socket()


@pytest.mark.parametrize(
    ("pid", "count", "what"),
    [
        ("ours", "0", "systemd has passed no sockets."),
        ("ours", "two", "systemd has passed no sockets."),
        ("another", "1", "systemd has passed no sockets."),
        ("ours", "1", "The descriptor 3 that was passed can't be used: it is not a socket."),
        ("ours", "99999999999", "The descriptor 3 that was passed can't be used: it is not a socket."),
    ],
)
def test_without_sockets_of_systemd(tmp_path: Path, pid: str, count: str, what: str) -> None:
    """Exit code 2, what is wrong and a fix."""
    with (tmp_path / "file").open("w") as file, start(tmp_path, [file.fileno()], pid, count) as process:
        assert process.stderr is not None
        stderr = process.stderr.read()
    assert process.returncode == 2
    assert f"  --web.systemd-socket\n      {what}\n      " in stderr
    assert "Traceback" not in stderr


def test_sockets_of_other_kinds_are_refused(tmp_path: Path) -> None:
    """Datagrams, a connection, a stream that doesn't listen."""
    one, other = socket.socketpair()
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, one, other, socket.create_server(("127.0.0.1", 0)) as tcp:
        descriptors = [datagrams.fileno(), tcp.fileno(), one.fileno()]
        with start(tmp_path, descriptors) as process:
            assert process.stderr is not None
            stderr = process.stderr.read()
    assert process.returncode == 2
    assert re.findall("The descriptor (.*)", stderr) == [
        "3 that was passed can't be used: it is not a stream socket.",
        "5 that was passed can't be used: it does not listen.",
    ]


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd is not installed")
async def test_socket_activation(tmp_path: Path) -> None:
    """As systemd does it: the first connection starts the exporter, and is answered."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = ListenAddress("127.0.0.1", free.getsockname()[1])
    words = ["systemd-socket-activate", f"--listen={address}", "-E", "PATH", sys.executable, "-m", "exporter"]
    process = await asyncio.create_subprocess_exec(*words, *command(tmp_path), stderr=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stderr is not None
    try:
        assert b"Listening on" in await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
        assert (await fetch(address)).endswith(b"The exporter is ready.\n")
    finally:
        process.terminate()
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    assert b"serving metrics" in await process.stderr.read()


OUT_OF_FILES = """
import asyncio, os, resource, sys
from exporter import log
from exporter.config import ListenAddress
from exporter.web.limits import Limits
from exporter.web.server import build_app, serve
from tests.web.serving import small

async def main():
    log.configure("info", "json", sys.stdout)
    server = await serve(build_app(small), [ListenAddress("127.0.0.1", 0)])
    loop = asyncio.get_running_loop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    files = []
    while True:
        try:
            files.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            break
    accepts, before = 0, server._listener._accept
    def counted(listening):
        nonlocal accepts
        accepts += 1
        before(listening)
    server._listener._accept = counted
    for each in server._listener._sockets.sockets:
        server._listener._listen(each)
    print(server.addresses[0].port, flush=True)
    await asyncio.sleep(1)
    print(accepts, flush=True)
    for each in files:
        os.close(each)
    await loop.run_in_executor(None, sys.stdin.readline)
    await server.close()

asyncio.run(main())
"""


FEW_FILES = """
import asyncio, resource, sys
from exporter.web.limits import Limits
from exporter.web.server import build_app, serve
from exporter import log
from tests.web.serving import LOCAL, small

async def main():
    log.configure("info", "json", sys.stdout)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    server = await serve(build_app(small), [LOCAL], limits=Limits(300, 300, 300, 300))
    print(server.addresses[0].port, flush=True)
    files = [open("/dev/null") for _ in range(20)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await server.close()

asyncio.run(main())
"""


async def test_flood_of_connections_with_few_file_descriptors() -> None:
    """Old connections are closed for new ones without a pause, and nothing is logged: there are files for all."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FEW_FILES, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    address = ListenAddress("127.0.0.1", int(await process.stdout.readline()))
    streams = [await connect(address) for _ in range(500)]
    assert (await fetch(address)).endswith(b"The exporter is ready.\n")
    process.stdin.write(b"\n")
    assert (await process.stdout.read(), await process.wait()) == (b"", 0)
    for stream in streams:
        stream[1].transport.abort()


async def test_no_more_file_descriptors() -> None:
    """The server tries again ten times in a second, logs it once, and accepts as soon as it can."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OUT_OF_FILES, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    fetched = asyncio.create_task(fetch(ListenAddress("127.0.0.1", port)))
    logged = json.loads(await process.stdout.readline())
    assert (logged["event"], logged["reason"]) == ("a connection can't be accepted", "Too many open files")
    assert 2 <= int(await process.stdout.readline()) <= 12
    assert (await fetched).endswith(b"The exporter is ready.\n")
    process.stdin.write(b"\n")
    assert (await process.stdout.read(), await process.wait()) == (b"", 0)
