"""What is found on this machine: the state file and its place, ports that are free, taken, or the exporter's own."""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.config import StorageConfig, load
from exporter.doctor import here
from exporter.doctor.finding import Area, Finding, Verdict
from exporter.healthcheck import check_ready
from exporter.simulator.server import SimulatedNode
from exporter.store import place
from tests.doctor.checked import Checked, check, flags_of
from tests.network.process import free_port, until

MEMORY = "--storage.memory"
MEMORY_ONLY = "ok state file none is kept: counters begin at zero at each start"
USED = "127.0.0.1:PORT is in use by another program (or another exporter)"
STOP = "stop that one (`ss -ltnp` shows which), or listen elsewhere: --web.listen-address=127.0.0.1:PORT"
MOVE = "keep it on a disk: --storage.path=FILE, in a container on a volume"


async def local(capsys: pytest.CaptureFixture[str], node: SimulatedNode, *flags: str) -> Checked:
    """Return the exit code and the lines about this machine."""
    found = await check(capsys, *flags_of(node), *flags)
    return Checked(found.code, found.lines[1 : found.lines.index("lnd: 127.0.0.1:PORT (grpc)")])


REMOTE = (
    "DIR/state.sqlite is on a file system of type nfs4, which other machines may use, too: only its locks keep a second"
    " exporter out, and a lock may be lost with the connection. A local disk is better"
)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that lets the kernel say that all files are on a file system of this type."""

    def mounted(kind: str) -> None:
        mounts = tmp_path / "mountinfo"
        mounts.write_text(f"1 0 8:1 / / rw - {kind} /dev/sda rw\n")
        monkeypatch.setattr(place, "MOUNTS", mounts)

    return mounted


WARNINGS = {
    "ext4": [],
    "tmpfs": [f"on tmpfs: it is in memory: a restart of the machine, or of the container, deletes it -> {MOVE}"],
    "overlay": [f"on overlay: in a container that is its own layer, which is deleted with the container -> {MOVE}"],
    "nfs4": [
        REMOTE,
        (
            "DIR/state.sqlite is kept without SQLite's write-ahead log, for which the file system lacks shared memory:"
            " each write takes longer, and waits for programs that read the file. A local disk is better"
        ),
    ],
}


@pytest.mark.parametrize("kind", WARNINGS)
async def test_file_system(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], on: Callable[[str], None], kind: str
) -> None:
    """Its type is named; a warning if what is kept there may get lost."""
    on(kind)
    async with SimulatedNode(tmp_path) as node:
        flags = (f"--storage.path={tmp_path}/state.sqlite", "--web.listen-address=127.0.0.1:0")
        found = await check(capsys, *flags_of(node), *flags, names={str(tmp_path): "DIR"})
    free, *lines = found.lines[1 : found.lines.index("ok port 127.0.0.1:0 is free")]
    assert free.startswith(f"ok state file DIR/state.sqlite can be written, on {kind}, ")
    assert free.endswith(" GiB free")
    assert (found.code, lines) == (0, [f"warning state file {warning}" for warning in WARNINGS[kind]])
    assert not (tmp_path / "state.sqlite").exists()


def test_state_that_cannot_be_kept(tmp_path: Path) -> None:
    """The problem and the advice of the check without --connect."""
    (tmp_path / "state.sqlite").write_bytes(b"somebody's diary")
    expected = Finding(
        Area.STATE_FILE,
        Verdict.PROBLEM,
        f"{tmp_path}/state.sqlite is not the state of an exporter",
        "name a file of its own: --storage.path=OTHER",
    )
    assert list(here.state_file(StorageConfig(tmp_path / "state.sqlite"))) == [expected]


async def test_state_that_cannot_be_kept_is_a_wrong_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of the check without --connect; lnd is asked all the same."""
    async with SimulatedNode(tmp_path) as node:
        found = await check(
            capsys, *flags_of(node), f"--storage.path={node.tls_cert}", "--web.listen-address=127.0.0.1:0"
        )
    assert (found.code, found.lines[-1]) == (2, "1 problem, no warnings.")
    assert "ok wallet unlocked: lnd accepts calls" in found.lines


async def test_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Free; taken by something; a Unix socket in no directory. A free one is left as it was."""
    async with SimulatedNode(tmp_path) as node:
        port = free_port()
        found = await local(capsys, node, MEMORY, f"--web.listen-address=127.0.0.1:{port}")
        assert found == Checked(0, [MEMORY_ONLY, "ok port 127.0.0.1:PORT is free"])
        with socket.create_server(("127.0.0.1", port)) as taken:
            taken.listen()
            found = await local(capsys, node, MEMORY, f"--web.listen-address=127.0.0.1:{port}")
        assert found == Checked(1, [MEMORY_ONLY, f"problem port {USED} -> {STOP}"])
        found = await check(capsys, *flags_of(node), MEMORY, f"--web.listen-address=unix:{tmp_path}/none/s")
        assert found.lines[2].startswith("problem port")
        assert "can't be created: its directory does not exist -> create" in found.lines[2]


@asynccontextmanager
async def exporter(*flags: str) -> AsyncIterator[None]:
    """Run an exporter in a process of its own; it listens when the block begins."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "exporter", *flags, stderr=DEVNULL)

    async def ready() -> bool:
        return not await asyncio.to_thread(check_ready, load(flags, {}, "check").web)

    try:
        await until("the exporter listens", ready)
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.slow
async def test_the_exporter_itself_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its port is not called taken, as its lock on the state file and its answer show; without a file it may be."""
    async with SimulatedNode(tmp_path) as node:
        own = f"--web.listen-address=127.0.0.1:{free_port()}"
        files = [f"--storage.path={tmp_path}/{name}.sqlite" for name in ("state", "other")]
        async with exporter(*flags_of(node), own, files[0]):
            found = await local(capsys, node, own, files[0])
            assert found.code == 0
            assert found.lines[0].endswith(" GiB free, an exporter is running with it")
            here = "ok port the exporter that is running with this state file answers on 127.0.0.1:PORT"
            assert found.lines[-1] == here
            found = await local(capsys, node, own, files[1])
            assert (found.code, found.lines[-1]) == (1, f"problem port {USED} -> {STOP}")
            found = await local(capsys, node, own, MEMORY)
            unsure = f"warning port {USED}, which answers as an exporter does -> if it isn't this exporter: {STOP}"
            assert found == Checked(0, [MEMORY_ONLY, unsure])
