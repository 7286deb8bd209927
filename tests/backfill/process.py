"""Runs the command `backfill` as a process against a fake lnd that has a past."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import NamedTuple

from tests.bench.fake_lnd import FakeLnd

LABELS = "job=lnd-payments,instance=localhost:10019"


class Result(NamedTuple):
    """What a process left."""

    code: int
    output: str
    error: str


class Command:
    """The command with the settings of one node."""

    def __init__(self, lnd: FakeLnd, directory: Path) -> None:
        """`directory` has the state file, and is where relative paths begin."""
        self.directory = directory
        self.state = directory / "state.sqlite"
        self._flags = [
            f"--lnd.address={lnd.address}",
            f"--lnd.tls-cert={lnd.tls_cert}",
            f"--lnd.macaroon={lnd.macaroon}",
        ]

    def words(self, *flags: str) -> list[str]:
        """Return the words of the command line, with further flags."""
        return [sys.executable, "-m", "exporter", "backfill", *self._flags, f"--storage.path={self.state}", *flags]

    async def start(self, *flags: str) -> Process:
        """Start it with further flags."""
        return await asyncio.create_subprocess_exec(*self.words(*flags), stdout=PIPE, stderr=PIPE)

    async def run(self, *flags: str) -> Result:
        """Run it to its end."""
        process = await self.start(f"--labels={LABELS}", *flags)
        output, error = await process.communicate()
        assert process.returncode is not None
        return Result(process.returncode, output.decode(), error.decode())
