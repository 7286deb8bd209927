"""The course of one payment, as lnd tells it: across lost connections, with the names of its hops, to its last word."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from exporter.follow.backoff import Backoff
from exporter.lnd.client import ANSWER_S, DetailedClient, LndError, PaymentNotFound
from exporter.payments.detail import Detail
from exporter.payments.labels import Interruption, NodeState
from exporter.payments.payment import Moment, Payment

NAMES_S = 3.0
"""So long names are waited for, before the first update is shown; afterwards they come with the next one."""
AGAIN_S = 1.0
"""After the end lnd may overwrite its reason, within milliseconds: so much later it is asked once more."""
OLD_NS = 60_000_000_000
"""If it was over before it was followed, and nothing has happened to it for so long, it isn't asked once more."""
LAST_S = 5.0
"""The longest wait before a lost line is tried again: a person looks on, and one payment costs lnd little."""


class Update(NamedTuple):
    """What is to be shown."""

    detail: Detail
    names: Mapping[str, str]
    """Aliases by identity key, where they are known."""
    at_ns: int
    """When it was heard, by our clock, nanoseconds since 1970."""
    final: bool = False
    """The last one: the payment has ended, and its reason won't change."""


class Audience(Protocol):
    """Who is told what no update says."""

    def say(self, words: str) -> None:
        """Something that a person should know."""

    def lost(self, trouble: LndError) -> None:
        """Nothing is heard for now, for this reason or another one than before: lnd is asked again until it answers."""

    def found(self) -> None:
        """lnd tells of the payment again."""

    def wait(self, detail: Detail) -> None:
        """The payment is known, and no update of it is wanted before its end."""


@dataclass
class Course:
    """Follows one payment."""

    client: DetailedClient
    payment_hash: str
    """64 hex digits."""
    now: Callable[[], Moment]
    audience: Audience
    inflight: bool = True
    """Also what is told before the end."""
    secrets: bool = False
    backoff: Backoff = field(default_factory=lambda: Backoff(last_s=LAST_S))
    _names: dict[str, str] = field(default_factory=dict, init=False)
    _known: Detail | None = field(default=None, init=False)

    async def updates(self) -> AsyncGenerator[Update, None]:
        """Each update, the last one marked as such; then it ends. Of a payment that ended long ago there is only that.

        Raises `LndError` if lnd can't be asked from the outset, and `PaymentNotFound` for a payment that it doesn't
        know, or no longer. Once it has told of the payment, a connection that is lost is opened again, for ever.
        """
        naming: asyncio.Task[None] | None = None
        old = False
        try:
            async with aclosing(self._across_losses()) as details:
                async for detail in details:
                    if naming is None:
                        naming = asyncio.create_task(self._ask_names())
                        await asyncio.wait([naming], timeout=NAMES_S)
                    old = self._known is None and self._is_old(detail.payment)
                    self._hear(detail)
                    if old:
                        break
                    if self.inflight or self._ended:
                        yield self._update()
                    else:
                        self.audience.wait(detail)
            if not old:
                await asyncio.sleep(AGAIN_S)
                await self._ask_again()
            yield self._update(final=True)
        finally:
            if naming is not None:
                naming.cancel()

    async def _across_losses(self) -> AsyncGenerator[Detail, None]:
        """What one connection after the other brings, to the end of the payment."""
        lost: Interruption | None = None
        while not self._ended:
            opened_ns = 0
            try:
                await self.client.connect()
                async with aclosing(self._session()) as details:
                    async for detail in details:
                        if lost is not None:
                            self.audience.found()
                        lost, opened_ns = None, opened_ns or self.now().mono_ns
                        yield detail
            except LndError as trouble:
                if self._known is None or isinstance(trouble, PaymentNotFound):
                    raise
                if trouble.cause is not lost:
                    self.audience.lost(trouble)
                lost = trouble.cause
                await asyncio.sleep(self._delay_s(opened_ns))

    @property
    def _ended(self) -> bool:
        return self._known is not None and self._known.payment.status.ended

    def _is_old(self, payment: Payment) -> bool:
        """True if lnd's last word of it was said long ago, by the times of its attempts."""
        happened_ns = payment.latest_ns
        return payment.status.ended and 0 < happened_ns < self.now().wall_ns - OLD_NS

    async def _session(self) -> AsyncGenerator[Detail, None]:
        """What one connection brings. Who wants the end only must hear first that lnd knows the payment."""
        if not self.inflight:
            detail = await self._present()
            yield detail
            if detail.payment.status.ended:
                return
        details = self.client.details(self.payment_hash, inflight=self.inflight, secrets=self.secrets)
        async with aclosing(details) as updates:
            if self.inflight:
                yield await _first(updates)
            async for detail in updates:
                yield detail

    async def _present(self) -> Detail:
        """The present state."""
        details = self.client.details(self.payment_hash, inflight=True, secrets=self.secrets)
        async with aclosing(details) as updates:
            return await _first(updates)

    def _hear(self, detail: Detail) -> None:
        self._known = detail if self._known is None else detail.after(self._known)

    def _update(self, *, final: bool = False) -> Update:
        assert self._known is not None
        return Update(self._known, dict(self._names), self.now().wall_ns, final)

    async def _ask_again(self) -> None:
        """What lnd's database says of the end now; if it can't be asked, what was heard must do."""
        try:
            self._hear(await self._present())
        except PaymentNotFound:
            return  # deleted, or tried again
        except LndError as trouble:
            self.audience.say(f"{trouble.advice}; the reason is what lnd said first")

    async def _ask_names(self) -> None:
        """Aliases of the node itself and of its direct peers, where the macaroon allows it; it is fine without."""
        await asyncio.gather(self._ask_own_name(), self._ask_peers())

    async def _ask_own_name(self) -> None:
        with suppress(LndError):
            info = await self.client.info(ANSWER_S)
            self._names[info.pubkey] = info.alias

    async def _ask_peers(self) -> None:
        with suppress(LndError):
            self._names |= (await self.client.channels()).aliases

    def _delay_s(self, opened_ns: int) -> float:
        """Seconds until the next try; a stream of one payment makes lnd read no table."""
        lived_s = (self.now().mono_ns - opened_ns) / 1e9 if opened_ns else 0.0
        return self.backoff.delay_s(lived_s, 0)


async def _first(updates: AsyncGenerator[Detail, None]) -> Detail:
    """The present state, which lnd tells at once; raises `LndError` if it doesn't."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await anext(updates)
    except TimeoutError:
        advice = "lnd took too long to answer: is its machine overloaded?"
        raise LndError(Interruption.TIMEOUT, NodeState.UNREACHABLE, advice) from None
