"""Watches one payment in lnd until it ends, across lost connections, and collects the aliases of its hops."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from exporter.follow.backoff import Backoff
from exporter.lnd.client import ANSWER_S, DetailedClient, LndError, PaymentNotFound, first_detail
from exporter.payments.detail import PaymentDetail
from exporter.payments.labels import Interruption
from exporter.payments.payment import Moment, Payment

ALIASES_WAIT_S = 3.0
"""How long the first update waits for aliases; after that, they come with the next update."""
RECHECK_AFTER_S = 1.0
"""lnd may overwrite the failure reason within milliseconds after the end, so it is asked again after this time."""
REASON_FINAL_AFTER_NS = 60_000_000_000
"""A payment that ended longer ago than this before it was watched isn't asked for again: its reason is final."""
LONGEST_DELAY_S = 5.0
"""The longest delay before reconnecting: a person is waiting, and one payment costs lnd little."""


class PaymentUpdate(NamedTuple):
    """A state of the payment to show."""

    detail: PaymentDetail
    aliases: Mapping[str, str]
    """Known aliases by identity key."""
    at_ns: int
    """When it was received, by our clock, nanoseconds since 1970."""
    final: bool = False
    """True for the last one: the payment has ended, and its reason won't change."""


class Listener(Protocol):
    """Receives the events that are not updates of the payment."""

    def warn(self, message: str) -> None:
        """Take a message for the person who runs the command."""

    def connection_lost(self, error: LndError) -> None:
        """Updates have stopped, or the cause of that has changed; the watcher retries until lnd answers."""

    def connection_restored(self) -> None:
        """lnd sends updates of the payment again."""

    def awaiting_end(self, detail: PaymentDetail) -> None:
        """lnd knows the payment, and no update before its end is wanted; called again after each reconnection."""


@dataclass
class PaymentWatcher:
    """Watches one payment."""

    client: DetailedClient
    payment_hash: str
    """64 hex digits."""
    now: Callable[[], Moment]
    listener: Listener
    inflight: bool = True
    """True to yield updates before the end, too."""
    secrets: bool = False
    """True to keep preimages and the payment request."""
    backoff: Backoff = field(default_factory=lambda: Backoff(max_s=LONGEST_DELAY_S))
    _aliases: dict[str, str] = field(default_factory=dict, init=False)
    _latest: PaymentDetail | None = field(default=None, init=False)

    async def updates(self) -> AsyncGenerator[PaymentUpdate, None]:
        """Yield each update, the last one marked as final. A payment that ended long ago has only the final one.

        Raises `LndError` if lnd can't be asked at first, and `PaymentNotFound` if it doesn't know the payment, at
        first or later. Once lnd has sent the payment, a lost connection is reopened, without limit.
        """
        fetching: asyncio.Task[None] | None = None
        old = False
        try:
            async with aclosing(self._details_across_connections()) as details:
                async for detail in details:
                    if fetching is None:
                        fetching = asyncio.create_task(self._fetch_aliases())
                        await asyncio.wait([fetching], timeout=ALIASES_WAIT_S)
                    old = self._latest is None and self._ended_long_ago(detail.payment)
                    self._merge(detail)
                    if old:
                        break
                    if self.inflight or self._ended:
                        yield self._update()
                    else:
                        self.listener.awaiting_end(detail)
            if not old:
                await asyncio.sleep(RECHECK_AFTER_S)
                await self._recheck_end()
            yield self._update(final=True)
        finally:
            if fetching is not None:
                fetching.cancel()

    async def _details_across_connections(self) -> AsyncGenerator[PaymentDetail, None]:
        """Yield the details of one connection after the other, until the payment ends."""
        lost: Interruption | None = None
        while not self._ended:
            opened_ns = 0
            try:
                await self.client.connect()
                async with aclosing(self._details_of_connection()) as details:
                    async for detail in details:
                        if lost is not None:
                            self.listener.connection_restored()
                        lost, opened_ns = None, opened_ns or self.now().mono_ns
                        yield detail
            except LndError as error:
                if self._latest is None or isinstance(error, PaymentNotFound):
                    raise
                if error.cause is not lost:
                    self.listener.connection_lost(error)
                lost = error.cause
                await asyncio.sleep(self._delay_s(opened_ns))

    @property
    def _ended(self) -> bool:
        return self._latest is not None and self._latest.payment.status.ended

    def _ended_long_ago(self, payment: Payment) -> bool:
        """Return True if its last attempt changed longer than `REASON_FINAL_AFTER_NS` ago; False without attempts."""
        latest_ns = payment.latest_ns
        return payment.status.ended and 0 < latest_ns < self.now().wall_ns - REASON_FINAL_AFTER_NS

    async def _details_of_connection(self) -> AsyncGenerator[PaymentDetail, None]:
        """Yield the details of one connection, always the current state first.

        A stream that sends only the end can't show whether lnd knows the payment: then the state is asked for before.
        """
        if not self.inflight:
            detail = await self._current_state()
            yield detail
            if detail.payment.status.ended:
                return
        stream = self.client.details(self.payment_hash, inflight=self.inflight, secrets=self.secrets)
        async with aclosing(stream) as details:
            if self.inflight:
                yield await first_detail(details)
            async for detail in details:
                yield detail

    async def _current_state(self) -> PaymentDetail:
        stream = self.client.details(self.payment_hash, inflight=True, secrets=self.secrets)
        async with aclosing(stream) as details:
            return await first_detail(details)

    def _merge(self, detail: PaymentDetail) -> None:
        self._latest = detail if self._latest is None else detail.after(self._latest)

    def _update(self, *, final: bool = False) -> PaymentUpdate:
        assert self._latest is not None
        return PaymentUpdate(self._latest, dict(self._aliases), self.now().wall_ns, final)

    async def _recheck_end(self) -> None:
        """Ask lnd's database for the end again; if that fails, the end as received stays."""
        try:
            self._merge(await self._current_state())
        except PaymentNotFound:
            return  # deleted meanwhile, or the hash is being paid again
        except LndError as error:
            self.listener.warn(f"{error.advice}; the failure reason shown may not be lnd's final one")

    async def _fetch_aliases(self) -> None:
        """Fetch the aliases of the node itself and of its direct peers; do without those that lnd doesn't return."""
        await asyncio.gather(self._fetch_own_alias(), self._fetch_peer_aliases())

    async def _fetch_own_alias(self) -> None:
        with suppress(LndError):
            info = await self.client.info(ANSWER_S)
            self._aliases[info.pubkey] = info.alias

    async def _fetch_peer_aliases(self) -> None:
        with suppress(LndError):
            self._aliases |= (await self.client.channels()).aliases

    def _delay_s(self, opened_ns: int) -> float:
        """Return the seconds until the next try; subscribing to one payment makes lnd read no large table."""
        lived_s = (self.now().mono_ns - opened_ns) / 1e9 if opened_ns else 0.0
        return self.backoff.delay_s(lived_s, 0)
