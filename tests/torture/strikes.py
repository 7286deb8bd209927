"""What can strike: the exporter's process, its files, its clock, lnd, its database, the line between them."""

import asyncio
import resource
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from random import Random

import grpc

from exporter.config import NodeConfig
from exporter.payments.labels import Method
from exporter.payments.payment import Run
from exporter.simulator.record import Record
from exporter.simulator.server import SimulatedNode
from exporter.simulator.tower import End
from tests.stories.page import Page, total
from tests.stories.process import Exporter

PAUSES_S = (0.0, 0.05, 0.5, 2.0)
OFTEN = 4
"""So many times as often as anything else the exporter is killed."""
FAILURES = "exporter_checkpoint_failures_total"
DISK_FULL_S = 2.0
FAILED_ONLY = 0.8
"""Of all deletions."""

Blow = Callable[[], Awaitable[None]]
Look = Callable[[], Awaitable[Page]]


class Strikes:
    """Blows at an exporter and at the simulated node that it follows, in an order that a seed decides."""

    def __init__(
        self, node: SimulatedNode, exporter: Exporter, ways: Iterator[NodeConfig], random: Random, look: Look
    ) -> None:
        """Both are up; each start asks the node in the next of `ways`; `look` waits for a page that is on disk."""
        self._node = node
        self._exporter = exporter
        self._ways = ways
        self._random = random
        self._look = look
        self.up = asyncio.Event()
        """Set while the exporter serves."""
        self.up.set()
        self.noticed = 0
        """How often the exporter noticed that the disk was full: where nothing happens nothing is written."""
        self.deleted: dict[Run, Record] = {}
        """What was deleted from lnd's database, as it was then."""
        self._blows: dict[str, Blow] = {
            "exporter killed": self._kill,
            "exporter stopped": self._stop,
            "exporter stalled": self._stall,
            "power cut": self._cut_power,
            "disk full": self._fill_disk,
            "state file removed": self._remove_state,
            "clock stepped": self._step_clock,
            "stream ended": self._end,
            "stream cut at a message": self._cut,
            "lnd restarted": node.restart,
            "lnd killed": self._kill_lnd,
            "lnd locked": self._lock,
            "page failed half-way": self._fail_page,
            "scan slow": self._slow_scan,
            "payments deleted": self._delete,
            "payments deleted in a gap": self._delete_in_a_gap,
            "payments numbered anew": self._migrate,
        }

    async def strike(self) -> str:
        """One of them; its name."""
        name = self._random.choice([*self._blows, *["exporter killed"] * (OFTEN - 1)])
        await self._pause()
        await self._blows[name]()
        return name

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.choice(PAUSES_S))

    # The exporter.

    async def _start(self) -> None:
        self._exporter.ask([next(self._ways)])
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
        """What is on disk at one instant is all that is left."""
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
        """No file may grow; in the end there is room again, and what was shown meanwhile is written."""
        failures = total(await self._look(), "", FAILURES)
        before = resource.prlimit(self._exporter.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._exporter.pid, resource.RLIMIT_FSIZE, (0, before[1]))
        await asyncio.sleep(DISK_FULL_S)
        resource.prlimit(self._exporter.pid, resource.RLIMIT_FSIZE, before)
        self.noticed += total(await self._look(), "", FAILURES) > failures

    async def _remove_state(self) -> None:
        """Somebody clears up; the exporter writes it anew."""
        for path in self._exporter.state.parent.glob(f"{self._exporter.state.name}*"):
            if path.suffix != ".lock":
                path.unlink()
        await self._look()

    async def _step_clock(self) -> None:
        """An hour ahead, an hour behind; whoever starts again has the right time."""
        self._exporter.signal(self._random.choice((signal.SIGUSR1, signal.SIGUSR2)))

    # The line.

    async def _end(self) -> None:
        self._node.end_streams(End())

    async def _cut(self) -> None:
        self._node.faults.cut(Method.TRACK_PAYMENTS, after=self._random.randrange(30))
        self._node.end_streams(End(grpc.StatusCode.UNAVAILABLE, "Socket closed"))

    async def _fail_page(self) -> None:
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
        """`deletepayments --all`, or more often only those that failed."""
        deleted = self._node.database.delete_all(failed_only=self._random.random() < FAILED_ONLY)
        self.deleted |= {record.run: record for record in deleted}

    async def _delete_in_a_gap(self) -> None:
        self.up.clear()
        await self._exporter.kill()
        await self._pause()
        await self._delete()
        await self._start()

    async def _migrate(self) -> None:
        """While the node is down its database gets new indexes."""
        await self._node.kill()
        await self._pause()
        self._node.database.migrate()
        await self._node.start()
