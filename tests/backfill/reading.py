"""Reads the history of a chaotic node in virtual time, and notes on which side of the seam each payment was put."""

import asyncio
from pathlib import Path

from exporter.backfill.border import Border, Side
from exporter.backfill.reader import HistoryReader
from exporter.backfill.seam import Seam, read_seam
from exporter.lnd.client import LndError
from exporter.payments.payment import Payment, Run
from tests.follow.chaos import ChaoticNode
from tests.follow.exporter import CALM_S, FIRST, Exporter

PAUSES_S = (0.0, 0.0, 0.5, 20.0)
"""How long reading may rest between two pages."""


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
        """Read everything. Raises `SeamError`."""
        reader = HistoryReader("lnd", self._node, self._node.clocks)
        seam = self.look()
        assert seam is not None
        border = Border(seam, self.look, self._node.clocks)
        async for page in reader.pages():
            for payment in page.payments:
                if border.side(payment) is Side.HISTORY:
                    self.history.append(payment.run)
            await asyncio.sleep(self._node.random.choice(PAUSES_S))
        self.history += [payment.run for payment in await border.settle(self.fetch)]

    def look(self) -> Seam | None:
        """Read the state file."""
        return read_seam(self._path, FIRST.name, self._node.clocks().wall_ns)

    async def fetch(self, payment_hash: str) -> Payment | None:
        """Ask the node until it answers."""
        while True:
            try:
                payment = await self._node.payment(payment_hash)
            except LndError:
                await asyncio.sleep(1)
            else:
                if payment is not None and not payment.status.ended:
                    self.nobodys.add(payment.run)
                return payment


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
