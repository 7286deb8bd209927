"""Reads all payments of a node, from the first to the newest, at a pace that lnd hardly notices."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from exporter.follow import Account
from exporter.follow.backoff import Backoff
from exporter.follow.calls import Calls
from exporter.lnd.client import Client, LndError, PaymentsPage
from exporter.payments.labels import NodeState
from exporter.payments.node import CatchUpProgress, Info
from exporter.payments.payment import NS_PER_S, Moment
from exporter.progress import ProgressDisplay

INFO_S = 150.0
"""Seconds to wait for `GetInfo`, which takes two minutes on some nodes."""
GIVE_UP_S = 300.0
"""Seconds for which lnd is asked again for the same page before reading is given up."""
LONGEST_DELAY_S = 10.0
"""The longest delay before the connection is opened again, seconds."""


class HistoryReader:
    """Reads the pages of one node. Between two pages lnd rests as long as the last one took it, or longer."""

    def __init__(
        self, name: str, client: Client, now: Callable[[], Moment], display: ProgressDisplay | None = None
    ) -> None:
        """Read by `client`, which isn't connected yet; `now` reads both clocks, `display` shows the progress."""
        self.name = name
        self.client = client
        self.calls = Calls(client, Account(name, now, 0))
        self.lnd_s = 0.0
        """Seconds spent waiting for pages."""
        self.payments = 0
        """Payments read."""
        self._now = now
        self._display = display

    async def connect(self) -> Info:
        """Connect, and return what lnd says of itself; its key tells which payments are rebalances.

        Raises `LndError`.
        """
        await self.client.connect()
        info = await self.client.info(INFO_S)
        self.client.own_key = info.pubkey
        return info

    async def pages(self, after: int = 0) -> AsyncGenerator[PaymentsPage, None]:
        """Yield the pages of all payments above an index, ascending, none of them empty; the connection must be open.

        A lost connection is opened again for up to `GIVE_UP_S`, then `LndError` is raised.
        """
        first, last = after, (await self._page(newest_first=True, limit=1)).last_index
        while True:
            asked_s = self._now_s()
            page = await self._page(after=after)
            answered_s = self._now_s()
            self.lnd_s += answered_s - asked_s
            if page.payments:
                after = page.payments[-1].payment_index
                self.payments += len(page.payments)
                if self._display is not None:
                    self._display.show({self.name: CatchUpProgress(first, after, max(after, last), self.payments)})
                yield page
            if page.is_last:
                return
            await asyncio.sleep(max(0.0, 2 * answered_s - asked_s - self._now_s()))

    async def _page(self, *, after: int = 0, newest_first: bool = False, limit: int | None = None) -> PaymentsPage:
        backoff, since_s = Backoff(max_s=LONGEST_DELAY_S), self._now_s()
        while True:
            try:
                return await self.calls.list_payments(after=after, newest_first=newest_first, limit=limit)
            except LndError as error:
                lost = error
            while True:
                if lost.state is NodeState.DENIED or self._now_s() - since_s > GIVE_UP_S:
                    raise lost
                await asyncio.sleep(backoff.delay_s(0, 0))
                try:
                    await self.client.connect()
                    break
                except LndError as error:
                    lost = error

    def _now_s(self) -> float:
        return self._now().mono_ns / NS_PER_S
