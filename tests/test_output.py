"""Commands whose stdout or stderr is a broken pipe, a full disk or closed: exit codes, and no traceback."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from exporter.config.usage import usage
from tests.network.process import free_port
from tests.patience import PATIENCE_S
from tests.store.test_handover import node
from tests.store.test_store import write_state
from tests.test_main import PROGRAM, ROOT, a_node

pytestmark = pytest.mark.slow

FULL = "lnd-payments-exporter: standard output can't be written (No space left on device)\n"
SERVING = re.compile(r'"address": "(?P<address>[^"]+)"')


class Place(NamedTuple):
    """The result of a command whose stdout is one of the places."""

    code: int
    """Exit code of a command that succeeds otherwise."""
    stderr: str
    """Its stderr."""


PLACES = {
    "a broken pipe": Place(128 + signal.SIGPIPE, ""),
    "a full disk": Place(1, FULL),
    "closed": Place(0, ""),
}


FULL_PIPE = "a full, non-blocking pipe"
"""As another program that shares the pipe may leave it. For stderr only: a write to stdout waits."""


@contextmanager
def opened(place: str) -> Iterator[int]:
    """Yield a descriptor of this place."""
    if place == "a full disk":
        number = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, number = os.pipe()
        if place == FULL_PIPE:  # open for reading, too, so that it doesn't break
            os.dup2(os.open(f"/proc/self/fd/{reader}", os.O_RDWR | os.O_NONBLOCK), number)
            with suppress(BlockingIOError):
                while True:
                    os.write(number, bytes(4096))
        os.close(reader)
    yield number
    os.close(number)


def start(args: list[str], place: str, *, stream: int) -> subprocess.Popen[str]:
    """Start a command whose stdout (1) or stderr (2) is this place; the other one is piped to the test."""
    close: Callable[[], None] | None = (lambda: os.close(stream)) if place == "closed" else None
    with opened(place) as descriptor:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, {1: "stdout", 2: "stderr"}[stream]: descriptor}
        return subprocess.Popen([*PROGRAM, *args], text=True, cwd=ROOT, preexec_fn=close, **streams)  # type: ignore[call-overload,no-any-return]  # noqa: PLW1509


@pytest.fixture
def ready() -> Iterator[str]:
    """Serve 200 to every request and yield the address."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "check", "open", "open --json", "run --storage.reset=x", "healthcheck"],
)
def test_command_with_unwritable_stdout_ends_in_one_line(tmp_path: Path, ready: str, command: str, place: str) -> None:
    """Exit code 141 for a broken pipe, as after SIGPIPE; 1 and one line for a full disk; 0 if stdout was closed."""
    write_state(tmp_path / "state", {"x": node()})
    name, *flags = command.split()
    if name in ("check", "open", "run"):
        flags.append(f"--storage.path={tmp_path / 'state'}")
    if name == "check":
        flags += a_node(tmp_path)
    if name == "healthcheck":
        flags.append(f"--web.listen-address={ready}")
    with start([name, *flags], place, stream=1) as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stderr) == PLACES[place]


def test_slow_reader_of_a_non_blocking_pipe_gets_everything() -> None:
    """A write to a full pipe waits."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with subprocess.Popen([*PROGRAM, "--help"], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT) as process:
        os.close(writer)
        output = b""
        while part := os.read(reader, 100):
            output += part
        os.close(reader)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert output.decode() == usage()


@pytest.mark.parametrize("place", [*PLACES, FULL_PIPE])
@pytest.mark.parametrize(
    ("command", "code"),
    [("chekc", 2), ("check", 2), ("track", 2), ("open --json=maybe", 2), ("healthcheck", 1)],
)
def test_unwritable_stderr_keeps_the_exit_code(command: str, code: int, place: str) -> None:
    """An error still has its exit code, and nothing goes to stdout."""
    name, *flags = command.split()
    with start([name, *flags, f"--web.listen-address=127.0.0.1:{free_port()}"], place, stream=2) as process:
        stdout, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout) == (code, "")


@pytest.mark.parametrize("place", [place for place in PLACES if place != "closed"])
def test_demo_with_unwritable_stdout_ends_without_an_error_in_the_log(place: str) -> None:
    """It ends, and the log has no warning or error."""
    with start(["demo", "--web.listen-address=127.0.0.1:0", "--log.format=json"], place, stream=1) as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)
    *events, last = stderr.splitlines(keepends=True) if place == "a full disk" else [*stderr.splitlines(), ""]
    assert (process.returncode, last) == PLACES[place]
    assert [json.loads(event)["event"] for event in events if json.loads(event)["level"] != "info"] == []


@pytest.mark.parametrize("place", [*PLACES, FULL_PIPE])
def test_exporter_goes_on_if_its_log_is_unwritable(place: str) -> None:
    """It goes on, and ends with exit code 0 on SIGTERM."""
    address = f"127.0.0.1:{free_port()}"
    with start(["demo", f"--web.listen-address={address}", "--log.format=json"], place, stream=2) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "Ctrl-C ends it." in line:
                    break
            command = [*PROGRAM, "healthcheck", f"--web.listen-address={address}"]
            for _ in range(2):
                done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
                assert (done.returncode, done.stdout) == (0, "ready\n")
        finally:
            process.terminate()
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0


CLOSED = """
import os, sys
for number in range(3):
    os.close(number)
os.execv(sys.executable, [sys.executable, "-m", "exporter", *sys.argv[1:]])
"""


def test_closed_streams_change_no_exit_code(tmp_path: Path) -> None:
    """No file gets one of their descriptors, which C libraries write to; the exit code is as usual."""
    write_state(tmp_path / "state", {"lnd": node()})
    flags = ["run", f"--storage.path={tmp_path / 'state'}", "--storage.reset=lnd"]
    for code, args in ((0, ["open", flags[1]]), (0, flags), (2, ["check"]), (0, ["--help"])):
        done = subprocess.run([sys.executable, "-c", CLOSED, *args], capture_output=True, check=False, cwd=ROOT)
        assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_broken_pipe_of_a_connection_is_not_one_of_stdout() -> None:
    """Unhandled, it is a bug and prints a traceback."""
    code = """if True:
        import sys
        from exporter import __main__ as command

        def broken(_):
            raise BrokenPipeError(32, "Broken pipe")

        command.DO["healthcheck"] = broken
        sys.exit(command.main(["healthcheck"]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.endswith("BrokenPipeError: [Errno 32] Broken pipe\n")
