"""Standard output and error that lead to nobody, to a full disk, or nowhere: no command shows a traceback for that."""

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
from exporter.store import Store
from tests.network.process import free_port
from tests.patience import PATIENCE_S
from tests.test_main import PROGRAM, ROOT, a_node

pytestmark = pytest.mark.slow

FULL = "lnd-payments-exporter: standard output can't be written (No space left on device)\n"
SERVING = re.compile(r'"address": "(?P<address>[^"]+)"')


class Place(NamedTuple):
    """Where a stream leads."""

    code: int
    """Of a command that has something to say there."""
    stderr: str
    """What it says of that."""


PLACES = {
    "a pipe that nobody reads": Place(128 + signal.SIGPIPE, ""),
    "a full disk": Place(1, FULL),
    "nowhere": Place(0, ""),
}


FILLED = "a pipe that is full and doesn't block"
"""As another program leaves it that shares the terminal or the pipe: only for stderr, stdout waits."""


@contextmanager
def leading(place: str) -> Iterator[int]:
    """A descriptor that leads there."""
    if place == "a full disk":
        number = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, number = os.pipe()
        if place == FILLED:  # whoever writes there has it open to read, too: it doesn't break
            os.dup2(os.open(f"/proc/self/fd/{reader}", os.O_RDWR | os.O_NONBLOCK), number)
            with suppress(BlockingIOError):
                while True:
                    os.write(number, bytes(4096))
        os.close(reader)
    yield number
    os.close(number)


def start(words: list[str], place: str, *, stream: int) -> subprocess.Popen[str]:
    """Start a command whose stdout (1) or stderr (2) leads there; the other one can be read."""
    closed: Callable[[], None] | None = (lambda: os.close(stream)) if place == "nowhere" else None
    with leading(place) as there:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, {1: "stdout", 2: "stderr"}[stream]: there}
        return subprocess.Popen([*PROGRAM, *words], text=True, cwd=ROOT, preexec_fn=closed, **streams)  # type: ignore[call-overload,no-any-return]  # noqa: PLW1509


@pytest.fixture
def ready() -> Iterator[str]:
    """The address of something that says it is ready."""

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

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
def test_a_command_that_cannot_say_what_it_has_to_say(tmp_path: Path, ready: str, command: str, place: str) -> None:
    """Exit code 141 as of a program that SIGPIPE ends, or 1 and one line; 0 if nobody wanted to hear it."""
    Store(tmp_path / "state").close()
    name, *flags = command.split()
    if name in ("check", "open", "run"):
        flags.append(f"--storage.path={tmp_path / 'state'}")
    if name in ("check", "run"):
        flags += a_node(tmp_path)
    if name == "healthcheck":
        flags.append(f"--web.listen-address={ready}")
    with start([name, *flags], place, stream=1) as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stderr) == PLACES[place]


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    """Who reads slowly gets all."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with subprocess.Popen([*PROGRAM, "--help"], stdout=writer, stderr=subprocess.PIPE, cwd=ROOT) as process:
        os.close(writer)
        said = b""
        while part := os.read(reader, 100):
            said += part
        os.close(reader)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert said.decode() == usage()


@pytest.mark.parametrize("place", [*PLACES, FILLED])
@pytest.mark.parametrize(
    ("command", "code"),
    [("chekc", 2), ("check", 2), ("track", 2), ("open --json=maybe", 2), ("healthcheck", 1)],
)
def test_an_error_that_nobody_hears(command: str, code: int, place: str) -> None:
    """The exit code says it all the same."""
    name, *flags = command.split()
    with start([name, *flags, f"--web.listen-address=127.0.0.1:{free_port()}"], place, stream=2) as process:
        stdout, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout) == (code, "")


@pytest.mark.parametrize("place", [place for place in PLACES if place != "nowhere"])
def test_a_demo_that_cannot_greet(place: str) -> None:
    """It ends, and the log says no more than that."""
    with start(["demo", "--web.listen-address=127.0.0.1:0", "--log.format=json"], place, stream=1) as process:
        _, stderr = process.communicate(timeout=PATIENCE_S)
    *events, last = stderr.splitlines(keepends=True) if place == "a full disk" else [*stderr.splitlines(), ""]
    assert (process.returncode, last) == PLACES[place]
    assert [json.loads(event)["event"] for event in events if json.loads(event)["level"] != "info"] == []


@pytest.mark.parametrize("place", [*PLACES, FILLED])
def test_an_exporter_whose_log_is_gone(place: str) -> None:
    """It goes on, and ends well when it is told to: nobody who counts payments may stop for a log."""
    address = f"127.0.0.1:{free_port()}"
    with start(["demo", f"--web.listen-address={address}", "--log.format=json"], place, stream=2) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "Ctrl-C ends it." in line:
                    break
            asked = [*PROGRAM, "healthcheck", f"--web.listen-address={address}"]
            for _ in range(2):
                done = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
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


def test_all_streams_are_closed(tmp_path: Path) -> None:
    """No file of ours gets one of their numbers, which others write to; the exit code is as ever."""
    flags = ["run", *a_node(tmp_path), f"--storage.path={tmp_path / 'state'}", "--storage.reset=lnd"]
    for code, words in ((0, flags), (2, ["check"]), (0, ["--help"]), (0, ["open", flags[-2]])):
        done = subprocess.run([sys.executable, "-c", CLOSED, *words], capture_output=True, check=False, cwd=ROOT)
        assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_an_error_of_somebody_else_is_none_of_stdout() -> None:
    """A connection that breaks is no pipe that nobody reads: as a bug it is logged, with its traceback."""
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
