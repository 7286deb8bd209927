"""A payment on a real lnd, as its caller and its recipient see it."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiohttp

from tests.network.node import Json, Node, Refused
from tests.network.process import until
from tests.patience import PATIENCE_S
from tests.stories.lab import Listed

if TYPE_CHECKING:
    from tests.stories.real import RealLab

MARGIN_S = 1
"""Seconds after its own timeout at which a payment is certainly overdue."""
STABLE_S = 0.3
"""Seconds without a change after which a terminal payment is final: lnd may overwrite its reason for up to 23 ms."""


class RealSending:
    """A payment that was sent: a task reads the caller's stream until lnd ends it or `close` does."""

    def __init__(self, lab: "RealLab", body: Json, recipient: Node) -> None:
        """Send a payment, with the body of `SendPaymentV2`; needs a running loop."""
        loop = asyncio.get_running_loop()
        self.payment_hash = ""
        self._lab = lab
        self._recipient = recipient
        self._overdue_at = loop.time() + body["timeout_seconds"] + MARGIN_S
        self._accepted = loop.create_future()
        self._stream = loop.create_task(self._read(body))

    async def accepted(self) -> None:
        """Wait for lnd's first update: from then on the payment is in its database."""
        self.payment_hash = await self._accepted

    async def held(self, parts: int = 1) -> None:
        """See `Sending`. The state of the recipient's invoice shows it."""

        async def held() -> bool:
            invoice = await self._recipient.get(f"/v1/invoice/{self.payment_hash}")
            return [htlc["state"] for htlc in invoice["htlcs"]].count("ACCEPTED") >= parts

        await until(f"{self.payment_hash} is held in {parts} parts", held)

    async def overdue(self) -> None:
        """See `Sending`. lnd sends no update when the timeout passes, so sleep."""
        await asyncio.sleep(self._overdue_at - asyncio.get_running_loop().time())

    async def close(self) -> None:
        """See `Sending`."""
        self._stream.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._stream

    async def ended(self) -> Listed:
        """See `Sending`. Poll until the payment is terminal and hasn't changed for `STABLE_S`."""
        loop = asyncio.get_running_loop()
        last: Listed | None = None
        since = loop.time()

        async def stable() -> bool:
            nonlocal last, since
            try:
                now = await self._lab.listed(self.payment_hash)
            except (aiohttp.ClientError, Refused):
                return False  # down, or starting
            if now != last:
                last, since = now, loop.time()
            return now is not None and now.status.ended and loop.time() - since > STABLE_S

        await until(f"{self.payment_hash} has ended", stable, 5 * PATIENCE_S)
        assert last is not None
        return last

    async def _read(self, body: Json) -> None:
        try:
            async with self._lab.node.stream("POST", "/v2/router/send", body) as updates:
                async for update in updates:
                    if not self._accepted.done():
                        self._accepted.set_result(update["payment_hash"])
        except (aiohttp.ClientError, Refused) as error:
            if not self._accepted.done():
                self._accepted.set_exception(error)  # an error after that only means that the node went down
