"""Child processes of the tests, free ports for them, and polling until an event."""

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.patience import PATIENCE_S

POLL_S = 0.05
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_given: set[int] = set()


class NotReady(Exception):
    """An event did not happen in time, or a program ended unexpectedly."""


_PORTS = range(20_000, 32_000)
"""Outside the kernel's range of ephemeral ports."""


def _worker() -> tuple[int, int]:
    """Return the number of this worker of pytest-xdist and the number of workers; (0, 1) without pytest-xdist."""
    name, count = os.environ.get("PYTEST_XDIST_WORKER", ""), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    return int(name.removeprefix("gw") or 0), int(count)


def free_port() -> int:
    """Return a port that is free, and stays so while its owner restarts: each worker has its own ports."""
    number, workers = _worker()
    while True:
        port = random.choice(_PORTS[number::workers])
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


async def until(event: str, happened: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_S) -> None:
    """Poll until an event has happened. Raises `NotReady` with its description after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await happened():
        if asyncio.get_running_loop().time() > deadline:
            raise NotReady(f"did not happen within {seconds:.0f} s: {event}")
        await asyncio.sleep(POLL_S)


def _die_with_parent() -> None:
    """Make the kernel kill this child process when its parent ends, even if the test run is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One child process, whose output goes to a file. It has its own session, so Ctrl-C reaches the tests only."""

    def __init__(self, name: str, command: list[str], home: Path) -> None:
        """Prepare. `home` becomes its HOME, so that it reads no configuration of this machine, and has its log."""
        self.name = name
        self.log = home / f"{name}.log"
        self._command = command
        self._home = home
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *extra: str) -> None:
        """Start it, with further arguments."""
        assert not self.running, f"{self.name} is running"
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *extra,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self._home)},
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def check(self) -> None:
        """Raise `NotReady` with the last lines of its log if it has ended."""
        if not self.running:
            last = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
            raise NotReady(f"{self.name} has ended:\n" + "\n".join(last))

    async def stop(self, seconds: float = 30) -> None:
        """Stop it with SIGTERM; kill it if it doesn't end in time."""
        if self._process is None or not self.running:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            await self.kill()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill it with -9."""
        if self._process is not None and self.running:
            self._process.kill()
            await self._process.wait()


async def run(command: list[str], home: Path) -> str:
    """Run a command and return its output. Raises `NotReady` with its stderr if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(home)},
    )
    out, err = await process.communicate()
    if process.returncode:
        raise NotReady(f"{Path(command[0]).name} failed: {err.decode(errors='replace').strip()}")
    return out.decode()
