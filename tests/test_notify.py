"""The exporter tells systemd when it serves its pages, as `Type=notify` asks; systemd's end is a real socket."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parent.parent


def start(home: Path, address: str, *flags: str) -> subprocess.Popen[str]:
    """Start an exporter as a service whose manager listens at the address."""
    macaroon = home / "payments.macaroon"
    macaroon.write_bytes(b"\x02\x01\x03lnd" + bytes(100))
    node = ["--lnd.address=127.0.0.1:1", "--lnd.tls-cert=system", f"--lnd.macaroon={macaroon}", "--storage.memory"]
    web = ["--web.listen-address=127.0.0.1:0", "--log.format=json"]
    words = [sys.executable, "-m", "exporter", *node, *web, *flags]
    environ = {**os.environ, "NOTIFY_SOCKET": address}
    return subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_ready_when_it_serves(tmp_path: Path, *, abstract: bool) -> None:
    """One message, when the pages can be read; a name without a file begins with `@` in the variable."""
    address = f"@{tmp_path.name}-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0", 1) if abstract else address)
        manager.settimeout(PATIENCE_S)
        with start(tmp_path, address) as process:
            assert manager.recv(100) == b"READY=1"
            assert process.stderr is not None
            serving = json.loads(process.stderr.readline())
            with urllib.request.urlopen(f"http://{serving['address']}/-/ready", timeout=PATIENCE_S) as answer:
                assert answer.read() == b"The exporter is ready.\n"
            process.terminate()
            process.stderr.read()
        assert process.returncode == 0
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def test_not_ready_with_a_wrong_configuration(tmp_path: Path) -> None:
    """systemd hears nothing, and sees the exit code."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        with start(tmp_path, str(tmp_path / "notify"), "--log.level=loud") as process:
            process.communicate()
        assert process.returncode == 2
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


def ended_without_being_ready(home: Path) -> tuple[str, str]:
    """Start an exporter whose manager is at `home / "notify"`, and stop it when it serves; return what it logs."""
    with start(home, str(home / "notify")) as process:
        assert process.stderr is not None
        serving, error = (json.loads(process.stderr.readline()) for _ in range(2))
        process.terminate()
        process.stderr.read()
    assert (serving["event"], process.returncode) == ("serving metrics", 0)
    assert (error["level"], error["socket"]) == ("error", str(home / "notify"))
    return error["event"], error["error"]


def test_nobody_listens(tmp_path: Path) -> None:
    """The log says so, and the exporter works all the same."""
    what = "systemd could not be told that the exporter is ready"
    assert ended_without_being_ready(tmp_path) == (what, "No such file or directory")


def test_nobody_reads(tmp_path: Path) -> None:
    """A manager whose queue is full is waited for, but not for ever."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other, suppress(BlockingIOError):
            other.setblocking(False)
            while True:
                other.sendto(b"STATUS=busy", path)
        what = "systemd could not be told that the exporter is ready"
        assert ended_without_being_ready(tmp_path) == (what, "timed out")
