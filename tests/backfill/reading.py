"""Reads the history of a chaotic node in virtual time, and notes on which side of the seam each payment was put."""

import asyncio
from pathlib import Path

from exporter.backfill.border import Border
from exporter.backfill.orders import AfterCounting
from exporter.backfill.reader import HistoryReader
from exporter.backfill.seam import Seam, read_seam
from exporter.payments.payment import Run
from tests.follow.chaos import ChaoticNode
from tests.follow.exporter import CALM_S, FIRST, Exporter

PAUSES_S = (0.0, 0.0, 0.5, 20.0)
"""How long reading may rest between two pages."""
BREAK = 0.1
"""How often reading is broken off after a page."""


class Reading:
    """One reading of the history of a node whose state is at `path`."""

    def __init__(self, node: ChaoticNode, path: Path) -> None:
        """Prepare; `run` reads."""
        self._node = node
        self._path = path
        self.history: list[Run] = []
        """The runs that were put into history, in the order in which they were."""
        self.nobodys: set[Run] = set()
        """The runs that were in flight when they were asked for last."""

    async def run(self) -> None:
        """Read everything; some readings are broken off and continued. Raises `SeamError`, `LndError`."""
        before, after = None, 0
        while True:
            reader = HistoryReader("lnd", self._node, self._node.clocks)
            seam = self.look()
            assert seam is not None
            border = Border(seam, self.look, self._node.clocks, before)
            order = AfterCounting(seam, border, reader)
            async for page in reader.pages(after):
                self.history += [each.run for each in page.payments if order.is_history(each)]
                after = page.payments[-1].payment_index
                await asyncio.sleep(self._node.random.choice(PAUSES_S))
                if self._node.random.random() < BREAK:
                    before = order.state()
                    break
            else:
                self.history += [each.run for each in await order.rest(after)]
                self.nobodys = {run for run, each in border._kept.items() if each and not each.status.ended}
                return

    def look(self) -> Seam | None:
        """Read the state file."""
        return read_seam(self._path, FIRST.name, self._node.clocks().wall_ns)


async def end_faults(node: ChaoticNode, faults: list[asyncio.Task[None]]) -> None:
    """End the tasks that cause faults."""
    for task in faults:
        task.cancel()
    if faults:
        await asyncio.wait(faults)
    node.end_faults()


async def calm(exporter: Exporter) -> None:
    """Start the exporter if it was killed last, and wait until it has counted everything."""
    if not exporter.up.is_set():
        await exporter.killed()
        exporter.start()
    await exporter.follows()
    await asyncio.sleep(CALM_S)
