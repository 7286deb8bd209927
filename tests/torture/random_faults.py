"""Random faults: of the exporter's process, files and clock, of lnd and its database, of the connection."""

import asyncio
import resource
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from random import Random

import grpc

from exporter.config import NodeConfig
from exporter.payments.labels import Method
from exporter.payments.payment import Run
from exporter.simulator.record import Record
from exporter.simulator.server import SimulatedNode
from exporter.simulator.subscriptions import RpcStatus
from tests.stories.page import Page, total
from tests.stories.process import Exporter

NAME = "alice"
PAUSES_S = (0.0, 0.05, 0.5, 2.0)
KILL_WEIGHT = 4
"""A kill of the exporter is this many times as likely as any other fault."""
FAILURES = "exporter_checkpoint_failures_total"
DISK_FULL_S = 2.0
KILLED_WITHIN_S = 0.3
"""How long after a request for a reload the exporter is killed, at most."""
IMPORTS_KILLED, IMPORT_S = 0.5, 0.5
"""Share of imports that are killed at first, within this time; one takes some tenths of a second."""
FAILED_ONLY = 0.8
"""Share of deletions that delete only failed payments."""

Fault = Callable[[], Awaitable[None]]
GetPage = Callable[[], Awaitable[Page]]


class RandomFaults:
    """Faults of a running exporter and of the simulated node that it follows, in an order given by a seed."""

    def __init__(
        self,
        node: SimulatedNode,
        exporter: Exporter,
        configs: Iterator[NodeConfig],
        random: Random,
        saved_page: GetPage,
    ) -> None:
        """Each start of the exporter takes the next of `configs`; `saved_page` waits for a page that is on disk."""
        self._node = node
        self._exporter = exporter
        self._configs = configs
        self._random = random
        self._saved_page = saved_page
        self._nobody = NodeConfig("nobody", "127.0.0.1:9", node.tls_cert, node.macaroon)
        self.up = asyncio.Event()
        """Set while the exporter serves."""
        self.up.set()
        self.noticed = 0
        """Number of full disks that the exporter noticed: if nothing changes, it doesn't write."""
        self._handed_over = 0  # how often
        self.deleted: dict[Run, Record] = {}
        """Runs deleted from lnd's database, as they were then."""
        self._faults: dict[str, Fault] = {
            "exporter killed": self._kill,
            "exporter stopped": self._stop,
            "exporter stalled": self._stall,
            "power cut": self._cut_power,
            "disk full": self._fill_disk,
            "state file removed": self._remove_state,
            "clock stepped": self._step_clock,
            "node changed by a reload": self._change,
            "node removed and added by reloads": self._remove,
            "exporter killed during a reload": self._kill_during_a_reload,
            "node handed over to another exporter": self._hand_over,
            "stream ended": self._end,
            "stream cut at a message": self._cut,
            "lnd restarted": node.restart,
            "lnd killed": self._kill_lnd,
            "lnd locked": self._lock,
            "list failed at a later page": self._fail_list,
            "scan slow": self._slow_scan,
            "payments deleted": self._delete,
            "payments deleted in a gap": self._delete_in_a_gap,
            "payments renumbered": self._migrate,
        }

    async def inject(self) -> str:
        """Wait a moment, let a random fault happen, and return its name."""
        name = self._random.choice([*self._faults, *["exporter killed"] * (KILL_WEIGHT - 1)])
        await self._pause()
        await self._faults[name]()
        return name

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.choice(PAUSES_S))

    # The exporter.

    async def _start(self) -> None:
        self._exporter.configure([next(self._configs)])
        await self._exporter.start()
        self.up.set()

    async def _kill(self) -> None:
        self.up.clear()
        await self._exporter.kill()
        await self._pause()
        await self._start()

    async def _stop(self) -> None:
        self.up.clear()
        await self._exporter.stop()
        await self._start()

    async def _stall(self) -> None:
        self._exporter.signal(signal.SIGSTOP)
        await asyncio.sleep(self._random.choice((0.3, 1.5, 3.0)))
        self._exporter.signal(signal.SIGCONT)

    async def _cut_power(self) -> None:
        """Kill the exporter, and restore its files as they were on disk at an instant before."""
        self.up.clear()
        self._exporter.signal(signal.SIGSTOP)
        state = self._exporter.state
        copy = state.with_name("copy")
        copy.mkdir()
        for path in state.parent.glob(f"{state.name}*"):
            shutil.copy2(path, copy)
        await self._exporter.kill()
        for path in copy.iterdir():
            (state.parent / path.name).unlink(missing_ok=True)
            path.rename(state.parent / path.name)
        copy.rmdir()
        await self._start()

    async def _fill_disk(self) -> None:
        """Forbid the exporter to grow files for a while; afterwards it must write everything."""
        failures = total(await self._saved_page(), "", FAILURES)
        before = resource.prlimit(self._exporter.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._exporter.pid, resource.RLIMIT_FSIZE, (0, before[1]))
        await asyncio.sleep(DISK_FULL_S)
        resource.prlimit(self._exporter.pid, resource.RLIMIT_FSIZE, before)
        self.noticed += total(await self._saved_page(), "", FAILURES) > failures

    async def _remove_state(self) -> None:
        """Remove the state file but not its lock; the exporter must write it again."""
        for path in self._exporter.state.parent.glob(f"{self._exporter.state.name}*"):
            if path.suffix != ".lock":
                path.unlink()
        await self._saved_page()

    async def _step_clock(self) -> None:
        """Put the exporter's clock an hour ahead or behind, until its next start."""
        self._exporter.signal(self._random.choice((signal.SIGUSR1, signal.SIGUSR2)))

    async def _change(self) -> None:
        self._exporter.configure([next(self._configs)])
        await self._exporter.reload()

    async def _remove(self) -> None:
        """Follow another address, where nobody listens, instead of the node; the node's page ends and begins again."""
        self._exporter.configure([self._nobody])
        await self._exporter.reload()
        await self._pause()
        await self._change()

    async def _kill_during_a_reload(self) -> None:
        """Begin to change or to remove the node, and kill the exporter at some moment of that."""
        self._exporter.configure([self._random.choice((self._nobody, next(self._configs)))])
        self._exporter.signal(signal.SIGHUP)
        await asyncio.sleep(self._random.uniform(0, KILLED_WITHIN_S))
        await self._kill()

    async def _hand_over(self) -> None:
        """End the exporter, and let one with another state file go on; the import is killed at some moment, or not."""
        self.up.clear()
        await self._random.choice((self._exporter.kill, self._exporter.stop))()
        self._handed_over += 1
        old = self._exporter.state
        export, new = (old.with_name(f"{name}-{self._handed_over}") for name in ("export", "state"))
        assert await self._state("export", NAME, str(export), f"--storage.path={old}") == 0
        if self._random.random() < IMPORTS_KILLED:
            await self._state("import", str(export), f"--storage.path={new}", kill=True)
        assert await self._state("import", str(export), f"--storage.path={new}") == 0
        self._exporter.state = new
        await self._start()

    async def _state(self, *arguments: str, kill: bool = False) -> int:
        """Run a command `state`, or kill it after a while; return its exit code."""
        command = (sys.executable, "-m", "exporter", "state", *arguments)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        if kill:
            await asyncio.sleep(self._random.uniform(0, IMPORT_S))
            with suppress(ProcessLookupError):
                process.kill()
        return await process.wait()

    # The connection.

    async def _end(self) -> None:
        self._node.end_streams(RpcStatus())

    async def _cut(self) -> None:
        self._node.faults.cut(Method.TRACK_PAYMENTS, after=self._random.randrange(30))
        self._node.end_streams(RpcStatus(grpc.StatusCode.UNAVAILABLE, "Socket closed"))

    async def _fail_list(self) -> None:
        self._node.faults.refuse(Method.LIST_PAYMENTS, grpc.StatusCode.UNAVAILABLE, "Socket closed", after=2, times=2)
        await self._end()

    async def _slow_scan(self) -> None:
        before_s, after_s = (self._random.choice((0.0, 0.1, 2.0)) for _ in range(2))
        self._node.faults.slow_scan(before_s=before_s, after_s=after_s)
        await self._end()

    # lnd.

    async def _kill_lnd(self) -> None:
        await self._node.kill()
        await self._pause()
        await self._node.start()

    async def _lock(self) -> None:
        await self._node.lock()
        await self._pause()
        await self._node.unlock()

    async def _delete(self) -> None:
        """Delete all finished payments, or more often only the failed ones."""
        deleted = self._node.database.delete_all(failed_only=self._random.random() < FAILED_ONLY)
        self.deleted |= {record.run: record for record in deleted}

    async def _delete_in_a_gap(self) -> None:
        self.up.clear()
        await self._exporter.kill()
        await self._pause()
        await self._delete()
        await self._start()

    async def _migrate(self) -> None:
        """Restart the node with its payments renumbered."""
        await self._node.kill()
        await self._pause()
        self._node.database.migrate()
        await self._node.start()
